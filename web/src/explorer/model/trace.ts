/**
 * A trace as the pages read it: its spans in the order of the tree, each with its depth, its own time and its subtree.
 *
 * Nothing here recurses: a trace may be a chain of 100,000 spans.
 */

import type { JaegerProcess, JaegerSpan, JaegerTrace, KeyValue, Reference } from "./jaeger";
import { at } from "./lists";

/** A stretch of time in µs since the start of the trace, `end` not included. */
export interface Interval {
  start: number;
  end: number;
}

export interface Span {
  /** Place in `Trace.spans`. */
  index: number;
  id: string;
  service: string;
  operation: string;
  depth: number;
  /** Place of the parent, -1 for a root. */
  parent: number;
  /** Places of the children, by start. */
  children: number[];
  /** The subtree is `spans[index]` to `spans[subtreeEnd - 1]`. */
  subtreeEnd: number;
  /** µs since the start of the trace. */
  start: number;
  duration: number;
  /** µs in which no child ran. */
  selfTime: number;
  isFailed: boolean;
  kind: string;
  source: JaegerSpan;
  process: JaegerProcess;
  /** References that are not the parent: links to other spans, in this trace or another. */
  links: Reference[];
  /** What is odd about the span: the backend's warnings, and ours. */
  warnings: string[];
}

export interface Trace {
  id: string;
  /** Depth first, children by start. */
  spans: Span[];
  /** Start in µs since 1970. */
  startTime: number;
  /** From the first start to the last end, µs. */
  duration: number;
  /** Span counts by service, by name. */
  services: [service: string, spans: number][];
  root: Span;
  depthMax: number;
  failedCount: number;
  source: JaegerTrace;
  placeById: Map<string, number>;
}

export function endOf(span: Span): number {
  return span.start + span.duration;
}

export function tagValue(tags: KeyValue[], key: string): unknown {
  return tags.find((tag) => tag.key === key)?.value;
}

/** Whether the span says that it failed: Jaeger's `error` tag, or OpenTelemetry's status. */
export function isFailed(span: JaegerSpan): boolean {
  return span.tags.some(
    ({ key, value }) => (key === "error" && String(value) === "true") || (key === "otel.status_code" && value === "ERROR"),
  );
}

/** The parent among the references: the first CHILD_OF into this trace, or else the first of any kind. */
function parentReference(span: JaegerSpan, ids: Map<string, JaegerSpan>): Reference | undefined {
  let known: Reference | undefined;
  let missing: Reference | undefined;
  for (const one of span.references) {
    if (one.traceID !== span.traceID || one.spanID === span.spanID) continue;
    const isChild = one.refType === "CHILD_OF";
    if (!ids.has(one.spanID)) missing ??= isChild ? one : undefined;
    else if (isChild) return one;
    else known ??= one;
  }
  return known ?? missing;
}

/** The time of a span that none of the children (by start) covers. */
export function gapsBetween(span: Interval, children: Iterable<Interval>): Interval[] {
  const gaps: Interval[] = [];
  let covered = span.start;
  for (const child of children) {
    if (child.start > covered && covered < span.end) gaps.push({ start: covered, end: Math.min(child.start, span.end) });
    covered = Math.max(covered, child.end);
  }
  if (covered < span.end) gaps.push({ start: covered, end: span.end });
  return gaps;
}

function intervalOf(span: Span): Interval {
  return { start: span.start, end: endOf(span) };
}

/** The stretches of a span in which no child of it ran. */
export function gapsOf(trace: Trace, span: Span): Interval[] {
  return gapsBetween(
    intervalOf(span),
    span.children.map((child) => intervalOf(at(trace.spans, child))),
  );
}

function uniqueSpans(trace: JaegerTrace): Map<string, JaegerSpan> {
  const ids = new Map<string, JaegerSpan>();
  for (const span of trace.spans) if (!ids.has(span.spanID)) ids.set(span.spanID, span);
  return ids;
}

interface Family {
  roots: JaegerSpan[];
  children: Map<string, JaegerSpan[]>;
  parents: Map<string, Reference>;
}

function familyOf(ids: Map<string, JaegerSpan>): Family {
  const family: Family = { roots: [], children: new Map(), parents: new Map() };
  for (const span of ids.values()) {
    const parent = parentReference(span, ids);
    if (parent) family.parents.set(span.spanID, parent);
    if (!parent || !ids.has(parent.spanID)) family.roots.push(span);
    else {
      const siblings = family.children.get(parent.spanID);
      if (siblings) siblings.push(span);
      else family.children.set(parent.spanID, [span]);
    }
  }
  const byStart = (a: JaegerSpan, b: JaegerSpan) => a.startTime - b.startTime;
  family.roots.sort(byStart);
  for (const siblings of family.children.values()) siblings.sort(byStart);
  return family;
}

const UNKNOWN_PROCESS: JaegerProcess = { serviceName: "unknown service", tags: [] };

function warningsOf(source: JaegerSpan, parent: Span | undefined, reference: Reference | undefined, start: number): string[] {
  const warnings = [...(source.warnings ?? [])];
  if (reference && !parent) warnings.push(`The parent span ${reference.spanID} is missing from this trace.`);
  if (parent && start < parent.start) warnings.push("Starts before its parent: the clocks of the two processes differ.");
  return warnings;
}

/**
 * The spans of a trace in order of the tree. A span whose parent is missing stands at the root, a ring of parents is cut
 * open at its first span, and a span that came twice appears once.
 *
 * @throws RangeError when the trace has no spans.
 */
export function buildTrace(source: JaegerTrace): Trace {
  const ids = uniqueSpans(source);
  const family = familyOf(ids);
  let startTime = Infinity;
  for (const span of ids.values()) startTime = Math.min(startTime, span.startTime);
  const spans: Span[] = [];
  const placeById = new Map<string, number>();
  const unvisited = ids.values();
  const waiting: [JaegerSpan, number][] = family.roots.map((root): [JaegerSpan, number] => [root, -1]).reverse();
  while (spans.length < ids.size) {
    const next = waiting.pop() ?? ringSpan(unvisited, placeById);
    const [span, parentPlace] = next;
    if (placeById.has(span.spanID)) continue;
    const parent = parentPlace < 0 ? undefined : at(spans, parentPlace);
    const made = makeSpan(source, span, spans.length, parent, family.parents.get(span.spanID), startTime);
    placeById.set(span.spanID, made.index);
    parent?.children.push(made.index);
    spans.push(made);
    const children = family.children.get(span.spanID) ?? [];
    for (let i = children.length - 1; i >= 0; i--) waiting.push([at(children, i), made.index]);
  }
  return finish(source, spans, startTime, placeById);
}

function ringSpan(unvisited: Iterator<JaegerSpan>, placeById: Map<string, number>): [JaegerSpan, number] {
  for (let next = unvisited.next(); !next.done; next = unvisited.next()) {
    if (!placeById.has(next.value.spanID)) return [next.value, -1];
  }
  throw new RangeError("no span is left to visit");
}

function makeSpan(
  trace: JaegerTrace,
  source: JaegerSpan,
  index: number,
  parent: Span | undefined,
  reference: Reference | undefined,
  startTime: number,
): Span {
  const process = trace.processes[source.processID] ?? UNKNOWN_PROCESS;
  const start = source.startTime - startTime;
  return {
    index,
    id: source.spanID,
    service: process.serviceName,
    operation: source.operationName,
    depth: parent ? parent.depth + 1 : 0,
    parent: parent ? parent.index : -1,
    children: [],
    subtreeEnd: index + 1,
    start,
    duration: source.duration,
    selfTime: source.duration,
    isFailed: isFailed(source),
    kind: String(tagValue(source.tags, "span.kind") ?? ""),
    source,
    process,
    links: source.references.filter((one) => one !== reference),
    warnings: warningsOf(source, parent, reference, start),
  };
}

function finish(source: JaegerTrace, spans: Span[], startTime: number, placeById: Map<string, number>): Trace {
  const counts = new Map<string, number>();
  const trace: Trace = {
    id: source.traceID,
    spans,
    startTime,
    duration: 0,
    services: [],
    root: at(spans, 0),
    depthMax: 0,
    failedCount: 0,
    source,
    placeById,
  };
  for (let i = spans.length - 1; i >= 0; i--) {
    const span = at(spans, i);
    if (span.parent >= 0) {
      const parent = at(spans, span.parent);
      parent.subtreeEnd = Math.max(parent.subtreeEnd, span.subtreeEnd);
    }
    if (span.children.length) {
      span.selfTime = gapsOf(trace, span).reduce((sum, gap) => sum + gap.end - gap.start, 0);
    }
    counts.set(span.service, (counts.get(span.service) ?? 0) + 1);
    trace.duration = Math.max(trace.duration, endOf(span));
    trace.depthMax = Math.max(trace.depthMax, span.depth);
    if (span.isFailed) trace.failedCount++;
  }
  trace.services = [...counts].sort(([a], [b]) => (a < b ? -1 : 1));
  return trace;
}
