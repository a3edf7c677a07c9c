"""An expression prepared for a store: what SQL can say of it, and what spans must be read for.

SQL gives every span that may fit. Where it gives no others, nothing is read; so it is for expressions of service, time,
duration, status and the like, and in chunks whose filters of tags rule the rest out.
"""

from dataclasses import dataclass

from jaegerlite.columns import I64Array, U8Array
from jaegerlite.find.language import TRACE_KEYS, And, AnyText, Condition, Expression, Not, Or
from jaegerlite.find.leaves import Leaf
from jaegerlite.jaeger_params import ParameterError
from jaegerlite.otlp import SpanRest
from jaegerlite.otlp_read import read_rest
from jaegerlite.store import Store


@dataclass(frozen=True, slots=True)
class Superset:
    """SQL for spans that may fit; `is_exact` if all of them do."""

    sql: str
    is_exact: bool


class Plan:
    """An expression on spans, and the conditions on whole traces that went along with it."""

    def __init__(self, store: Store, expression: Expression) -> None:
        """Raises ParameterError where a condition on the trace is not joined by AND."""
        parts = expression.parts if isinstance(expression, And) else (expression,)
        self.on_trace = [part for part in parts if isinstance(part, Condition) and part.key in TRACE_KEYS]
        self._expression: Expression = And(tuple(part for part in parts if part not in self.on_trace))
        self._leaves: dict[Condition | AnyText, Leaf] = {}
        self._prepare(store, self._expression)

    def _prepare(self, store: Store, expression: Expression) -> None:
        if isinstance(expression, And | Or):
            for part in expression.parts:
                self._prepare(store, part)
        elif isinstance(expression, Not):
            self._prepare(store, expression.part)
        elif isinstance(expression, Condition) and expression.key in TRACE_KEYS:
            raise ParameterError(f"q: {expression.key} can be joined by AND only, outside of parentheses and NOT")
        elif expression not in self._leaves:
            self._leaves[expression] = Leaf(store, expression)

    @property
    def asks_rest(self) -> bool:
        """Whether attributes decide, somewhere."""
        return any(leaf.asks_rest for leaf in self._leaves.values())

    def superset(self, tag_filter: bytes = b"") -> Superset:
        """The spans that may fit; in a chunk, if its filter of tags is given."""
        possible = {
            key: leaf.asks_rest and (not tag_filter or leaf.may_be_in(tag_filter)) for key, leaf in self._leaves.items()
        }
        return self._superset(self._expression, possible)

    def _superset(self, expression: Expression, possible: dict[Condition | AnyText, bool]) -> Superset:
        if isinstance(expression, And | Or):
            parts = [self._superset(part, possible) for part in expression.parts]
            joined = (" AND " if isinstance(expression, And) else " OR ").join(f"({part.sql})" for part in parts)
            return Superset(joined or str(isinstance(expression, And)).upper(), all(part.is_exact for part in parts))
        if isinstance(expression, Not):
            part = self._superset(expression.part, possible)
            return Superset(f"NOT ({part.sql})", True) if part.is_exact else Superset("TRUE", False)
        if possible[expression]:
            return Superset("TRUE", False)
        return Superset(self._leaves[expression].sql, True)

    def marks(self, rests: bytes, borders: I64Array) -> "Marks":
        """A quick look at the attributes of many spans at once, before `fits` reads single ones."""
        lowered = rests.lower() if any(leaf.comparison == "~" for leaf in self._leaves.values()) else b""
        asked = {key: leaf for key, leaf in self._leaves.items() if leaf.asks_rest}
        return Marks({key: leaf.marks(rests, borders, lowered) for key, leaf in asked.items()})

    def fits(
        self, series: int, status: int, duration_ns: int, rest: bytes, marks: "Marks | None" = None, row: int = 0
    ) -> bool:
        """Whether a span fits, given its columns and its kept part; `marks` and its row in them spare reading some."""
        span = _SpanUnderTest(self._leaves, series, status, duration_ns, rest, marks, row)
        return span.fits(self._expression)


@dataclass(frozen=True, slots=True)
class Marks:
    """For each condition, 1 where a span's attributes may have it, or None where nothing is known."""

    by_condition: dict[Condition | AnyText, U8Array | None]

    def may_fit(self, condition: Condition | AnyText, row: int) -> bool:
        """Whether the span at this row may have it among its attributes."""
        marks = self.by_condition[condition]
        return marks is None or bool(marks[row])


class _SpanUnderTest:
    def __init__(
        self,
        leaves: dict[Condition | AnyText, Leaf],
        series: int,
        status: int,
        duration_ns: int,
        rest: bytes,
        marks: Marks | None,
        row: int,
    ) -> None:
        self._leaves = leaves
        self._columns = (series, status, duration_ns)
        self._bytes = rest
        self._marks = marks
        self._row = row
        self._rest: SpanRest | None = None

    def fits(self, expression: Expression) -> bool:
        if isinstance(expression, And):
            return all(self.fits(part) for part in expression.parts)
        if isinstance(expression, Or):
            return any(self.fits(part) for part in expression.parts)
        if isinstance(expression, Not):
            return not self.fits(expression.part)
        leaf = self._leaves[expression]
        if leaf.by_columns(*self._columns):
            return True
        if not leaf.asks_rest or (self._marks is not None and not self._marks.may_fit(expression, self._row)):
            return False
        if self._rest is None:
            self._rest = read_rest(self._bytes)
        return leaf.rest_fits(self._rest)
