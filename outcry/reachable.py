"""Programs where an unprivileged account can start them, wherever the launcher of root is installed.

PostgreSQL looks for its own programs with access(2), which knows nothing of the capability that `privileges` keeps for
a child: below a folder that is root's alone, such as `/root`, it would not find them.
"""

import hashlib
import os
import pwd
import shutil
import stat
import tempfile
from collections.abc import Sequence
from pathlib import Path

from outcry import privileges

PLACES = (Path("/var/tmp"), Path("/tmp"))  # noqa: S108 - what lies there is only taken if it is root's own


def reachable(folder: Path, parts: Sequence[str], user: pwd.struct_passwd | None) -> Path:
    """The folder itself where `user` can get to it (None: the launcher's own user), else a copy of it that stays.

    Only those of the `parts` that there are, paths in the folder, are copied. Raises RuntimeError where no copy can be
    made.
    """
    if user is None or privileges.may_search(user, folder):
        return folder
    found = [part for part in parts if (folder / part).is_dir()]
    version = f"{folder.resolve()} {[(part, (folder / part).stat().st_mtime_ns) for part in found]}"
    name = f"outcry-programs-{hashlib.sha256(version.encode()).hexdigest()[:16]}"
    for place in PLACES:
        if place.is_dir() and privileges.may_search(user, place):
            return _copy(folder, found, place / name)
    raise RuntimeError(f"{user.pw_name} can't get to {folder}, nor to a copy in {' or '.join(map(str, PLACES))}")


def _copy(folder: Path, parts: Sequence[str], copy: Path) -> Path:
    if not os.path.lexists(copy):
        making = Path(tempfile.mkdtemp(prefix=f"{copy.name}.", dir=copy.parent))
        try:
            for part in parts:
                shutil.copytree(folder / part, making / part, symlinks=True)
            making.chmod(0o755)
            making.rename(copy)
        except OSError as error:
            shutil.rmtree(making, ignore_errors=True)
            if not os.path.lexists(copy):  # unless another launcher was faster
                raise RuntimeError(f"{folder} could not be copied to {copy}: {error}") from error
    state = copy.stat(follow_symlinks=False)
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.geteuid() or state.st_mode & 0o022:
        raise RuntimeError(f"{copy} is not ours: remove it, or install Outcry where everybody may enter")
    return copy
