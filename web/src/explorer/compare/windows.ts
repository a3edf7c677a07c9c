/** A window of time against another (`/api/compare/windows`): what got slower, where, by how much, and what the slow ones share. */

import { ask } from "../ask";
import type { CallFigures } from "../monitor/figures";
import { EMPTY_QUERY, type SearchQuery } from "../search/query";
import { lengthOf, type Range, rangeOf, searchRange, type TimeWindow, windowFromUrl, windowParams } from "../window";

/** What the window is held against. */
export const AGAINST: readonly [value: string, text: string][] = [
  ["before", "the time before it"],
  ["1h", "an hour earlier"],
  ["24h", "a day earlier"],
  ["7d", "a week earlier"],
  ["then", "until …"],
];

export interface CompareQuery extends TimeWindow {
  /** Empty for all. */
  service: string;
  operation: string;
  /** One of `AGAINST`. */
  against: string;
  /** With `then`: the other window. */
  base: TimeWindow;
}

export function compareFromUrl(params: URLSearchParams): CompareQuery {
  const window = windowFromUrl(params, "15m");
  const named = (name: string) => params.get(name) ?? "";
  const base = windowFromUrl(new URLSearchParams({ lookback: named("baseLookback"), end: named("baseEnd") }), window.lookback);
  const against = AGAINST.find(([value]) => value === params.get("against"))?.[0] ?? (base.end_ms === null ? "before" : "then");
  return { service: named("service"), operation: named("operation"), ...window, against, base };
}

export function comparePath({ service, operation, against, base, ...window }: CompareQuery): string {
  const other = windowParams(base);
  return `/compare?${new URLSearchParams({
    ...(service ? { service } : {}),
    ...(operation ? { operation } : {}),
    ...windowParams(window),
    against,
    ...(against === "then" ? { baseLookback: base.lookback, ...(other.end ? { baseEnd: other.end } : {}) } : {}),
  })}`;
}

/** The two windows at a moment. */
export function rangesOf(query: CompareQuery, now_ms: number): { base: Range; other: Range } {
  const other = rangeOf(query, now_ms);
  if (query.against === "then") return { base: rangeOf(query.base, now_ms), other };
  const earlier_ms = query.against === "before" ? other.end_ms - other.start_ms : lengthOf(query.against);
  return { base: { start_ms: Math.max(other.start_ms - earlier_ms, 0), end_ms: Math.max(other.end_ms - earlier_ms, 1) }, other };
}

/** Figures of the traces of a sample; null where there are none. */
export interface Sample {
  traces: number;
  failed: number;
  mean_ms: number | null;
  p50_ms: number | null;
  p95_ms: number | null;
}

export interface SampledSide {
  calls_per_trace: number;
  /** Mean time on the critical path of a trace. */
  path_ms: number;
  error_rate: number;
  p95_ms: number | null;
}

export interface SampledOperation {
  service: string;
  operation: string;
  base: SampledSide;
  other: SampledSide;
  delta_ms: number;
  /** More than three standard errors. */
  significant: boolean;
}

/** A value that the slow spans of an operation have more often than its others. */
export interface SharedValue {
  service: string;
  operation: string;
  /** Whose attribute it is. */
  on: "span" | "resource" | "root";
  key: string;
  value: string;
  slow_share: number;
  other_share: number;
  slow_spans: number;
}

/** An operation by all of its calls. */
export interface CountedOperation {
  service: string;
  operation: string;
  kind: string;
  base: CallFigures;
  other: CallFigures;
  gained_ms: number;
}

export interface WindowComparison {
  base_window: Range;
  other_window: Range;
  complete: boolean;
  windows: CountedOperation[];
  traces: { base: Sample; other: Sample; operations: SampledOperation[]; attributes: SharedValue[] };
}

const TRACES = 200;
const SECONDS_MAX_MS = 6000;

export async function fetchComparison(query: CompareQuery, signal: AbortSignal): Promise<WindowComparison> {
  const { base, other } = rangesOf(query, Date.now());
  const params = {
    service: query.service,
    operation: query.operation,
    endTs: String(other.end_ms),
    lookback: String(other.end_ms - other.start_ms),
    baseEndTs: String(base.end_ms),
    baseLookback: String(base.end_ms - base.start_ms),
    limit: String(TRACES),
    timeout: String(SECONDS_MAX_MS),
  };
  return (await ask(`/api/compare/windows?${new URLSearchParams(params)}`, { signal })) as WindowComparison;
}

/** The longest traces of a window that have an operation, or a value on it. */
export function tracesWith({ service, operation, on, key, value }: { service: string; operation: string } & Partial<SharedValue>, range: Range): SearchQuery {
  const tags = key === undefined ? {} : { [key]: value ?? "" };
  // What belongs to the request stands on the root, whatever that is.
  const place = on === "root" ? { service: "", operation: "" } : { service, operation };
  return { ...EMPTY_QUERY, ...place, tags, ...searchRange(range), pick: "longest" };
}
