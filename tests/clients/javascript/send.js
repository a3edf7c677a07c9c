/** Send two spans by an official exporter: `node send.js grpc|proto|json|zipkin PORT SERVICE`. */
import { SpanKind, SpanStatusCode, context, trace } from "@opentelemetry/api";
import { OTLPTraceExporter as GrpcExporter } from "@opentelemetry/exporter-trace-otlp-grpc";
import { OTLPTraceExporter as JsonExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { OTLPTraceExporter as ProtoExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { ZipkinExporter } from "@opentelemetry/exporter-zipkin";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BasicTracerProvider, BatchSpanProcessor } from "@opentelemetry/sdk-trace-base";

const [way, port, service] = process.argv.slice(2);
const base = `http://127.0.0.1:${port}`;
const exporters = {
  grpc: () => new GrpcExporter({ url: base }),
  json: () => new JsonExporter({ url: `${base}/v1/traces` }),
  proto: () => new ProtoExporter({ url: `${base}/v1/traces`, compression: "gzip" }),
  zipkin: () => new ZipkinExporter({ url: `${base}/api/v2/spans` }),
};
const provider = new BasicTracerProvider({
  resource: resourceFromAttributes({ "service.name": service }),
  spanProcessors: [new BatchSpanProcessor(exporters[way]())],
});
const tracer = provider.getTracer("tests", "3.1");
const root = tracer.startSpan("GET /thing", { kind: SpanKind.SERVER, attributes: { n: 5, route: "/thing" } });
root.addEvent("looked");
const inside = trace.setSpan(context.active(), root);
const child = tracer.startSpan("SELECT thing", { kind: SpanKind.CLIENT }, inside);
child.setStatus({ code: SpanStatusCode.ERROR, message: "gone" });
child.end();
root.end();
await provider.forceFlush();
await provider.shutdown();
console.log(JSON.stringify({ trace_id: root.spanContext().traceId }));
