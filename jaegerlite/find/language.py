"""The query language of `/api/search?q=`.

    service = gateway AND (duration > 5ms OR status = error) AND NOT http.route = "/health"
    "order rejected"                      the text anywhere in an attribute's value
    trace.duration >= 1s user.id = 42     AND may be left out

A condition speaks of one span; a trace fits if one of its spans fits the whole expression, but for `trace.duration`,
`trace.spans` and `trace.service`, which speak of the trace. Keys without a prefix mean what Jaeger means by them: an
attribute of the span, its resource, scope, events or links; `resource.` asks for the resource alone.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from jaegerlite.jaeger_params import ParameterError, duration_ns

LENGTH_MAX: Final = 4_000
CONDITIONS_MAX: Final = 50
DEPTH_MAX: Final = 20
COMPARISONS: Final = ("!=", ">=", "<=", "=", ">", "<", "~")
TRACE_KEYS: Final = frozenset({"trace.duration", "trace.spans", "trace.service"})
DURATION_KEYS: Final = frozenset({"duration", "trace.duration"})
_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<sign>!=|>=|<=|[=<>~()])|"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<word>[^\s"=<>~()!]+))""", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Condition:
    """`key` compared with `text`; `number` is what the text stands for, nanoseconds for a duration."""

    key: str
    comparison: str
    text: str
    number: int | float | None = None


@dataclass(frozen=True, slots=True)
class AnyText:
    """A text that some attribute's value holds."""

    text: str


@dataclass(frozen=True, slots=True)
class FieldTest:
    """A test of an attribute or a built-in field at one level (`span`, `resource`, `scope`, `event`, `link`).

    `comparison` is `exists`, `=`, `>`, `<`, `>=` or `<=`; `type` what a value has to be (`string`, `int`, `double`,
    `bool`; empty for any); `number` what the text stands for, nanoseconds for a time or a duration. These come from
    Jaeger's filters (`structured.py`), not from texts.
    """

    level: str
    name: str
    is_attribute: bool
    comparison: str
    text: str = ""
    type: str = ""
    number: int | float | None = None


@dataclass(frozen=True, slots=True)
class Some:
    """Whether one and the same event (or link) of a span passes; the part is made of tests of that level."""

    level: str
    part: "Expression"


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite."""

    part: "Expression"


@dataclass(frozen=True, slots=True)
class And:
    """All of them; none is true."""

    parts: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any of them; none is false."""

    parts: tuple["Expression", ...]


Atom = Condition | AnyText | FieldTest | Some
Expression = Atom | Not | And | Or

EVERYTHING: Final = And(())
NOTHING: Final = Or(())


def holds(expression: Expression, is_so: Callable[[Atom], bool]) -> bool:
    """Whether an expression is true where `is_so` tells that of its atoms; asks no more of them than it needs."""
    if isinstance(expression, And):
        return all(holds(part, is_so) for part in expression.parts)
    if isinstance(expression, Or):
        return any(holds(part, is_so) for part in expression.parts)
    if isinstance(expression, Not):
        return not holds(expression.part, is_so)
    return is_so(expression)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


def parse(text: str) -> Expression:
    """An expression from its text; nothing gives the one that everything fits.

    Raises:
        ParameterError: it is none; the text says where.
    """
    if len(text) > LENGTH_MAX:
        raise ParameterError(f"q: a query has at most {LENGTH_MAX} characters")
    tokens = _tokens(text)
    if not tokens:
        return EVERYTHING
    parser = _Parser(tokens)
    expression = parser.either(0)
    if parser.next is not None:
        raise parser.unexpected()
    return expression


def _tokens(text: str) -> list[_Token]:
    found = []
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at, end)
        if match is None:
            raise ParameterError(f"q: cannot read {text[at : at + 20]!r} at character {at}")
        kind = str(match.lastgroup)
        content = match[kind]
        if kind == "quoted":
            content = re.sub(r"\\(.)", r"\1", content, flags=re.DOTALL)
        found.append(_Token(kind, content, match.start(kind)))
        at = match.end()
    return found


class _Parser:
    """One token ahead, one function per level of binding."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._conditions = 0

    @property
    def next(self) -> _Token | None:
        """The token to come; None at the end."""
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def unexpected(self) -> ParameterError:
        """What to say about the token to come."""
        token = self.next
        if token is None:
            return ParameterError("q: the query ends where a condition is expected")
        return ParameterError(f"q: {token.text!r} at character {token.at} is not expected there")

    def _is_word(self, word: str) -> bool:
        return self.next is not None and self.next.kind == "word" and self.next.text.upper() == word

    def _is_sign(self, *signs: str) -> bool:
        return self.next is not None and self.next.kind == "sign" and self.next.text in signs

    def either(self, depth: int) -> Expression:
        """Parts with OR between them."""
        parts = [self._all(depth)]
        while self._is_word("OR"):
            self._at += 1
            parts.append(self._all(depth))
        return Or(tuple(parts)) if len(parts) > 1 else parts[0]

    def _all(self, depth: int) -> Expression:
        parts = [self._one(depth)]
        while self.next is not None and not self._is_word("OR") and not self._is_sign(")"):
            if self._is_word("AND"):
                self._at += 1
            parts.append(self._one(depth))
        return And(tuple(parts)) if len(parts) > 1 else parts[0]

    def _one(self, depth: int) -> Expression:
        if depth > DEPTH_MAX:
            raise ParameterError(f"q: parentheses and NOT go at most {DEPTH_MAX} deep")
        if self._is_word("NOT"):
            self._at += 1
            return Not(self._one(depth + 1))
        if self._is_sign("("):
            self._at += 1
            inside = self.either(depth + 1)
            if not self._is_sign(")"):
                raise self.unexpected() if self.next else ParameterError("q: a parenthesis is not closed")
            self._at += 1
            return inside
        return self._condition()

    def _condition(self) -> Expression:
        token = self.next
        if token is None or token.kind == "sign" or self._is_word("AND") or self._is_word("OR"):
            raise self.unexpected()
        self._at += 1
        self._conditions += 1
        if self._conditions > CONDITIONS_MAX:
            raise ParameterError(f"q: a query has at most {CONDITIONS_MAX} conditions")
        if not self._is_sign(*COMPARISONS):
            if not token.text:
                raise ParameterError(f"q: the text at character {token.at} is empty")
            return AnyText(token.text)
        if not token.text:
            raise ParameterError(f"q: the key at character {token.at} is empty")
        comparison = self._tokens[self._at].text
        self._at += 1
        value = self.next
        if value is None or value.kind == "sign":
            raise self.unexpected()
        self._at += 1
        return _condition(token.text, comparison, value.text)


def _condition(key: str, comparison: str, text: str) -> Condition:
    if key == "trace.service":
        if comparison not in ("=", "!="):
            raise ParameterError(f"q: {key} is a name: = or !=, not {comparison}")
        return Condition(key, comparison, text)
    number: int | float | None
    try:
        number = duration_ns(text) if key in DURATION_KEYS else _number(text)
    except ParameterError as error:
        raise ParameterError(f"q: {key}: {error}") from error
    except ValueError:
        number = None
    if number is None and (comparison in (">", "<", ">=", "<=") or key == "trace.spans"):
        raise ParameterError(f"q: {key} {comparison} needs a number, not {text!r}")
    if key in TRACE_KEYS | DURATION_KEYS and comparison == "~":
        raise ParameterError(f"q: {key} has no text to look into")
    return Condition(key, comparison, text, number)


def _number(text: str) -> int | float:
    """The number that a text stands for; an integer exactly. Raises ValueError."""
    try:
        return int(text)
    except ValueError:
        return float(text)
