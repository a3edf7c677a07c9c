/** What the backend makes of a trace (`/api/traces/{id}/analysis`): its findings, and which spans they are about. */

import type { Trace } from "./trace";

export interface Finding {
  kind: string;
  service: string;
  operation: string;
  /** ms that would not have passed without it; 0 where it cost no time. */
  cost_ms: number;
  summary: string;
  span_ids: string[];
}

export interface Analysis {
  /** Whether the trace is kept for good. */
  archived: boolean;
  /** The dearest first. */
  findings: Finding[];
}

const TITLES: Readonly<Record<string, string>> = {
  error: "Error",
  retry: "Retries",
  repeated_query: "Repeated query",
  slow_query: "Slow query",
  sequential_calls: "One after another",
  call_wait: "Wait for a call",
  queue_wait: "Wait in a queue",
  unrecorded_time: "Unrecorded time",
  clock_skew: "Wrong clock",
  broken_handover: "Broken hand-over",
  lost_spans: "Lost spans",
  noisy_caller: "Noisy caller",
  refused_caller: "Refused caller",
};

/** The kind in words; one that is new since this was written, by its own name. */
export function titleOf(kind: string): string {
  return TITLES[kind] ?? kind.replaceAll("_", " ");
}

/** The places in the trace of a finding's spans, in the order of the tree; spans that the trace lacks are left out. */
export function placesOf(trace: Trace, finding: Finding): number[] {
  return finding.span_ids
    .map((id) => trace.placeById.get(id))
    .filter((place) => place !== undefined)
    .sort((a, b) => a - b);
}
