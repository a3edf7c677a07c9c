/** The traces that a query finds, as the backend's own search (`/api/search`) tells them. */

import { RequestError } from "../../shared/http";
import { ask, askData } from "../ask";
import type { JaegerTrace } from "../model/jaeger";
import { buildTrace } from "../model/trace";
import { apiParams, type SearchQuery } from "./query";
import { summaryOf, type TraceSummary } from "./summary";

export interface Found {
  traces: TraceSummary[];
  /** How many there are, of which `traces` are those asked for. */
  total: number;
  /** False where the backend stopped counting. */
  isExact: boolean;
}

interface Answer {
  total: number;
  total_is_exact: boolean;
  traces: {
    trace_id: string;
    root_service: string;
    root_operation: string;
    start_us: number;
    duration_us: number;
    spans: number;
    errors: number;
    services: { name: string; spans: number }[];
  }[];
}

/** @throws RequestError, with status 400 for a query that makes no sense. */
export async function findTraces(query: SearchQuery, signal: AbortSignal): Promise<Found> {
  if (query.traceIds.length) {
    const ids = new URLSearchParams(query.traceIds.map((id) => ["traceID", id]));
    const traces = ((await askData(`/api/traces?${ids}`, signal)) as JaegerTrace[]).map(buildTrace).map(summaryOf);
    return { traces, total: traces.length, isExact: true };
  }
  const answer = (await ask(`/api/search?${apiParams(query, Date.now() * 1000)}`, { signal })) as Answer;
  const traces = answer.traces.map((one) => ({
    id: one.trace_id,
    service: one.root_service,
    operation: one.root_operation,
    startTime: one.start_us,
    duration: one.duration_us,
    spanCount: one.spans,
    failedCount: one.errors,
    services: one.services.map(({ name, spans }): [string, number] => [name, spans]),
  }));
  return { traces, total: answer.total, isExact: answer.total_is_exact };
}

/** Why the backend does not take what was written in its language, and the place of the mistake, where it names one. */
export interface Refusal {
  text: string;
  place: number | null;
}

/** Null for an error that is not about the query's text. */
export function refusalOf(error: unknown): Refusal | null {
  if (!(error instanceof RequestError) || error.status !== 400 || !error.message.startsWith("q: ")) return null;
  const place = /at character (\d+)/.exec(error.message)?.[1];
  return { text: error.message.slice(3), place: place === undefined ? null : Number(place) };
}
