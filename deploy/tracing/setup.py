"""Builds `outcry-tracing`: the folder shared/tracing as a distribution of its own, compiled where a C compiler is.

    pip install deploy/tracing

The sources are copied here first, so that a source distribution holds them as well. There is no `shared/__init__.py`
among them: `shared` is a namespace, in which others may have packages, too.
"""

import os
import shutil
from pathlib import Path

from setuptools import Extension, setup

MARKER = "# cython: language_level=3"
FOLDER = Path("shared/tracing")


def copy_sources(project: Path) -> None:
    """Bring the sources of the project here, where this is not a source distribution already."""
    if (project / FOLDER).is_dir():
        shutil.rmtree(FOLDER, ignore_errors=True)
        shutil.copytree(project / FOLDER, FOLDER, ignore=shutil.ignore_patterns("*.so", "*.c", "__pycache__"))


def extensions() -> list[Extension]:
    """The modules that are worth compiling, none of which has to be; none at all where OUTCRY_PURE is set."""
    if os.environ.get("OUTCRY_PURE", "") not in ("", "0"):
        return []
    from Cython.Build import cythonize

    hot = [path for path in sorted(FOLDER.glob("*.py")) if path.read_text(encoding="utf-8").startswith(MARKER)]
    modules = [
        Extension(".".join(path.with_suffix("").parts), [str(path)], extra_compile_args=["-O3", "-g0"]) for path in hot
    ]
    compiled = list(cythonize(modules, nthreads=os.cpu_count() or 1))
    for extension in compiled:
        extension.optional = True
    return compiled


HERE = Path(__file__).resolve().parent
os.chdir(HERE)  # wherever it was started: what is below is replaced
copy_sources(HERE.parent.parent)
setup(ext_modules=extensions(), options={"build_ext": {"parallel": os.cpu_count() or 1}})
