"""SQL texts: only numbers are ever written into them, everything else goes as a parameter."""

from collections.abc import Iterable


def number_list(numbers: Iterable[int]) -> str:
    """Integers as the inside of an SQL `IN (...)`, which DuckDB checks against its zone maps."""
    return ",".join(str(int(number)) for number in numbers) or "NULL"
