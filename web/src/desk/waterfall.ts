/** Spans as rows of a waterfall: depth first, in order of start, each with its place in time. Pure. */

import type { Span } from "./types";

export interface Row {
  readonly span: Span;
  readonly depth: number;
  /** Start and length as parts of the whole, 0 to 1. */
  readonly start: number;
  readonly length: number;
}

export function rows(spans: readonly Span[]): readonly Row[] {
  const first = Math.min(...spans.map((span) => span.start_us));
  const whole = Math.max(1, Math.max(...spans.map((span) => span.start_us + span.duration_us)) - first);
  const known = new Set(spans.map((span) => span.span_id));
  const below = new Map<string, Span[]>();
  for (const span of [...spans].sort((a, b) => a.start_us - b.start_us)) {
    const parent = known.has(span.parent_id) ? span.parent_id : "";
    below.set(parent, [...(below.get(parent) ?? []), span]);
  }
  const found: Row[] = [];
  const waiting = [...(below.get("") ?? [])].reverse().map((span) => ({ span, depth: 0 }));
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { span, depth } = next;
    found.push({ span, depth, start: (span.start_us - first) / whole, length: span.duration_us / whole });
    for (const child of (below.get(span.span_id) ?? []).toReversed()) waiting.push({ span: child, depth: depth + 1 });
  }
  return found;
}
