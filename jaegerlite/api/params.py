"""Parameters that several groups of routes share: windows of time, span kinds, limits."""

import time
from typing import Final

from starlette.datastructures import QueryParams

from jaegerlite.jaeger_params import ParameterError, integer
from jaegerlite.red import Window, window_of
from jaegerlite.series import KIND_NAMES

MS_MAX: Final = 9_000_000_000_000
HOUR_MS: Final = 3_600_000
POINTS_MAX: Final = 11_000
KIND_PREFIX: Final = "SPAN_KIND_"


def unusable(name: str, reason: str) -> ParameterError:
    """The error of a parameter, in Jaeger's words."""
    return ParameterError(f"unable to parse param '{name}': {reason}")


def whole_number(params: QueryParams, name: str, default: int, *, least: int = 0, most: int = MS_MAX) -> int:
    """An integer parameter.

    Raises:
        ParameterError: it is none, or out of range.
    """
    text = params.get(name, "")
    if not text:
        return default
    try:
        number = integer(text)
    except ParameterError as error:
        raise unusable(name, str(error)) from error
    if not least <= number <= most:
        raise unusable(name, f"{number} is not between {least} and {most}")
    return number


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def time_range_ms(params: QueryParams) -> tuple[int, int]:
    """Start and end from `endTs` (default now) and `lookback` (default an hour), in milliseconds.

    Raises:
        ParameterError: one of them is unusable.
    """
    end_ms = whole_number(params, "endTs", now_ms())
    return max(0, end_ms - whole_number(params, "lookback", HOUR_MS, least=1)), end_ms


def stepped_window(params: QueryParams, steps_default: int = 60) -> Window:
    """The window of `endTs`, `lookback` and `step` (milliseconds, default a sixtieth of the window).

    Raises:
        ParameterError: one of them is unusable, or there would be too many steps.
    """
    start_ms, end_ms = time_range_ms(params)
    step_ms = whole_number(params, "step", max(1, (end_ms - start_ms) // steps_default), least=1)
    window = window_of(start_ms, end_ms, step_ms)
    if window.steps > POINTS_MAX:
        raise unusable("step", f"more than {POINTS_MAX} points; a longer step gives fewer")
    return window


def span_kinds(params: QueryParams, default: str = "server") -> tuple[int, ...]:
    """Span kinds, as `server`, `SPAN_KIND_SERVER` or `unspecified`; `all` for any.

    Raises:
        ParameterError: an unknown kind.
    """
    kinds = []
    for given in params.getlist("spanKind") or [default]:
        name = given.removeprefix(KIND_PREFIX).lower()
        if name == "all":
            return ()
        name = "" if name == "unspecified" else name
        if name not in KIND_NAMES or not given:
            raise unusable("spanKind", f"unsupported span kind: '{given}'")
        kinds.append(KIND_NAMES.index(name))
    return tuple(kinds)
