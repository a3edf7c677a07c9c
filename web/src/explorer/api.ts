/** Jaeger's HTTP query API: jaegerlite's, or any other that speaks it. */

import { RequestError } from "../shared/http";
import { ask, askData } from "./ask";
import type { Analysis } from "./model/analysis";
import type { DependencyLink, JaegerTrace } from "./model/jaeger";
import { buildTrace, type Trace } from "./model/trace";
import { apiParams, type SearchQuery } from "./search/query";

/** The names of all services, sorted. */
export async function fetchServices(signal: AbortSignal): Promise<string[]> {
  return (((await askData("/api/services", signal)) ?? []) as string[]).toSorted();
}

/** The names of a service's operations, sorted. */
export async function fetchOperations(service: string, signal: AbortSignal): Promise<string[]> {
  const names = await askData(`/api/services/${encodeURIComponent(service)}/operations`, signal);
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
  const traces = (await askData(`/api/traces/${encodeURIComponent(id)}`, signal)) as JaegerTrace[];
  if (!traces[0]?.spans.length) throw new RequestError(404, "not_found", "trace not found", "");
  return buildTrace(traces[0]);
}

/** Whether the trace was opened from a file, so that the backend does not know it. */
export function isFromFile(id: string): boolean {
  return opened.has(id);
}

/** What the backend makes of a trace; null for a trace from a file, which the backend does not know. @throws RequestError */
export async function fetchAnalysis(id: string, signal: AbortSignal): Promise<Analysis | null> {
  return isFromFile(id) ? null : ((await ask(`/api/traces/${encodeURIComponent(id)}/analysis`, { signal })) as Analysis);
}

/** Keep a trace beyond the time after which the backend forgets. @throws RequestError */
export async function archiveTrace(id: string): Promise<void> {
  await ask(`/api/archive/${encodeURIComponent(id)}`, { method: "POST" });
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
    return ((await askData(`/api/traces?${ids}`, signal)) as JaegerTrace[]).map(buildTrace);
  }
  const nowUs = Date.now() * 1000;
  const waiting = query.service ? [query.service] : [...services];
  const found = new Map<string, JaegerTrace>();
  const work = async () => {
    for (let service = waiting.shift(); service !== undefined; service = waiting.shift()) {
      const traces = (await askData(`/api/traces?${apiParams(query, service, nowUs)}`, signal)) as JaegerTrace[] | null;
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
  return ((await askData(`/api/dependencies?${window}`, signal)) ?? []) as DependencyLink[];
}
