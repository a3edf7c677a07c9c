# cython: language_level=3, annotation_typing=False
"""Nothing sensitive leaves the process: the redactor on the way to every exporter.

It works on ended spans, before anything encodes them. By key: values of attributes whose name speaks
of passwords, tokens, cookies and the like. By pattern, in every text: e-mail addresses, JSON Web Tokens, bearer
credentials, payment card numbers. Statements lose their literals and URLs their query values.
"""

import re
from collections.abc import Iterable
from typing import Any

import cython
from opentelemetry.trace import SpanContext, TraceState

from shared.tracing.cards import IN_TEXT as CARD_IN_TEXT
from shared.tracing.cards import is_card, is_card_as_id, is_clock_id
from shared.tracing.span import Span
from shared.tracing.span_events import RemoteLink
from shared.tracing.span_group import Ended, SpanGroup

REDACTED = "REDACTED"
KNOWN_KEYS_MAX = 4096
TEXT_LENGTH_MIN = 6

SENSITIVE_KEY = re.compile(
    r"passw(or)?d|passphrase|secret|(^|[._-])token($|[._-])|authorization|cookie|api[._-]?key|credential|private[._-]?key"
    r"|(access|refresh|id|session|csrf)[._-]?(token|id|key)$|card[._-]?number|cvv|cvc|(^|[._-])ssn($|[._-])|e[._-]?mail",
    re.IGNORECASE,
)
# Names that only look like the above: they hold no secret, and tracing lives by them.
HARMLESS_KEYS = frozenset({"messaging.client.id", "service.instance.id"})
STATEMENT_KEYS = frozenset({"db.query.text", "db.statement"})
URL_KEYS = frozenset({"url.full", "url.query", "http.url", "http.target"})

# What every pattern below needs; `is_suspect` is the same in a form that compiles to a loop in C.
SUSPECT = re.compile(r"[@:=]|eyJ|[rcRC]\s|\d[\d -]{11,}\d")
CARD_DIGITS_MIN = 13
PATTERNS = (
    (re.compile(r"\beyJ[\w-]{5,}\.[\w-]{5,}(\.[\w-]*)?"), REDACTED),
    (re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]{6,}", re.IGNORECASE), rf"\1 {REDACTED}"),
    (re.compile(r"[\w.+%-]+@[\w-]+(\.[\w-]+)+"), REDACTED),
    (re.compile(r"(://)[^/\s:@]+:[^/\s@]+@"), rf"\1{REDACTED}@"),
    (
        re.compile(r"""(["']?\b(?:password|passwd|secret|token|api[_-]?key)["']?\s*[=:]\s*)["']?[^\s"'&,;}]+""", re.I),
        rf"\1{REDACTED}",
    ),
)
QUOTED = re.compile(r"'(?:[^']|'')*'")
NUMBER = re.compile(r"(?<![\w$.])\d+(\.\d+)?(?![\w.])")
QUERY_VALUE = re.compile(r"([?&]|^)([^=&#?]+)=[^&#]*")

_key_kinds: dict[str, int] = {}
PLAIN, ID, SENSITIVE, STATEMENT, URL = 0, 1, 2, 3, 4
"""Kinds of keys. Under an `ID` numbers are looked at, too."""


def redact_spans(ended: Iterable[Ended]) -> None:
    """Clean ended spans in place. What is described beforehand (`described`) is clean already."""
    for entry in ended:
        redact_entry(entry)


def redact_entry(entry: Ended) -> None:
    """Clean an ended span, or a group of them, in place."""
    if isinstance(entry, SpanGroup):
        group = entry
        if group.attribute_map is not None:
            redact_attributes(group.attribute_map)
        group.span_name = redact_text(group.span_name)
    else:
        redact_span(entry)


def redact_span(span: Span) -> None:
    """Clean one ended span in place."""
    if span.attribute_map is not None:
        redact_attributes(span.attribute_map)
    span.span_name = redact_text(span.span_name)
    if span.status_message:
        span.status_message = redact_text(span.status_message)
    if span.event_list:
        for event in span.event_list:
            event.name = redact_text(event.name)
            if event.attributes:
                redact_attributes(event.attributes)
    if span.state is not None:
        span.state = redact_state(span.state)
    if span.link_list:
        for link in span.link_list:
            if isinstance(link, RemoteLink):
                continue
            if isinstance(link.attributes, dict):
                redact_attributes(link.attributes)
            if link.context.trace_state:
                link._context = without_secrets(link.context)


def redact_state(state: TraceState) -> TraceState | None:
    """A `tracestate` as it may leave: whoever calls us may write into it what they like. One with a secret goes."""
    header = state.to_header()
    return state if redact_text(header) is header else None


def without_secrets(context: SpanContext) -> SpanContext:
    """A span context with its `tracestate` cleaned."""
    state = redact_state(context.trace_state)
    if state is context.trace_state:
        return context
    return SpanContext(context.trace_id, context.span_id, context.is_remote, context.trace_flags, state)


def redact_attributes(attributes: dict[str, Any]) -> None:
    """Clean a mapping of attributes in place."""
    changed: list[tuple[str, Any]] | None = None
    for key, value in attributes.items():
        known = _key_kinds.get(key)
        kind = kind_of_key(key) if known is None else known
        if is_plain(kind) and type(value) is str and not is_suspect(value):
            continue
        clean = redact_value(kind, value)
        if clean is not value:
            if changed is None:
                changed = []
            changed.append((key, clean))
    if changed is not None:
        attributes.update(changed)


def kind_of_key(key: str) -> int:
    """How values under this key are treated; remembered, since keys are few."""
    if key in HARMLESS_KEYS:
        kind = PLAIN
    elif key in STATEMENT_KEYS:
        kind = STATEMENT
    elif key in URL_KEYS:
        kind = URL
    else:
        kind = SENSITIVE if SENSITIVE_KEY.search(key) else (ID if key.endswith(".id") else PLAIN)
    if len(_key_kinds) < KNOWN_KEYS_MAX:
        _key_kinds[key] = kind
    return kind


def is_plain(kind: int) -> bool:
    """Whether a text under such a key stays as it is, unless a pattern finds something in it."""
    return kind <= ID


def redact_value(kind: int, value: Any) -> Any:
    """A value as it may leave, the same object if it is clean. Under a sensitive key only booleans stay."""
    if kind == SENSITIVE:
        return value if isinstance(value, bool) or value is None else REDACTED
    if isinstance(value, str):
        if kind == STATEMENT:
            return NUMBER.sub("?", QUOTED.sub("?", value))
        if kind == URL:
            value = QUERY_VALUE.sub(rf"\1\2={REDACTED}", value)
        return value if kind == ID and is_clock_id(value) else redact_text(value)
    if isinstance(value, int):
        return REDACTED if kind == ID and is_card_as_id(value) else value
    if isinstance(value, tuple | list):
        clean = tuple([redact_value(kind, item) for item in value])
        return value if all(new is old for new, old in zip(clean, value, strict=True)) else clean
    if isinstance(value, dict):
        copy = dict(value)
        redact_attributes(copy)
        return copy
    if isinstance(value, bytes):
        text = value.decode("utf-8", "replace")
        return value if redact_text(text) is text else REDACTED
    return value


def redact_text(text: str) -> str:
    """A text without what matches a pattern, the same object if nothing does."""
    if not is_suspect(text):
        return text
    clean = text
    for pattern, replacement in PATTERNS:
        clean = pattern.sub(replacement, clean)
    clean = CARD_IN_TEXT.sub(_hide_card, clean)
    return text if clean == text else clean


def is_suspect(text: str) -> bool:
    """Whether a text could match a pattern; most cannot, and are done with after one look at each character."""
    if len(text) < TEXT_LENGTH_MIN:
        return False
    if not cython.compiled:
        return SUSPECT.search(text) is not None
    digits = 0
    before = "\0"
    for character in text:
        if character == "@" or character == ":" or character == "=":
            return True
        if "0" <= character <= "9":
            # What may be a card number begins with 2 to 8, and not inside a word or a longer number.
            if digits:
                digits += 1
                if digits >= CARD_DIGITS_MIN:
                    return True
            elif "2" <= character <= "8" and not (before.isalnum() or before == "_" or before == "-"):
                digits = 1
        elif character != " " and character != "-":
            digits = 0
        if character == "y" and before == "e":
            return True
        if character.isspace() and (before == "r" or before == "c" or before == "R" or before == "C"):
            return True
        before = character
    return False


def _hide_card(match: re.Match[str]) -> str:
    """A number of a card's form is hidden if it can be one, so other numbers stay."""
    digits = "".join([character for character in match[0] if character.isdigit()])
    return REDACTED if is_card(digits) else match[0]
