/** The JSON of Jaeger's query API, as `/api/traces` gives it and as files that were saved from it hold it. Times in µs. */

export interface KeyValue {
  key: string;
  type?: string;
  value: unknown;
}

export interface Reference {
  refType: string;
  traceID: string;
  spanID: string;
}

export interface Log {
  timestamp: number;
  fields: KeyValue[];
}

export interface JaegerSpan {
  traceID: string;
  spanID: string;
  operationName: string;
  references: Reference[];
  startTime: number;
  duration: number;
  tags: KeyValue[];
  logs: Log[];
  processID: string;
  warnings?: string[] | null;
}

export interface JaegerProcess {
  serviceName: string;
  tags: KeyValue[];
}

export interface JaegerTrace {
  traceID: string;
  spans: JaegerSpan[];
  processes: Record<string, JaegerProcess>;
  warnings?: string[] | null;
}

/** A file holds no traces that we can show; the message says what is amiss. */
export class TraceFileError extends Error {}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function list<T>(value: unknown): T[] {
  return Array.isArray(value) ? (value as T[]) : [];
}

function readSpan(value: unknown, trace: string, place: number): JaegerSpan {
  if (!isRecord(value) || typeof value.spanID !== "string") {
    throw new TraceFileError(`span ${place + 1} of trace ${trace} has no "spanID"`);
  }
  const { startTime, duration } = value;
  if (typeof startTime !== "number" || typeof duration !== "number") {
    throw new TraceFileError(`span ${value.spanID} of trace ${trace} has no "startTime" and "duration" in µs`);
  }
  return {
    traceID: trace,
    spanID: value.spanID,
    operationName: String(value.operationName ?? ""),
    references: list<Reference>(value.references),
    startTime,
    duration,
    tags: list<KeyValue>(value.tags),
    logs: list<Log>(value.logs).map((log) => ({ timestamp: log.timestamp, fields: list<KeyValue>(log.fields) })),
    processID: String(value.processID ?? ""),
    warnings: list<string>(value.warnings),
  };
}

function readTrace(value: unknown): JaegerTrace {
  if (!isRecord(value) || typeof value.traceID !== "string" || !Array.isArray(value.spans)) {
    throw new TraceFileError('not a trace of Jaeger: it needs "traceID" and "spans"');
  }
  const trace = value.traceID;
  if (value.spans.length === 0) throw new TraceFileError(`trace ${trace} has no spans`);
  const processes: Record<string, JaegerProcess> = {};
  for (const [id, process] of Object.entries(isRecord(value.processes) ? value.processes : {})) {
    if (isRecord(process)) {
      processes[id] = { serviceName: String(process.serviceName ?? ""), tags: list<KeyValue>(process.tags) };
    }
  }
  return {
    traceID: trace,
    spans: value.spans.map((span, place) => readSpan(span, trace, place)),
    processes,
    warnings: list<string>(value.warnings),
  };
}

/**
 * Traces from the text of a file: an answer of the API, a list of traces, or one trace.
 *
 * @throws TraceFileError when the text is none of these.
 */
export function readTraceFile(text: string): JaegerTrace[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new TraceFileError(`not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  const given = isRecord(value) && "data" in value ? value.data : value;
  const traces = (Array.isArray(given) ? given : [given]).map(readTrace);
  if (traces.length === 0) throw new TraceFileError("the file holds no trace");
  return traces;
}
