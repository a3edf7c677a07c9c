"""Programs of a launcher that is root, for children that are not."""

import os
import pwd
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from outcry import privileges, reachable

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives up root")

PARTS = ("one", "none.libs")
PROGRAM = "one/bin/program"


@pytest.fixture
def nobody() -> pwd.struct_passwd:
    """An account that may enter only what everybody may."""
    return privileges.account(privileges.FALLBACK_ACCOUNT)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where copies may go, open to everybody, as are the folders above it."""
    for folder in (tmp_path, *tmp_path.parents):
        if Path(tempfile.gettempdir()) in folder.parents:
            folder.chmod(0o755)
    made = tmp_path / "place"
    made.mkdir()
    monkeypatch.setattr(reachable, "PLACES", (made,))
    return made


@pytest.fixture
def hidden(tmp_path: Path) -> Path:
    """A folder with a program in it, and something else, below one that only root may enter."""
    folder = tmp_path / "closed" / "packages"
    for part in ("one/bin", "other"):
        (folder / part).mkdir(parents=True)
    (folder / "one/bin/program").write_text("#!/bin/sh\n")
    (folder / "one/bin/program").chmod(0o755)
    (tmp_path / "closed").chmod(0o700)
    return folder


def finds(user: pwd.struct_passwd, program: Path) -> bool:
    """Whether access(2) lets a child of that account run the program, when it keeps what the launcher lets it keep."""
    look = f"import os, sys; sys.exit(not os.access({str(program)!r}, os.X_OK))"
    shown = subprocess.run(
        ["/usr/bin/env", "-i", sys.executable, "-Sc", look],
        preexec_fn=lambda: privileges.become(user, search_everywhere=True),
        cwd="/",
        check=False,
    )
    return shown.returncode == 0


def test_a_copy_is_found_where_the_original_is_not(nobody: pwd.struct_passwd, place: Path, hidden: Path) -> None:
    """What lies where only root may enter is copied, once, to where its user finds it."""
    copy = reachable.reachable(hidden, PARTS, nobody)
    assert copy.parent == place
    assert (finds(nobody, hidden / PROGRAM), finds(nobody, copy / PROGRAM)) == (False, True)
    assert reachable.reachable(hidden, PARTS, nobody) == copy
    assert [path.name for path in place.iterdir()] == [copy.name]
    assert [path.name for path in copy.iterdir()] == ["one"]


def test_what_everybody_may_enter_stays_where_it_is(nobody: pwd.struct_passwd, place: Path, hidden: Path) -> None:
    """No copy is made where none is needed."""
    hidden.parent.chmod(0o755)
    assert reachable.reachable(hidden, PARTS, nobody) == hidden
    hidden.parent.chmod(0o700)
    assert reachable.reachable(hidden, PARTS, None) == hidden
    assert list(place.iterdir()) == []


def test_a_copy_of_somebody_else_is_refused(nobody: pwd.struct_passwd, place: Path, hidden: Path) -> None:
    """What another account has put in the copy's place, or may write to, is not run."""
    copy = reachable.reachable(hidden, PARTS, nobody)
    os.chown(copy, nobody.pw_uid, nobody.pw_gid)
    with pytest.raises(RuntimeError, match="not ours"):
        reachable.reachable(hidden, PARTS, nobody)
    os.chown(copy, 0, 0)
    copy.chmod(0o777)
    with pytest.raises(RuntimeError, match="not ours"):
        reachable.reachable(hidden, PARTS, nobody)
