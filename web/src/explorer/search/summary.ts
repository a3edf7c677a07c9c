/** A found trace in a line: what the lists, the table and the scatter plot show of it. */

import type { Trace } from "../model/trace";

export interface TraceSummary {
  id: string;
  service: string;
  operation: string;
  /** µs since 1970. */
  startTime: number;
  /** µs. */
  duration: number;
  spanCount: number;
  failedCount: number;
  services: [service: string, spans: number][];
}

export function summaryOf(trace: Trace): TraceSummary {
  return {
    id: trace.id,
    service: trace.root.service,
    operation: trace.root.operation,
    startTime: trace.startTime,
    duration: trace.duration,
    spanCount: trace.spans.length,
    failedCount: trace.failedCount,
    services: trace.services,
  };
}

export type Order = "newest" | "oldest" | "longest" | "shortest" | "most-spans" | "most-errors";

export const ORDERS: readonly [value: Order, text: string][] = [
  ["newest", "Newest first"],
  ["oldest", "Oldest first"],
  ["longest", "Longest first"],
  ["shortest", "Shortest first"],
  ["most-spans", "Most spans first"],
  ["most-errors", "Most errors first"],
];

const COMPARE: Record<Order, (a: TraceSummary, b: TraceSummary) => number> = {
  newest: (a, b) => b.startTime - a.startTime,
  oldest: (a, b) => a.startTime - b.startTime,
  longest: (a, b) => b.duration - a.duration,
  shortest: (a, b) => a.duration - b.duration,
  "most-spans": (a, b) => b.spanCount - a.spanCount,
  "most-errors": (a, b) => b.failedCount - a.failedCount,
};

/** A sorted copy; traces that are equal in the order stand newest first. */
export function sortSummaries(summaries: readonly TraceSummary[], order: Order): TraceSummary[] {
  return [...summaries].sort((a, b) => COMPARE[order](a, b) || COMPARE.newest(a, b));
}
