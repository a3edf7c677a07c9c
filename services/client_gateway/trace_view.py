"""What a user may see of a trace: the part below requests of their own, without anybody's ids. Pure.

A trace may hold more than one client's request, because a client can continue any trace (W3C traceparent), and below an
order's own request there is what its event did for others: the makers' orders, their notifications. So the view begins
at spans that are known to be the user's, goes down from there, and shows only attributes that are named here.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

SHOWN = frozenset(
    {
        "batch.size",
        "db.operation.batch.size",
        "db.query.summary",
        "error.code",
        "error.type",
        "event.seq",
        "hold.amount",
        "hold.asset",
        "http.response.status_code",
        "http.route",
        "order.filled_quantity",
        "order.price",
        "order.quantity",
        "order.side",
        "order.status",
        "order.symbol",
        "order.type",
        "peer.service",
        "refusal.code",
        "risk.checks",
        "span.kind",
        "trade.price",
        "trade.quantity",
    }
)
"""Attributes that tell no one's identity. Order and user ids are left out: some of them are the counterparty's."""

Attributes = Mapping[str, Any]


def own_part(trace: Mapping[str, Any], mine: Callable[[str, Attributes], bool]) -> list[dict[str, Any]]:
    """The spans of a trace in Jaeger's JSON at which ``mine(service, attributes)`` says yes, and all below, by start.

    ``start_us`` is Unix time. ``parent_id`` is empty at the top of the view, whatever is above it in the trace.
    """
    below: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    tops = []
    for span in trace["spans"]:
        below[_parent(span)].append(span)
        if mine(_service(trace, span), _attributes(span)):
            tops.append(span)
    seen: dict[str, dict[str, Any]] = {}
    waiting = [(span, "") for span in tops]
    while waiting:
        span, parent_id = waiting.pop()
        span_id = span["spanID"]
        # A request of one's own below another one of one's own is met twice: it belongs where it hangs.
        if span_id in seen:
            seen[span_id]["parent_id"] = parent_id or seen[span_id]["parent_id"]
            continue
        seen[span_id] = _view(trace, span, parent_id)
        waiting += ((child, span_id) for child in below[span_id])
    return sorted(seen.values(), key=lambda view: (view["start_us"], -view["duration_us"]))


def _view(trace: Mapping[str, Any], span: Mapping[str, Any], parent_id: str) -> dict[str, Any]:
    attributes = _attributes(span)
    return {
        "span_id": span["spanID"],
        "parent_id": parent_id,
        "name": span["operationName"],
        "service": _service(trace, span),
        "start_us": span["startTime"],
        "duration_us": span["duration"],
        "error": bool(attributes.get("error")),
        "attributes": {key: value for key, value in attributes.items() if key in SHOWN},
    }


def _attributes(span: Mapping[str, Any]) -> Attributes:
    return {tag["key"]: tag["value"] for tag in span.get("tags") or ()}


def _service(trace: Mapping[str, Any], span: Mapping[str, Any]) -> str:
    name: str = trace["processes"][span["processID"]]["serviceName"]
    return name


def _parent(span: Mapping[str, Any]) -> str:
    references = span.get("references") or ()
    return next((ref["spanID"] for ref in references if ref["refType"] == "CHILD_OF"), "")
