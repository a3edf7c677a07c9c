"""What a child does between fork and exec: give up root, and ask the kernel to end it together with the launcher.

PostgreSQL refuses to run as root, so a launcher that is root starts it under an unprivileged system account. Such an
account may not enter, say, `/root`; rather than opening that folder to everybody, the child keeps the single
capability to search folders (CAP_DAC_READ_SEARCH, or CAP_DAC_OVERRIDE in a container that has only that one).
"""

import ctypes
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

ACCOUNT = "outcry"
FALLBACK_ACCOUNT = "nobody"

# linux/prctl.h and linux/capability.h
PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2
CAPABILITY_VERSION_3 = 0x20080522

# Loaded before any fork: a child between fork and exec should import and load nothing.
_libc = ctypes.CDLL(None, use_errno=True)


def system_user() -> str | None:
    """The account for programs that refuse root; None when the launcher is not root anyway.

    Made with `useradd` at the first start as root; where that cannot be done, `nobody` serves.
    """
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(ACCOUNT).pw_name
    except KeyError:
        useradd = shutil.which("useradd")
    if useradd is not None:
        command = [useradd, "--system", "--no-create-home", "--shell", "/bin/false", ACCOUNT]
        if subprocess.run(command, capture_output=True, check=False).returncode in (0, 9):  # noqa: S603 - 9: made meanwhile
            return ACCOUNT
    return FALLBACK_ACCOUNT


def account(name: str) -> pwd.struct_passwd:
    """The account of that name. Raises KeyError when there is none."""
    return pwd.getpwnam(name)


def may_search(user: pwd.struct_passwd, *paths: Path) -> bool:
    """Whether `user` can reach every one of the paths: it and each folder above it can be searched by others."""
    for path in paths:
        for folder in (path, *path.resolve().parents):
            state = folder.stat()
            if state.st_uid == user.pw_uid:
                continue
            if not state.st_mode & stat.S_IXOTH:
                return False
    return True


def become(user: pwd.struct_passwd, *, search_everywhere: bool) -> None:
    """Turn this (root) process into `user` for good, keeping the capability to search folders if asked to."""
    keep = search_everywhere and sys.platform == "linux"
    if keep:
        _checked(_libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0))
    os.setgroups([])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    if keep and not _keep_only(CAP_DAC_READ_SEARCH):
        _checked(0 if _keep_only(CAP_DAC_OVERRIDE) else -1)


def die_with_parent(death_signal: signal.Signals, parent_pid: int) -> None:
    """Have the kernel send `death_signal` when the parent ends. Comes after a change of user, which would clear it."""
    if sys.platform != "linux":
        return
    _checked(_libc.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0))
    if os.getppid() != parent_pid:  # it died before the kernel knew our wish
        os.kill(os.getpid(), death_signal)


def _keep_only(capability: int) -> bool:
    """Drop every capability but one, and let that one survive exec. False when this process does not have it."""
    bit = 1 << capability
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)  # effective, permitted, inheritable: low words, then high
    if _libc.capset(header, sets) != 0:
        return False
    return bool(_libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) == 0)


def _checked(result: int) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
