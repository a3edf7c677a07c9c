"""An expression prepared for a store: what SQL can say of it, and what spans must be read for.

SQL gives every span that may fit. Where it gives no others, nothing is read; so it is for expressions of service, time,
duration, status and the like, and in chunks whose filters of tags rule the rest out.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from jaegerlite.chunk_list import ChunkList
from jaegerlite.chunk_reader import ChunkColumns
from jaegerlite.columns import BoolArray, I64Array, U8Array
from jaegerlite.find.fields import FieldLeaf
from jaegerlite.find.language import TRACE_KEYS, And, Atom, Condition, Expression, FieldTest, Not, Or, Some, holds
from jaegerlite.find.leaves import Leaf
from jaegerlite.jaeger_params import ParameterError
from jaegerlite.otlp_read import read_rest
from jaegerlite.store import Store
from jaegerlite.tagmatch import NO, YES

Possible = tuple[bool, ...]
"""For each condition of a plan, in order, whether attributes may have it."""
Verdicts = dict[Atom, U8Array]
"""What is known of each condition from the attributes of many spans: NO, YES or ASK of `tagmatch`."""
Facts = Mapping[Atom, BoolArray]


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
        self._leaves: dict[Atom, Leaf | FieldLeaf] = {}
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
            self._leaves[expression] = (
                FieldLeaf(store, expression) if isinstance(expression, FieldTest | Some) else Leaf(store, expression)
            )

    @property
    def asks_rest(self) -> bool:
        """Whether attributes decide, somewhere."""
        return any(leaf.asks_rest for leaf in self._leaves.values())

    def filtered(self, chunks: ChunkList) -> list[Possible]:
        """For each chunk, by its filter of tags, the conditions that attributes may have in it."""
        found = []
        for leaf in self._leaves.values():
            if not leaf.asks_rest:
                found.append([False] * len(chunks.numbers))
            elif leaf.pair is None:
                found.append([True] * len(chunks.numbers))
            else:
                found.append(chunks.with_tag(*leaf.pair).tolist())
        return [tuple(row) for row in zip(*found, strict=True)]

    def superset(self, possible: Possible | None = None) -> Superset:
        """The spans that may fit; in a chunk, if what `filtered` says of it is given."""
        asked = possible or tuple(leaf.asks_rest for leaf in self._leaves.values())
        return self._superset(self._expression, dict(zip(self._leaves, asked, strict=True)))

    def _superset(self, expression: Expression, possible: dict[Atom, bool]) -> Superset:
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

    def verdicts(self, rests: bytes, borders: I64Array) -> Verdicts:
        """What the attributes of many spans say of each condition."""
        return {key: leaf.verdicts(rests, borders) for key, leaf in self._leaves.items() if leaf.asks_rest}

    def may_fit(self, verdicts: Verdicts, spans: int) -> bool:
        """Whether any span may fit, whatever its columns."""
        nothing, everything = np.zeros(spans, np.bool_), np.ones(spans, np.bool_)
        possible = {
            key: everything if leaf.asks_columns else verdicts[key] != NO if key in verdicts else nothing
            for key, leaf in self._leaves.items()
        }
        certain = {
            key: nothing if leaf.asks_columns or key not in verdicts else verdicts[key] == YES
            for key, leaf in self._leaves.items()
        }
        return bool(_bounds(self._expression, certain, possible, spans)[1].any())

    def fitting(self, spans: ChunkColumns, rests: bytes, borders: I64Array, verdicts: Verdicts) -> BoolArray:
        """Which spans fit, all told; those of which the verdicts leave it open are read, one by one."""
        certain, possible = {}, {}
        for key, leaf in self._leaves.items():
            certain[key] = possible[key] = leaf.by_columns(spans)
            if key in verdicts:
                certain[key], possible[key] = (
                    certain[key] | (verdicts[key] == YES),
                    possible[key] | (verdicts[key] > NO),
                )
        fits, maybe = _bounds(self._expression, certain, possible, len(borders) - 1)
        for row in np.flatnonzero(maybe & ~fits).tolist():
            rest = read_rest(rests[borders[row] : borders[row + 1]])
            known = {
                key: bool(certain[key][row]) or (bool(possible[key][row]) and leaf.rest_fits(rest))
                for key, leaf in self._leaves.items()
            }
            fits[row] = holds(self._expression, known.__getitem__)
        return fits


def _bounds(expression: Expression, certain: Facts, possible: Facts, spans: int) -> tuple[BoolArray, BoolArray]:
    """For which spans an expression is true for certain, and for which it may be."""
    if isinstance(expression, Not):
        inner_certain, inner_possible = _bounds(expression.part, certain, possible, spans)
        return ~inner_possible, ~inner_certain
    if isinstance(expression, And | Or):
        is_all = isinstance(expression, And)
        join = np.logical_and if is_all else np.logical_or
        both = np.full(spans, is_all), np.full(spans, is_all)
        for part in expression.parts:
            found = _bounds(part, certain, possible, spans)
            both = join(both[0], found[0]), join(both[1], found[1])
        return both
    return certain[expression].copy(), possible[expression]
