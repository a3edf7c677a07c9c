/** A trace as a graph: spans of one service and operation are one group, calls between two groups one call. */

import type { Section } from "./criticalPath";
import { at } from "./lists";
import type { Span, Trace } from "./trace";

export interface CallGroup {
  key: string;
  service: string;
  operation: string;
  /** Places of the spans, in the order of the tree. */
  spans: number[];
  failedCount: number;
  /** Sums over the spans, µs: durations, own times, and time on the critical path. */
  total: number;
  self: number;
  critical: number;
  /** The longest of its spans, as an example. */
  longest: Span;
}

export interface GroupCall {
  /** Keys of the two groups, which may be one. */
  parent: string;
  child: string;
  /** Places of the spans that were called. */
  spans: number[];
  failedCount: number;
  /** Whether the critical path takes one of these calls. */
  isCritical: boolean;
}

export interface CallGraph {
  groups: Map<string, CallGroup>;
  calls: GroupCall[];
}

function keyOf(span: Span): string {
  return `${span.service}\u0000${span.operation}`;
}

/** The spans that the critical path goes through, also where it spends no time of their own. */
function onPath(trace: Trace, critical: ReadonlyMap<number, readonly Section[]>): Uint8Array {
  const marks = new Uint8Array(trace.spans.length);
  for (const place of critical.keys()) {
    for (let i = place; i >= 0 && !marks[i]; i = at(trace.spans, i).parent) marks[i] = 1;
  }
  return marks;
}

function addSpan(groups: Map<string, CallGroup>, span: Span, critical: number): void {
  const key = keyOf(span);
  const group = groups.get(key);
  if (!group) {
    const { service, operation } = span;
    const failedCount = Number(span.isFailed);
    groups.set(key, { key, service, operation, spans: [span.index], failedCount, total: span.duration, self: span.selfTime, critical, longest: span });
    return;
  }
  group.spans.push(span.index);
  group.failedCount += Number(span.isFailed);
  group.total += span.duration;
  group.self += span.selfTime;
  group.critical += critical;
  if (span.duration > group.longest.duration) group.longest = span;
}

/** @param critical the critical path by span */
export function callGraph(trace: Trace, critical: ReadonlyMap<number, readonly Section[]>): CallGraph {
  const groups = new Map<string, CallGroup>();
  const calls = new Map<string, GroupCall>();
  const marks = onPath(trace, critical);
  for (const span of trace.spans) {
    const sections = critical.get(span.index) ?? [];
    addSpan(groups, span, sections.reduce((sum, section) => sum + section.end - section.start, 0));
    if (span.parent < 0) continue;
    const [parent, child] = [keyOf(at(trace.spans, span.parent)), keyOf(span)];
    const key = `${parent}\u0000${child}`;
    let call = calls.get(key);
    if (!call) calls.set(key, (call = { parent, child, spans: [], failedCount: 0, isCritical: false }));
    call.spans.push(span.index);
    call.failedCount += Number(span.isFailed);
    call.isCritical ||= marks[span.index] === 1;
  }
  return { groups, calls: [...calls.values()] };
}

/** The part of a graph that can be drawn: of more groups than `most`, those that took longest. */
export function largestGroups({ groups, calls }: CallGraph, most: number): CallGraph {
  if (groups.size <= most) return { groups, calls };
  const kept = new Map([...groups].sort(([, a], [, b]) => b.total - a.total).slice(0, most));
  return { groups: kept, calls: calls.filter(({ parent, child }) => kept.has(parent) && kept.has(child)) };
}
