/** The spans of a trace as a table: what it may be filtered and sorted by, as the address has it. */

import type { Sorting } from "../../shared/Table";
import { parseDuration } from "./durations";
import { at } from "./lists";
import type { Span, Trace } from "./trace";

export interface SpanFilter {
  /** A whole name; empty for all. */
  service: string;
  /** A part of the name, whatever the case. */
  operation: string;
  /** As it was typed: `1.5ms`. What cannot be read filters nothing. */
  minDuration: string;
  onlyFailed: boolean;
}

export function filterFromUrl(params: URLSearchParams): SpanFilter {
  return {
    service: params.get("service") ?? "",
    operation: params.get("operation") ?? "",
    minDuration: params.get("minDuration") ?? "",
    onlyFailed: params.get("failed") === "1",
  };
}

/** `duration` for rising, `-duration` for falling; null for the order of the tree. */
export function sortingFromUrl(params: URLSearchParams): Sorting | null {
  const text = params.get("sort") ?? "";
  return text ? { key: text.replace(/^-/, ""), descending: text.startsWith("-") } : null;
}

/** What the address says once a column's title was pressed: falling, then rising, then the order of the tree. */
export function nextSorting(sorting: Sorting | null, key: string): string {
  if (sorting?.key !== key) return `-${key}`;
  return sorting.descending ? key : "";
}

/**
 * The spans that pass the filter, in the order of the tree.
 *
 * @param places the only spans to consider, null for all
 */
export function filteredSpans(trace: Trace, filter: SpanFilter, places: readonly number[] | null): readonly Span[] {
  const operation = filter.operation.trim().toLowerCase();
  const least = parseDuration(filter.minDuration) ?? 0;
  const spans = places ? places.map((place) => at(trace.spans, place)) : trace.spans;
  if (!operation && !least && !filter.service && !filter.onlyFailed) return spans;
  return spans.filter(
    (span) =>
      (!filter.service || span.service === filter.service) &&
      span.duration >= least &&
      (!filter.onlyFailed || span.isFailed) &&
      (!operation || span.operation.toLowerCase().includes(operation)),
  );
}
