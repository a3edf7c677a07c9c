"""Installs QuickFIX, the engine of the FIX gateway, from its source: `python scripts/install_quickfix.py`.

There are no wheels of it, and its own way to compile takes minutes. The source is the one that the lock file names by
its hash; only how it is compiled is ours (`quickfix_setup.py`). Needs a C++ compiler.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).absolute().parent
LOCK = HERE.parent / "requirements-fix.lock"
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]


def main() -> int:
    """The exit status of pip."""
    with tempfile.TemporaryDirectory(prefix="quickfix-") as name:
        folder = Path(name)
        wanted = ["--quiet", "--no-deps", "--no-binary", ":all:", "--require-hashes", "--requirement", str(LOCK)]
        got = subprocess.run([*PIP, "download", *wanted, "--dest", name], check=False)  # noqa: S603
        if got.returncode:
            return got.returncode
        (archive,) = folder.glob("quickfix-*.tar.gz")
        shutil.unpack_archive(archive, folder / "source")
        (source,) = (folder / "source").iterdir()
        shutil.copy(HERE / "quickfix_setup.py", source / "setup.py")
        return subprocess.run([*PIP, "install", "--quiet", "--no-deps", str(source)], check=False).returncode  # noqa: S603


if __name__ == "__main__":
    sys.exit(main())
