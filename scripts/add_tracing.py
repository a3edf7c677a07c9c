"""Adds tracing to FastAPI services that have none.

    python scripts/add_tracing.py services/            show what would change, and ask
    python scripts/add_tracing.py services/ --write    write it
    python scripts/add_tracing.py services/ --remove   take it out again

Exit status: 0 done, or nothing to do; 1 an app could not be traced, or a change was declined; 2 a file that could not
be read.
"""

import argparse
import difflib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

try:
    import libcst
except ModuleNotFoundError:
    # Started by another Python than the one that `make up` installed everything for.
    installed = PROJECT / ".venv" / "bin" / "python"
    if installed.exists() and Path(sys.prefix) != PROJECT / ".venv":
        os.execv(installed, [str(installed), *sys.argv])  # noqa: S606 - that Python, with the arguments of this one
    sys.exit("add_tracing needs LibCST, which keeps your formatting: run make up once, or pip install libcst.")

from scripts import codemod  # noqa: E402 - after the path and LibCST are sure

PASSED_OVER = {"node_modules", "site-packages", "__pycache__", "build", "dist"}
PLAIN_NAMES = {"main", "app", "api", "server", "__init__", "__main__", "asgi", "application", "src"}


def sources(paths: list[Path]) -> Iterator[Path]:
    """The Python files below these paths, without hidden folders and installed packages."""
    for path in paths:
        if path.is_file():
            yield path
        for file in sorted(path.rglob("*.py")):
            parts = file.relative_to(path).parts[:-1]
            if not any(part.startswith(".") or part in PASSED_OVER for part in parts):
                yield file


def service_of(file: Path) -> str:
    """A service's name from its file, or from the first folder above it that is not called like any other."""
    named = [file.stem, *(folder.name for folder in file.absolute().parents if folder.name)]
    return next((name for name in named if name not in PLAIN_NAMES), named[0]).replace("_", "-")


def changed(file: Path, service: str, *, remove: bool) -> tuple[str, codemod.Change]:
    """A file's text, and what becomes of it. Raises OSError, UnicodeDecodeError or libcst.ParserSyntaxError."""
    with file.open(encoding="utf-8", newline="") as opened:
        before = opened.read()
    return before, codemod.remove(before) if remove else codemod.add(before, service or service_of(file))


def show(file: Path, before: str, after: str) -> None:
    """The change as a unified diff."""
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    sys.stdout.writelines(difflib.unified_diff(old, new, str(file), str(file), n=2))


def main(arguments: list[str] | None = None) -> int:
    """The command. Answers the exit status."""
    summary, _, rest = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("paths", nargs="+", type=Path, help="files, or folders to search")
    parser.add_argument("--write", action="store_true", help="write without asking")
    parser.add_argument("--remove", action="store_true", help="take out what this script added")
    parser.add_argument("--service", default="", help="the service's name; default: from the file or its folder")
    asked = parser.parse_args(arguments)
    status, changes = 0, []
    for path in asked.paths:
        if not path.exists():
            print(f"{path}: there is no such file or folder", file=sys.stderr)
            return 2
    for file in sources(asked.paths):
        try:
            before, change = changed(file, asked.service, remove=asked.remove)
        except (OSError, UnicodeDecodeError, libcst.ParserSyntaxError) as error:
            print(f"{file}: cannot be read as Python: {str(error).splitlines()[0]}", file=sys.stderr)
            status = 2
            continue
        for missed in change.missed:
            print(f"{file}:{missed.line}: not traced, {missed.why}", file=sys.stderr)
            status = status or 1
        if change.source != before:
            show(file, before, change.source)
            changes.append((file, change.source))
    if not changes:
        print("Nothing to change.")
        return status
    return max(status, _write(changes, sure=asked.write))


def _write(changes: list[tuple[Path, str]], *, sure: bool) -> int:
    if not sure:
        try:
            answer = input(f"\nWrite {len(changes)} file{'s' * (len(changes) > 1)}? [y/N] ")
        except EOFError:
            answer = ""
        if answer.strip().lower() not in ("y", "yes"):
            print("Nothing written.")
            return 1
    for file, text in changes:
        with file.open("w", encoding="utf-8", newline="") as opened:
            opened.write(text)
    print(f"Wrote {len(changes)} file{'s' * (len(changes) > 1)}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
