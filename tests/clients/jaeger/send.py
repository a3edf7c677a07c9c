"""Send two spans and a link by the last OpenTelemetry exporter for Jaeger's Thrift: `send.py udp|http PORT SERVICE`."""
# mypy: ignore-errors

import json
import sys

from opentelemetry.exporter.jaeger.thrift import JaegerExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import Link, SpanKind, Status, StatusCode

way, port, service = sys.argv[1], int(sys.argv[2]), sys.argv[3]
if way == "udp":
    exporter = JaegerExporter(agent_host_name="127.0.0.1", agent_port=port)
else:
    exporter = JaegerExporter(collector_endpoint=f"http://127.0.0.1:{port}/api/traces?format=jaeger.thrift")
provider = TracerProvider(resource=Resource({"service.name": service}))
provider.add_span_processor(SimpleSpanProcessor(exporter))
tracer = provider.get_tracer("tests", "3.1")
with tracer.start_as_current_span("GET /thing", kind=SpanKind.SERVER, attributes={"n": 5, "route": "/thing"}) as root:
    root.add_event("looked")
    link = Link(root.get_span_context())
    with tracer.start_as_current_span("SELECT thing", kind=SpanKind.CLIENT) as child:
        child.set_status(Status(StatusCode.ERROR, "gone"))
linked = tracer.start_span("linked", links=[link])
linked.end()
provider.shutdown()
json.dump(
    {
        "trace_id": f"{root.get_span_context().trace_id:032x}",
        "linked_trace_id": f"{linked.get_span_context().trace_id:032x}",
    },
    sys.stdout,
)
