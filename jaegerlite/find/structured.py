"""Jaeger's structured filters (`query.filter`): calls of operators on references and constants, as JSON.

    {"op": "and", "args": [
      {"call": {"op": "eq", "args": [{"attr": {"key": "http.status_code"}}, {"scalar": {"value": "500"}}]}},
      {"call": {"op": "gt", "args": [{"field": {"level": "span", "name": "duration"}}, {"scalar": {"value": "2s"}}]}}]}

An attribute without a level is looked for in the span and its resource. A comparison of what a span does not have is
false, also where it is negated (`ne`, `not_in`); `not` turns anything round. What is well-formed and cannot be answered
here is refused as such: comparisons of two references, patterns, ids, schema URLs and offsets of events.
"""

import json
from typing import Any, Final

from jaegerlite.find.language import CONDITIONS_MAX, DEPTH_MAX, EVERYTHING, And, Expression, FieldTest, Not, Or, Some
from jaegerlite.jaeger_params import ParameterError, UnsupportedError, duration_ns, rfc3339_ns

LEVELS: Final = ("span", "resource", "scope", "event", "link")
OPERATORS: Final = ("and", "or", "not", "eq", "ne", "gt", "lt", "gte", "lte", "exists", "in", "not_in", "some")
ELSEWHERE: Final = ("regex", "phrase", "fulltext")
TYPES: Final = ("string", "int", "double", "bool")
TERMS: Final = ("attr", "field", "nested", "scalar", "list", "call")
ORDERED: Final = {"gt": ">", "lt": "<", "gte": ">=", "lte": "<="}
TURNED: Final = {"gt": "lt", "lt": "gt", "gte": "lte", "lte": "gte"}
SPAN_KINDS: Final = ("unspecified", "internal", "server", "client", "producer", "consumer")
STATUSES: Final = ("unset", "ok", "error")
FIELDS: Final = {
    **dict.fromkeys([("span", name) for name in ("name", "traceState", "statusMessage")], "string"),
    **{("span", "kind"): "spanKind", ("span", "status"): "spanStatus", ("span", "duration"): "duration"},
    **{("span", "startTime"): "timestamp", ("span", "endTime"): "timestamp", ("resource", "service"): "string"},
    **{("scope", "name"): "string", ("scope", "version"): "string", ("event", "name"): "string"},
    **{("event", "time"): "timestamp", ("link", "traceID"): "string", ("link", "spanID"): "string"},
}
"""The built-in fields that are answered, with the types of their values."""
FIELDS_ELSEWHERE: Final = frozenset(
    {("span", "traceID"), ("span", "spanID"), ("span", "parentSpanID"), ("resource", "schemaURL")}
    | {("scope", "schemaURL"), ("event", "timeSinceStart"), ("link", "traceState")}
)
Json = dict[str, Any]


def parse_filter(text: str) -> Expression:
    """The expression of a filter in JSON.

    Raises:
        ParameterError: it is no filter; the text says why.
        UnsupportedError: it is one that cannot be answered here.
    """
    try:
        call = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ParameterError(f"no JSON: {error}") from error
    return _Reader().call(call, "", 0)


class _Reader:
    """Reads one filter and counts what is in it."""

    def __init__(self) -> None:
        self._calls = 0

    def call(self, given: Any, bound: str, depth: int) -> Expression:
        """A call; within `some` only the level that this has bound may be asked."""
        op, args = self._operation(given, depth)
        if op in ("and", "or"):
            if len(args) < 2:
                raise ParameterError(f'operator "{op}" takes at least two arguments, got {len(args)}')
            parts = tuple(self._predicate(op, arg, bound, depth) for arg in args)
            return And(parts) if op == "and" else Or(parts)
        wanted = 1 if op in ("not", "exists") else 2
        if len(args) != wanted:
            raise ParameterError(f'operator "{op}" takes {wanted} argument(s), got {len(args)}')
        if op == "not":
            return Not(self._predicate(op, args[0], bound, depth))
        if op == "exists":
            return _present(_reference(op, args[0], bound))
        if op == "some":
            return self._some(args, bound, depth)
        if op in ("in", "not_in"):
            return _membership(op, args, bound)
        return _comparison(op, args, bound)

    def _operation(self, given: Any, depth: int) -> tuple[str, list[Any]]:
        _only(given, "op", "args")
        op, args = given.get("op", ""), given.get("args", [])
        if op in ELSEWHERE:
            raise UnsupportedError(f'operator "{op}" is not evaluated here')
        if op not in OPERATORS:
            raise ParameterError(f'unknown filter operator "{op}"')
        if not isinstance(args, list):
            raise ParameterError(f'the arguments of operator "{op}" are no list')
        self._calls += 1
        if self._calls > CONDITIONS_MAX or depth > DEPTH_MAX:
            raise ParameterError(f"a filter has at most {CONDITIONS_MAX} calls, {DEPTH_MAX} deep")
        return op, args

    def _predicate(self, op: str, arg: Any, bound: str, depth: int) -> Expression:
        term, value = _term(arg)
        if term != "call":
            raise ParameterError(f'operator "{op}" takes predicates as arguments, got {term}')
        return self.call(value, bound, depth + 1)

    def _some(self, args: list[Any], bound: str, depth: int) -> Expression:
        term, value = _term(args[0])
        if term != "nested":
            raise ParameterError(f'operator "some" takes a collection reference as its first argument, got {term}')
        _only(value, "level")
        level = value.get("level", "")
        if level not in ("event", "link"):
            raise ParameterError(f'operator "some" quantifies over "event" or "link", got level "{level}"')
        if bound == level:
            raise ParameterError(f'operator "some" is already quantifying over "{level}"')
        if bound:
            raise UnsupportedError('"some" within "some" is not evaluated here')
        return Some(level, self._predicate("some", args[1], level, depth))


def _term(given: Any) -> tuple[str, Json]:
    """Which term an argument is, and what is in it."""
    _only(given, *TERMS)
    if len(given) != 1:
        raise ParameterError(f"filter argument is empty: exactly one of {', '.join(TERMS)} must be set")
    ((term, value),) = given.items()
    return term, value


def _only(given: Any, *keys: str) -> None:
    if not isinstance(given, dict):
        raise ParameterError(f"expecting an object with {', '.join(keys)}")
    for key in given:
        if key not in keys:
            raise ParameterError(f'unknown field "{key}"')


def _reference(op: str, arg: Any, bound: str) -> tuple[FieldTest, ...]:
    """What a reference asks: the test, without a comparison, at each level that it means."""
    term, value = _term(arg)
    if term == "nested":
        raise ParameterError('a collection reference is only the first argument of "some"')
    if term not in ("attr", "field"):
        raise ParameterError(f'operator "{op}" takes a reference, got {term}')
    _only(value, "key" if term == "attr" else "name", "level")
    name, level = value.get("key" if term == "attr" else "name", ""), value.get("level", "")
    if not isinstance(name, str) or not name:
        raise ParameterError(f"{'attribute' if term == 'attr' else 'field'} reference has no name")
    if level not in (*LEVELS, "") or (term == "field" and not level):
        raise ParameterError(f'unknown filter level "{level}"')
    if bound and level != bound:
        raise UnsupportedError(f'within "some" only the level "{bound}" is asked here')
    if term == "attr":
        return tuple(FieldTest(one, name, True, "exists") for one in ((level,) if level else ("span", "resource")))
    if (level, name) in FIELDS_ELSEWHERE:
        raise UnsupportedError(f"{level}.{name} is not evaluated here")
    if (level, name) not in FIELDS:
        raise ParameterError(
            f'unknown built-in field "{name}" at the "{level}" level;'
            " name an attribute to match a tag of that name instead"
        )
    return (FieldTest(level, name, False, "exists"),)


def _present(tests: tuple[FieldTest, ...]) -> Expression:
    """Whether any of them is there; times, kind and status always are."""
    if not tests[0].is_attribute and tests[0].level == "span" and FIELDS["span", tests[0].name] != "string":
        return EVERYTHING
    return tests[0] if len(tests) == 1 else Or(tests)


def _comparison(op: str, args: list[Any], bound: str) -> Expression:
    terms = [_term(arg)[0] for arg in args]
    if terms[0] in ("scalar", "list") and terms[1] in ("attr", "field"):
        return _comparison(TURNED.get(op, op), args[::-1], bound)
    references = _reference(op, args[0], bound)
    if terms[1] in ("attr", "field"):
        raise UnsupportedError("a comparison of two references is not evaluated here")
    if terms[1] != "scalar":
        raise ParameterError(f'operator "{op}" compares a reference or a constant, got {terms[1]}')
    scalar = _term(args[1])[1]
    _only(scalar, "value", "type")
    text, kind = _constant(scalar.get("value", ""), scalar.get("type", ""))
    comparison = ORDERED.get(op, "=")
    passes = Or(tuple(_test(reference, comparison, text, kind) for reference in references))
    found: Expression = passes.parts[0] if len(passes.parts) == 1 else passes
    return And((_present(references), Not(found))) if op == "ne" else found


def _membership(op: str, args: list[Any], bound: str) -> Expression:
    references = _reference(op, args[0], bound)
    term, value = _term(args[1])
    if term != "list":
        raise ParameterError(f'operator "{op}" takes a list as its second argument, got {term}')
    _only(value, "values", "type")
    values = value.get("values", [])
    if not isinstance(values, list) or not values:
        raise ParameterError(f'operator "{op}" takes a list with at least one element')
    if len(values) > CONDITIONS_MAX:
        raise ParameterError(f"a list has at most {CONDITIONS_MAX} values here")
    constants = [_constant(text, value.get("type", "")) for text in values]
    found = Or(tuple(_test(reference, "=", *constant) for constant in constants for reference in references))
    return found if op == "in" else And((_present(references), Not(found)))


def _constant(text: Any, kind: Any) -> tuple[str, str]:
    if not isinstance(text, str):
        raise ParameterError("a constant's value is a text, whatever its type")
    if kind not in (*TYPES, ""):
        raise ParameterError(f'unknown filter value type "{kind}"')
    return text, kind


def _test(reference: FieldTest, comparison: str, text: str, kind: str) -> FieldTest:
    """The comparison of a reference with a constant, whose text is read as the field's type, or its own, says."""
    level, name = reference.level, reference.name
    number: int | float | None = None
    if reference.is_attribute:
        if kind == "bool" and comparison != "=":
            raise ParameterError("a bool has no ordering")
        number = _number(text, kind)
    else:
        of_field = FIELDS[level, name]
        if kind not in ("", "string") or (kind == "string" and of_field in ("duration", "timestamp")):
            raise ParameterError(f"{level}.{name} and a value of type {kind} hold different kinds of value")
        if of_field in ("spanKind", "spanStatus"):
            words = SPAN_KINDS if of_field == "spanKind" else STATUSES
            if comparison != "=":
                raise ParameterError(f"{level}.{name} has no ordering")
            if text not in words:
                raise ParameterError(f'cannot compare {level}.{name} against "{text}": not one of {", ".join(words)}')
        elif of_field in ("duration", "timestamp"):
            number = _time(level, name, of_field, text)
        kind = "" if number is not None else "string"
    return FieldTest(level, name, reference.is_attribute, comparison, text, kind, number)


def _time(level: str, name: str, of_field: str, text: str) -> int:
    try:
        return duration_ns(text) if of_field == "duration" else rfc3339_ns(text)
    except ParameterError as error:
        raise ParameterError(f'cannot compare {level}.{name} against "{text}": {error}') from error


def _number(text: str, kind: str) -> int | float | None:
    """What the text of a constant stands for as a number; None where it is none, and need not be."""
    if kind in ("string", "bool"):
        return None
    try:
        return float(text) if kind == "double" else int(text) if kind == "int" else _any_number(text)
    except ValueError as error:
        if kind:
            raise ParameterError(f'"{text}" is no {kind}') from error
        return None


def _any_number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)
