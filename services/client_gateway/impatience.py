"""The fault RETRY_STORM: a deadline that is shorter than the work takes, and another try at once when it has passed."""

import asyncio

import msgspec
from opentelemetry import trace
from opentelemetry.trace import SpanKind

from services.client_gateway.api import Call
from shared.contracts.operations import A, I, Operation
from shared.tracing import record_error, traceparent_of

PATIENCE_S = 0.001
ATTEMPTS = 9

_tracer = trace.get_tracer("services.client_gateway.impatience")


async def ask_impatiently(call: Call, operation: Operation[I, A], item: I) -> A:
    """Like ``Call.ask``, as often as it takes; the last attempt waits for its answer."""
    for attempt in range(1, ATTEMPTS + 1):
        with _tracer.start_as_current_span(
            f"{operation.service} {operation.name}",
            kind=SpanKind.CLIENT,
            attributes={"peer.service": operation.service, "rpc.method": operation.name},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                async with asyncio.timeout(PATIENCE_S if attempt < ATTEMPTS else None):
                    return await call.ask(operation, msgspec.structs.replace(item, traceparent=traceparent_of(span)))
            except TimeoutError as error:
                record_error(span, error)
    raise AssertionError("the last attempt has no deadline")
