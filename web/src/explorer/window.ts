/** The stretch of time that a page shows: so long, until a moment or until now. It stands in the page's address. */

import { parseDuration } from "./model/durations";
import { CUSTOM, LOOKBACK_DEFAULT, type SearchQuery } from "./search/query";

export interface TimeWindow {
  /** A duration, as `15m`. */
  lookback: string;
  /** ms since 1970; null for now. */
  end_ms: number | null;
}

export interface Range {
  start_ms: number;
  end_ms: number;
}

/** What an address asks for; what cannot be used is as if it were not there. */
export function windowFromUrl(params: URLSearchParams, lookbackDefault = LOOKBACK_DEFAULT): TimeWindow {
  const lookback = params.get("lookback") ?? "";
  const end = params.get("end") ?? "";
  return { lookback: parseDuration(lookback) ? lookback : lookbackDefault, end_ms: /^\d{1,13}$/.test(end) ? Number(end) : null };
}

/** The parameters that `windowFromUrl` reads back. */
export function windowParams({ lookback, end_ms }: TimeWindow): Record<string, string> {
  return { lookback, ...(end_ms === null ? {} : { end: String(end_ms) }) };
}

export function lengthOf(lookback: string): number {
  return Math.max(Math.round((parseDuration(lookback) ?? parseDuration(LOOKBACK_DEFAULT) ?? 0) / 1000), 1);
}

export function rangeOf({ lookback, end_ms }: TimeWindow, now_ms: number): Range {
  const end = end_ms ?? now_ms;
  return { start_ms: Math.max(end - lengthOf(lookback), 0), end_ms: end };
}

/** The window in the parameters of the backend's figures. */
export function apiWindow(window: TimeWindow, now_ms = Date.now()): Record<string, string> {
  return { endTs: String(window.end_ms ?? now_ms), lookback: String(lengthOf(window.lookback)) };
}

/** The part of a search that asks for the same time. */
export function searchWindow(window: TimeWindow): Pick<SearchQuery, "lookback" | "start" | "end"> {
  if (window.end_ms === null) return { lookback: window.lookback, start: null, end: null };
  return searchRange(rangeOf(window, 0));
}

export function searchRange({ start_ms, end_ms }: Range): Pick<SearchQuery, "lookback" | "start" | "end"> {
  return { lookback: CUSTOM, start: start_ms * 1000, end: end_ms * 1000 };
}
