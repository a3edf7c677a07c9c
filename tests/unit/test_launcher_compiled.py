"""Compiled modules that are older than what they were compiled from are named, with what to do about it."""

import os
from pathlib import Path

from outcry import compiled

HOT = "# cython: language_level=3\n"


def project(folder: Path) -> Path:
    """Three modules: one takes declarations from the second, which takes some from the third; all compiled just now."""
    package = folder / "shared"
    package.mkdir()
    (folder / "setup.py").touch()
    texts = {
        "one.py": HOT + "from cython.cimports.shared.two import Two\n",
        "two.py": HOT,
        "two.pxd": "from shared.three cimport Three\n",
        "three.py": HOT,
        "three.pxd": "",
    }
    for name, text in texts.items():
        (package / name).write_text(text)
        os.utime(package / name, (100, 100))
    for name in ("one", "two", "three"):
        (package / f"{name}.cpython-311-x86_64-linux-gnu.so").touch()
        os.utime(package / f"{name}.cpython-311-x86_64-linux-gnu.so", (200, 200))
    return folder


def test_what_is_up_to_date_is_not_spoken_of(tmp_path: Path) -> None:
    """Neither a fresh build, nor a module that was never compiled, nor an installation without sources to build."""
    folder = project(tmp_path)
    (folder / "shared" / "plain.py").touch()
    assert compiled.hint(folder) == ""
    os.utime(folder / "shared" / "one.py", (300, 300))
    (folder / "setup.py").unlink()
    assert compiled.hint(folder) == ""


def test_a_changed_source_is_named(tmp_path: Path) -> None:
    """With the command that mends it."""
    folder = project(tmp_path)
    os.utime(folder / "shared" / "one.py", (300, 300))
    assert compiled.outdated(folder) == ["shared/one.py"]
    assert compiled.hint(folder) == "Compiled from an older source: shared/one.py. Run: make build"


def test_changed_declarations_concern_all_who_use_them(tmp_path: Path) -> None:
    """A module is as old as the declarations that it was compiled with, at whatever remove."""
    folder = project(tmp_path)
    os.utime(folder / "shared" / "three.pxd", (300, 300))
    assert compiled.outdated(folder) == ["shared/one.py", "shared/three.py", "shared/two.py"]
    os.utime(folder / "shared" / "three.pxd", (100, 100))
    os.utime(folder / "shared" / "two.pxd", (300, 300))
    assert compiled.outdated(folder) == ["shared/one.py", "shared/two.py"]
