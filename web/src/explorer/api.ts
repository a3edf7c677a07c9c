/** Jaeger's HTTP query API: jaegerlite's, or any other that speaks it. */

import { RequestError } from "../shared/http";
import type { DependencyLink, JaegerTrace } from "./model/jaeger";
import { buildTrace, type Trace } from "./model/trace";
import { apiParams, type SearchQuery } from "./search/query";

/** A large trace takes a while to read and send; anything beyond this is a backend that hangs. */
const TIMEOUT_MS = 60_000;

interface Envelope {
  data?: unknown;
  errors?: { msg?: string }[] | null;
}

async function get(path: string, signal: AbortSignal): Promise<unknown> {
  let response: Response;
  let body: Envelope;
  try {
    response = await fetch(path, { signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]) });
    body = (await response.json()) as Envelope;
  } catch (error) {
    if (signal.aborted) throw error;
    const late = error instanceof DOMException && error.name === "TimeoutError";
    const text = late
      ? `The trace backend has not answered within ${TIMEOUT_MS / 1000} seconds.`
      : "The trace backend does not answer. Check that it runs, then try again.";
    throw new RequestError(0, "unreachable", text, "");
  }
  if (!response.ok) {
    const text = body.errors?.[0]?.msg ?? `The trace backend answered ${response.status}.`;
    throw new RequestError(response.status, `http_${response.status}`, text, response.headers.get("X-Trace-Id") ?? "");
  }
  return body.data;
}

/** The names of all services, sorted. */
export async function fetchServices(signal: AbortSignal): Promise<string[]> {
  return (((await get("/api/services", signal)) ?? []) as string[]).toSorted();
}

/** The names of a service's operations, sorted. */
export async function fetchOperations(service: string, signal: AbortSignal): Promise<string[]> {
  const names = await get(`/api/services/${encodeURIComponent(service)}/operations`, signal);
  return ((names ?? []) as string[]).toSorted();
}

/** Traces that were opened from files, by id: they can be looked at like any other until the page is left. */
const opened = new Map<string, JaegerTrace>();

export function keepOpened(traces: JaegerTrace[]): void {
  for (const trace of traces) opened.set(trace.traceID, trace);
}

/** One trace. @throws RequestError with status 404 where there is none. */
export async function fetchTrace(id: string, signal: AbortSignal): Promise<Trace> {
  const kept = opened.get(id);
  if (kept) return buildTrace(kept);
  const traces = (await get(`/api/traces/${encodeURIComponent(id)}`, signal)) as JaegerTrace[];
  if (!traces[0]?.spans.length) throw new RequestError(404, "not_found", "trace not found", "");
  return buildTrace(traces[0]);
}

/** Searches at a time where every service is asked. */
const AT_ONCE = 3;

/**
 * The traces that a query finds. Jaeger searches one service at a time; for all of them, each is asked, and what comes
 * back is put together: the newest `limit` of it.
 */
export async function searchTraces(query: SearchQuery, services: readonly string[], signal: AbortSignal): Promise<Trace[]> {
  if (query.traceIds.length) {
    const ids = new URLSearchParams(query.traceIds.map((id) => ["traceID", id]));
    return ((await get(`/api/traces?${ids}`, signal)) as JaegerTrace[]).map(buildTrace);
  }
  const nowUs = Date.now() * 1000;
  const waiting = query.service ? [query.service] : [...services];
  const found = new Map<string, JaegerTrace>();
  const work = async () => {
    for (let service = waiting.shift(); service !== undefined; service = waiting.shift()) {
      const traces = (await get(`/api/traces?${apiParams(query, service, nowUs)}`, signal)) as JaegerTrace[] | null;
      for (const trace of traces ?? []) if (trace.spans.length) found.set(trace.traceID, trace);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return [...found.values()]
    .map(buildTrace)
    .sort((a, b) => b.startTime - a.startTime)
    .slice(0, query.limit);
}

/** The calls between services that ended in the last `lookbackMs`. */
export async function fetchDependencies(lookbackMs: number, signal: AbortSignal): Promise<DependencyLink[]> {
  const window = new URLSearchParams({ endTs: String(Date.now()), lookback: String(lookbackMs) });
  return ((await get(`/api/dependencies?${window}`, signal)) ?? []) as DependencyLink[];
}
