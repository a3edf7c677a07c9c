"""The kernel both ways: as Python runs its source, and as it was compiled, when it was."""

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import EXTENSION_SUFFIXES, FileFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType

PACKAGE = "services.matching_engine"
FOLDER = Path(__file__).parents[2] / "services" / "matching_engine"
MODULES = [f"{PACKAGE}.{path.stem}" for path in sorted(FOLDER.glob("kernel_*.py"))] + [f"{PACKAGE}.book"]


class _SourceOnly(FileFinder):
    """Finds the modules of the engine's folder by their source alone."""

    def __init__(self) -> None:
        super().__init__(str(FOLDER), (SourceFileLoader, [".py"]))


@contextmanager
def _without_compiled() -> Iterator[None]:
    """Import the kernel's modules anew, from source, and put back afterwards what was imported before."""
    before = {name: sys.modules.pop(name) for name in MODULES if name in sys.modules}
    finder = _SourceOnly()

    class Source:
        @staticmethod
        def find_spec(name: str, path: object = None, target: object = None) -> object:
            return finder.find_spec(name) if name in MODULES else None

    sys.meta_path.insert(0, Source)  # type: ignore[arg-type]
    try:
        yield
    finally:
        sys.meta_path.remove(Source)  # type: ignore[arg-type]
        package = importlib.import_module(PACKAGE)
        for name in MODULES:
            sys.modules.pop(name, None)
            vars(package).pop(name.rpartition(".")[2], None)
        for name, module in before.items():
            sys.modules[name] = module
            setattr(package, name.rpartition(".")[2], module)


def load_plain(name: str) -> ModuleType:
    """Return one of the kernel's modules as plain Python, whether or not it is compiled."""
    with _without_compiled():
        return importlib.import_module(f"{PACKAGE}.{name}")


def load_compiled(name: str) -> ModuleType | None:
    """Return one of the kernel's modules compiled, or None when this installation has none."""
    module = importlib.import_module(f"{PACKAGE}.{name}")
    return module if (module.__file__ or "").endswith(tuple(EXTENSION_SUFFIXES)) else None


def load_builds(name: str) -> list[ModuleType]:
    """Return one of the kernel's modules in every build there is, the compiled one first."""
    return [module for module in (load_compiled(name), load_plain(name)) if module is not None]


PLAIN = load_plain("book")
COMPILED = load_compiled("book")
BUILDS = [module for module in (COMPILED, PLAIN) if module is not None]
