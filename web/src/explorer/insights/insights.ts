/** Findings of many traces put together (`/api/insights`): what costs most in total, wherever it happens. */

import { ask } from "../ask";
import { apiWindow, type TimeWindow, windowFromUrl, windowParams } from "../window";

export interface Insight {
  kind: string;
  service: string;
  operation: string;
  count: number;
  traces: number;
  /** 0 to 1. */
  share_of_traces: number;
  total_cost_ms: number;
  max_cost_ms: number;
  /** Of the dearest of them. */
  summary: string;
  /** The dearest first. */
  example_trace_ids: string[];
}

export interface Insights {
  /** How many traces were looked at. */
  traces: number;
  /** False where time ran out. */
  complete: boolean;
  /** The dearest in total first. */
  insights: Insight[];
}

export interface InsightsQuery extends TimeWindow {
  /** Empty for all. */
  service: string;
  operation: string;
}

const TRACES = 200;
const SECONDS_MAX_MS = 5000;

export function insightsFromUrl(params: URLSearchParams): InsightsQuery {
  return { service: params.get("service") ?? "", operation: params.get("operation") ?? "", ...windowFromUrl(params) };
}

export function insightsPath({ service, operation, ...window }: InsightsQuery): string {
  return `/insights?${new URLSearchParams({ ...(service ? { service } : {}), ...(operation ? { operation } : {}), ...windowParams(window) })}`;
}

export async function fetchInsights({ service, operation, ...window }: InsightsQuery, signal: AbortSignal): Promise<Insights> {
  const params = { service, operation, ...apiWindow(window), limit: String(TRACES), timeout: String(SECONDS_MAX_MS) };
  return (await ask(`/api/insights?${new URLSearchParams(params)}`, { signal })) as Insights;
}

/** Those that cost time, and those that cost none (errors, mostly), the most frequent of these first. */
export function splitInsights(insights: readonly Insight[]): { dear: Insight[]; free: Insight[] } {
  const free = insights.filter((insight) => insight.total_cost_ms <= 0).sort((a, b) => b.count - a.count);
  return { dear: insights.filter((insight) => insight.total_cost_ms > 0), free };
}
