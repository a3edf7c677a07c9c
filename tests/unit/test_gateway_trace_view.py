"""What a user may see of a trace: the part below one's own requests, and nobody's ids."""

from typing import Any

from services.client_gateway.trace_view import own_part


def span(span_id: str, parent: str = "", service: str = "client-gateway", **tags: Any) -> dict[str, Any]:
    """A span in Jaeger's JSON; each service is a process of the same name."""
    return {
        "spanID": span_id,
        "operationName": f"do {span_id}",
        "processID": service,
        "startTime": 1000 + int(span_id, 16),
        "duration": 5,
        "references": [{"refType": "CHILD_OF", "spanID": parent}] if parent else [],
        "tags": [{"key": key.replace("__", "."), "value": value} for key, value in tags.items()],
    }


def trace(*spans: dict[str, Any]) -> dict[str, Any]:
    services = {one["processID"] for one in spans}
    return {"spans": list(spans), "processes": {name: {"serviceName": name} for name in services}}


def mine(service: str, attributes: Any) -> bool:
    return service == "client-gateway" and attributes.get("user.id") == "7"


def test_only_what_is_below_ones_own_requests_is_seen() -> None:
    """Another user's request in the same trace stays hidden with everything below it."""
    spans = own_part(
        trace(
            span("1", user__id="7"),
            span("2", "1", service="wallet-service"),
            span("3", user__id="8"),
            span("4", "3", service="wallet-service", hold__amount="5"),
        ),
        mine,
    )
    assert [one["span_id"] for one in spans] == ["1", "2"]


def test_an_id_is_never_shown() -> None:
    """User and order ids are cut away everywhere, also the counterparty's far below."""
    spans = own_part(
        trace(
            span("1", user__id="7", order__id="70"), span("2", "1", user__id="8", order__id="80", trade__price="1.00")
        ),
        mine,
    )
    assert [one["attributes"] for one in spans] == [{}, {"trade.price": "1.00"}]


def test_the_view_is_a_tree_of_its_own() -> None:
    """The top of the view has no parent, whatever is above it in the trace; children keep theirs, in order of start."""
    spans = own_part(trace(span("3", "2"), span("2", "1", user__id="7"), span("1", service="client")), mine)
    assert [(one["span_id"], one["parent_id"]) for one in spans] == [("2", ""), ("3", "2")]


def test_a_request_below_another_of_ones_own_is_seen_once() -> None:
    """Two requests of one user, one inside the other, are one tree and no span twice."""
    for order in ((0, 1, 2), (2, 1, 0), (1, 0, 2)):
        all_spans = [span("1", user__id="7"), span("2", "1", user__id="7"), span("3", "2")]
        spans = own_part(trace(*(all_spans[i] for i in order)), mine)
        assert [(one["span_id"], one["parent_id"]) for one in spans] == [("1", ""), ("2", "1"), ("3", "2")]


def test_a_span_of_another_service_does_not_open_the_view() -> None:
    """A user's id in another service's span proves nothing: the view begins at the gateway."""
    assert own_part(trace(span("1", service="wallet-service", user__id="7")), mine) == []
