"""Compiles the hot modules. Everything else about the package stands in pyproject.toml.

A module whose first line is `# cython: language_level=3` is written in Cython's pure-Python mode: the same source runs
as it is, or compiled where a C compiler is at hand. So every extension is optional: where compiling fails, or is
switched off with OUTCRY_PURE=1, the installation succeeds all the same and plain Python runs.
"""

import os
from pathlib import Path

from setuptools import Extension, setup

MARKER = "# cython: language_level=3"
WORKERS = os.cpu_count() or 1
PACKAGES = ("jaegerlite", "services", "shared")


def hot_modules() -> list[Path]:
    """Every source file below the packages that opens with the marker."""
    files = (path for package in PACKAGES for path in sorted(Path(package).rglob("*.py")))
    return [path for path in files if path.read_text(encoding="utf-8").startswith(MARKER)]


def forget_outdated(*, pure: bool) -> None:
    """Delete what was compiled from an older source, or all of it in a pure installation: Python would prefer it."""
    for source in hot_modules():
        name = f"{source.stem}.*.so"
        for compiled in (*source.parent.glob(name), *Path("build").glob(f"lib*/{source.parent}/{name}")):
            if pure or compiled.stat().st_mtime < source.stat().st_mtime:
                compiled.unlink()


def extensions() -> list[Extension]:
    """The hot modules as optional extensions; none when Cython is missing or OUTCRY_PURE is set."""
    pure = os.environ.get("OUTCRY_PURE", "") not in ("", "0")
    forget_outdated(pure=pure)
    if pure:
        return []
    try:
        from Cython.Build import cythonize
    except ImportError:
        return []
    modules = [
        Extension(".".join(path.with_suffix("").parts), [str(path)], extra_compile_args=["-O3", "-g0"])
        for path in hot_modules()
    ]
    compiled = cythonize(modules, nthreads=WORKERS) if modules else []
    for extension in compiled:
        extension.optional = True  # only now: cythonize makes new ones and forgets it
    return list(compiled)


setup(ext_modules=extensions(), options={"build_ext": {"parallel": WORKERS}})
