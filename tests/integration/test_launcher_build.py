"""What `setup.py` promises: hot modules compile where they can, and never stand in the way where they cannot."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import outcry

SETUP = Path(outcry.__file__).resolve().parent.parent / "setup.py"
HOT = "# cython: language_level=3\ndef double(number: int) -> int:\n    return 2 * number\n"


def build(folder: Path, **env: str) -> list[Path]:
    """Run the build in a tiny project with one hot module; answers what was compiled."""
    (folder / "shared").mkdir(exist_ok=True)
    (folder / "shared" / "__init__.py").touch()
    if not (folder / "shared" / "hot.py").exists():
        (folder / "shared" / "hot.py").write_text(HOT)
    shutil.copy(SETUP, folder)
    command = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
    subprocess.run(command, cwd=folder, env=dict(os.environ) | env, check=True, capture_output=True, timeout=120)
    return list((folder / "shared").glob("hot.*.so"))


def test_without_a_compiler_plain_python_runs(tmp_path: Path) -> None:
    """A missing C compiler fails nothing: the build succeeds, and the module runs as it is."""
    assert build(tmp_path, CC="/bin/false") == []
    answer = subprocess.run(
        [sys.executable, "-c", "import shared.hot; print(shared.hot.double(21))"],
        cwd=tmp_path,
        capture_output=True,
        check=True,
    )
    assert answer.stdout == b"42\n"


@pytest.mark.skipif(shutil.which("cc") is None and shutil.which("gcc") is None, reason="no C compiler here")
def test_compiled_modules_never_outlive_their_source(tmp_path: Path) -> None:
    """What was compiled from an older source goes away even if nothing replaces it; with OUTCRY_PURE=1 all goes."""
    (compiled,) = build(tmp_path)
    source = tmp_path / "shared" / "hot.py"
    later_s = compiled.stat().st_mtime + 10
    os.utime(source, (later_s, later_s))
    assert build(tmp_path, CC="/bin/false") == []
    assert len(build(tmp_path)) == 1
    assert build(tmp_path, OUTCRY_PURE="1") == []
