/** Jaeger's HTTP query API: jaegerlite's, or any other that speaks it. */

import { RequestError } from "../shared/http";
import { ask, askData } from "./ask";
import type { Analysis } from "./model/analysis";
import type { JaegerTrace } from "./model/jaeger";
import { buildTrace, type Trace } from "./model/trace";

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
  return isFromFile(id) ? null : ((await ask(`/api/traces/${encodeURIComponent(id)}/analysis?paths=false`, { signal })) as Analysis);
}

/** Keep a trace beyond the time after which the backend forgets. @throws RequestError */
export async function archiveTrace(id: string): Promise<void> {
  await ask(`/api/archive/${encodeURIComponent(id)}`, { method: "POST" });
}
