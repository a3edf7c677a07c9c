"""The numbers that the kernel's Python and C sides each write down are the same."""

import re
from pathlib import Path
from types import ModuleType

import pytest

from services.matching_engine import kernel_codes, kernel_layout


@pytest.mark.parametrize("module", [kernel_layout, kernel_codes], ids=lambda module: module.__name__)
def test_pxd_has_the_same_numbers(module: ModuleType) -> None:
    """Every constant of the Python file stands in the .pxd file with the same value, and no other does."""
    declared = Path(str(module.__file__)).with_suffix(".pxd").read_text(encoding="utf-8")
    in_c = {name: int(value) for name, value in re.findall(r"^    (\w+) = (\d+)$", declared, re.MULTILINE)}
    in_python = {name: value for name, value in vars(module).items() if name.isupper()}
    assert in_c == in_python
