/** Rate, errors and durations over time (`/api/red`), and what a page needs to draw and to ask about them. */

import { EMPTY_QUERY, type SearchQuery } from "../search/query";
import { searchRange, type TimeWindow, windowFromUrl, windowParams } from "../window";

export type Curve = readonly (number | null)[];

/** What is known of some calls together. */
export interface CallFigures {
  calls: number;
  errors: number;
  rate_per_s: number;
  /** 0 to 1. */
  error_rate: number;
  p50_ms: number;
  p95_ms: number;
  p99_ms: number;
  total_ms: number;
}

export interface Group extends CallFigures {
  service: string;
  /** Null where operations are counted together. */
  operation: string | null;
  /** A value for each of `Figures.times_ms`; null where nothing was called. */
  series: Record<"rate_per_s" | "error_rate" | "p50_ms" | "p95_ms" | "p99_ms", Curve>;
}

export interface Figures {
  step_ms: number;
  /** Starts of the steps, ms since 1970. */
  times_ms: number[];
  groups_total: number;
  /** Those on which most time was spent first. */
  groups: Group[];
}

export interface MonitorQuery extends TimeWindow {
  /** Empty for all services, each as a whole. */
  service: string;
}

/** What the address of the page asks for. */
export function monitorFromUrl(params: URLSearchParams): MonitorQuery {
  return { service: params.get("service") ?? "", ...windowFromUrl(params) };
}

export function monitorPath({ service, ...window }: MonitorQuery): string {
  return `/monitor?${new URLSearchParams({ ...(service ? { service } : {}), ...windowParams(window) })}`;
}

/** The search for the traces behind one step of a curve. */
export function tracesOfStep(group: Group, start_ms: number, step_ms: number, onlyFailed: boolean): SearchQuery {
  return {
    ...EMPTY_QUERY,
    service: group.service,
    operation: group.operation ?? "",
    tags: onlyFailed ? { error: "true" } : {},
    ...searchRange({ start_ms, end_ms: start_ms + step_ms }),
    limit: 100,
  };
}

/** The step whose value is the greatest, the latest of equal ones; -1 where no value is above zero. */
export function peakOf(curve: Curve): number {
  let peak = -1;
  let highest = 0;
  curve.forEach((value, step) => {
    if (value !== null && value > 0 && value >= highest) [peak, highest] = [step, value];
  });
  return peak;
}

/** The greatest of the values; 0 where there is none. */
export function highestOf(curves: readonly Curve[]): number {
  return curves.flat().reduce<number>((highest, value) => Math.max(highest, value ?? 0), 0);
}

/** An SVG path through a curve, broken where it has no value; a value between two gaps is a dot. */
export function pathOf(curve: Curve, x: (step: number) => number, y: (value: number) => number): string {
  let path = "";
  curve.forEach((value, step) => {
    if (value === null) return;
    const joins = step > 0 && (curve[step - 1] ?? null) !== null;
    path += `${joins ? "L" : "M"}${x(step).toFixed(1)} ${y(value).toFixed(1)}`;
    if (!joins && (curve[step + 1] ?? null) === null) path += "h0.1";
  });
  return path;
}

/** "12.3/s", "0.05/s": calls per second with as many digits as they have to say. */
export function rate(per_s: number): string {
  return `${per_s >= 100 ? per_s.toFixed(0) : per_s >= 1 ? per_s.toFixed(1) : Number(per_s.toPrecision(2))}/s`;
}

/** "2.5 %"; a share that is not zero is never written as zero. */
export function percent(share: number): string {
  if (share > 0 && share < 0.0001) return "< 0.01 %";
  return `${Number((share * 100).toFixed(share < 0.1 ? 2 : 1))} %`;
}
