"""Alerts for the explorer and for scripts: what is wrong now, what was, the rules, and silences."""

from dataclasses import asdict
from typing import Annotated, Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from jaegerlite.alerts.keeper import AlertKeeper
from jaegerlite.alerts.notice import summary, trace_urls
from jaegerlite.alerts.state import Alert
from jaegerlite.api.answers import api_route, error_answer, json_answer, tenant_of
from jaegerlite.api.params import now_ms, whole_number
from jaegerlite.backend import Backend
from jaegerlite.jaeger_json import Json
from jaegerlite.jaeger_params import ParameterError

HISTORY_DEFAULT: Final = 100
MINUTES_MAX: Final = 60 * 24 * 31
BODY_BYTES_MAX: Final = 10_000
Text = Annotated[str, msgspec.Meta(max_length=500)]


class NewSilence(msgspec.Struct, forbid_unknown_fields=True):
    """What is to be kept quiet, and for how long; empty fields match anything."""

    minutes: Annotated[int, msgspec.Meta(ge=1, le=MINUTES_MAX)]
    rule: Text = ""
    service: Text = ""
    operation: Text = ""
    comment: Text = ""


def _alert(alert: Alert, keeper: AlertKeeper) -> Json:
    return {
        "id": alert.fingerprint,
        "rule": alert.rule,
        "severity": alert.severity,
        "service": alert.service,
        "operation": alert.operation or None,
        "state": alert.state,
        "silenced": keeper.state.is_silenced(alert),
        "summary": summary(alert),
        "measure": alert.measure,
        "value": alert.value,
        "threshold": alert.threshold,
        "since_ms": alert.since_ms,
        "fired_ms": alert.fired_ms or None,
        "resolved_ms": alert.resolved_ms or None,
        "trace_ids": alert.trace_ids,
        "trace_urls": trace_urls(alert, keeper.public_url),
    }


def _keeper(request: Request) -> AlertKeeper:
    return tenant_of(request).alerts


async def current(request: Request) -> Response:
    """`/api/alerts`: alerts that fire or are pending, firing ones first, the newest first among them."""
    keeper = _keeper(request)
    alerts = sorted(keeper.state.current, key=lambda alert: (alert.state, -alert.since_ms))
    return json_answer({"judged_ms": keeper.judged_ms, "alerts": [_alert(alert, keeper) for alert in alerts]})


async def history(request: Request) -> Response:
    """`/api/alerts/history?limit=`: alerts that are over, the newest first."""
    keeper = _keeper(request)
    limit = whole_number(request.query_params, "limit", HISTORY_DEFAULT, least=1)
    return json_answer({"alerts": [_alert(alert, keeper) for alert in keeper.state.history[::-1][:limit]]})


async def rules(request: Request) -> Response:
    """`/api/alerts/rules`: the rules in force."""
    keeper = _keeper(request)
    found = [
        rule.model_dump() | {"clear": rule.clear_threshold, "keep_s": rule.keep, "window_s": rule.window}
        for rule in keeper.file.rules
    ]
    for rule in found:
        del rule["window"]
    return json_answer({"interval_s": keeper.file.interval, "rules": found})


async def silences(request: Request) -> Response:
    """`/api/alerts/silences`: silences in force."""
    return json_answer({"silences": [asdict(silence) for silence in _keeper(request).state.silences]})


async def silence(request: Request) -> Response:
    """`POST /api/alerts/silences`: keep alerts quiet, for some minutes."""
    # A form of another site could send any other content type without asking the browser's leave.
    if request.headers.get("content-type", "").split(";")[0].strip() != "application/json":
        return error_answer(415, "content-type may be application/json")
    body = await request.body()
    if len(body) > BODY_BYTES_MAX:
        return error_answer(413, f"a silence has at most {BODY_BYTES_MAX} bytes")
    try:
        wanted = msgspec.json.decode(body, type=NewSilence)
    except msgspec.DecodeError as error:
        raise ParameterError(f"not a silence: {error}") from error
    fields: dict[str, Any] = {name: getattr(wanted, name) for name in ("rule", "service", "operation", "comment")}
    made = _keeper(request).silence(until_ms=now_ms() + wanted.minutes * 60_000, **fields)
    return json_answer(asdict(made), 201)


async def end_silence(request: Request) -> Response:
    """`DELETE /api/alerts/silences/{id}`: end a silence."""
    if not _keeper(request).end_silence(request.path_params["id"]):
        return error_answer(404, "no such silence")
    return Response(status_code=204)


def routes(_: Backend) -> list[BaseRoute]:
    """The routes of alerts."""
    return [
        api_route("/api/alerts", current),
        api_route("/api/alerts/history", history),
        api_route("/api/alerts/rules", rules),
        api_route("/api/alerts/silences", silences),
        api_route("/api/alerts/silences", silence, ("POST",)),
        api_route("/api/alerts/silences/{id}", end_silence, ("DELETE",)),
    ]
