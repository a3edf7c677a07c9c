"""Whether the compiled modules are those of the sources beside them.

`make up`, `make test` and all other rules compile what changed first. Who starts without make after a change (a pull,
an editor) would run what was compiled from an older source, or see processes die of an ImportError; this says so.
"""

import re
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).absolute().parent.parent
PACKAGES = ("jaegerlite", "services", "shared")
CIMPORT = re.compile(r"^\s*from (?:cython\.cimports\.)?([\w.]+) c?import ", re.MULTILINE)


def outdated(project: Path = PROJECT) -> list[str]:
    """The sources that changed since they, or the declarations that they were compiled with, were compiled."""
    if not (project / "setup.py").exists():  # installed as a whole, not a checkout
        return []
    modules = (path for package in PACKAGES for path in (project / package).rglob("*.so"))
    found = {path: path.parent / f"{path.name.partition('.')[0]}.py" for path in modules}
    return sorted(
        str(source.relative_to(project))
        for compiled, source in found.items()
        if source.exists() and compiled.stat().st_mtime < max(path.stat().st_mtime for path in _read(source, project))
    )


def hint(project: Path = PROJECT) -> str:
    """A sentence for whoever starts it now; empty where all is well."""
    sources = outdated(project)
    if not sources:
        return ""
    more = f" and {len(sources) - 3} more" if len(sources) > 3 else ""
    return f"Compiled from an older source: {', '.join(sources[:3])}{more}. Run: make build"


def _read(source: Path, project: Path) -> Iterator[Path]:
    """What the compiler reads for a module: its source, its declarations, and those that it takes from others."""
    waiting, seen = [source, source.with_suffix(".pxd")], set[Path]()
    while waiting:
        path = waiting.pop()
        if path in seen or not path.exists():
            continue
        seen.add(path)
        yield path
        waiting += [project / f"{name.replace('.', '/')}.pxd" for name in CIMPORT.findall(path.read_text("utf-8"))]
