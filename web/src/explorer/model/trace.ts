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

/** How long no child ran: the length of the gaps, without making any. */
function ownTime(spans: readonly Span[], span: Span): number {
  const end = endOf(span);
  let covered = span.start;
  let own = 0;
  for (const place of span.children) {
    const child = at(spans, place);
    if (child.start > covered && covered < end) own += Math.min(child.start, end) - covered;
    covered = Math.max(covered, endOf(child));
  }
  return own + Math.max(end - covered, 0);
}

const NONE = -1;

/** The parent among the references: the first CHILD_OF into this trace, or else the first of any kind. */
function parentReference(span: JaegerSpan, places: ReadonlyMap<string, number>): Reference | undefined {
  let known: Reference | undefined;
  let missing: Reference | undefined;
  for (const one of span.references) {
    if (one.traceID !== span.traceID || one.spanID === span.spanID) continue;
    const isChild = one.refType === "CHILD_OF";
    if (!places.has(one.spanID)) missing ??= isChild ? one : undefined;
    else if (isChild) return one;
    else known ??= one;
  }
  return known ?? missing;
}

/** Who is whose child, by place in `sources`; numbers and no lists, for a trace may have 100,000 spans. */
interface Family {
  /** Each span once, as they came. */
  sources: JaegerSpan[];
  /** Places by span id. */
  places: Map<string, number>;
  /** The reference that names the parent, whether the parent is here or not. */
  references: (Reference | undefined)[];
  /** The first child by start; in the last place stands the first root. */
  firstChild: Int32Array;
  /** The next by start with the same parent. */
  nextSibling: Int32Array;
}

function familyOf(trace: JaegerTrace): Family {
  const sources: JaegerSpan[] = [];
  const places = new Map<string, number>();
  for (const span of trace.spans) {
    if (places.has(span.spanID)) continue;
    places.set(span.spanID, sources.length);
    sources.push(span);
  }
  const count = sources.length;
  const references = sources.map((span) => parentReference(span, places));
  const firstChild = new Int32Array(count + 1).fill(NONE);
  const nextSibling = new Int32Array(count).fill(NONE);
  const byStart = Uint32Array.from(sources.keys()).sort((a, b) => at(sources, a).startTime - at(sources, b).startTime);
  for (let i = count - 1; i >= 0; i--) {
    const place = at(byStart, i);
    const reference = references[place];
    const parent = (reference && places.get(reference.spanID)) ?? count;
    nextSibling[place] = at(firstChild, parent);
    firstChild[parent] = place;
  }
  return { sources, places, references, firstChild, nextSibling };
}

/** The places in the order of the tree, with each one's parent. Of a ring of parents, the span that came first is a root. */
function* depthFirst({ sources, firstChild, nextSibling }: Family): Generator<readonly [place: number, parent: number]> {
  const count = sources.length;
  const seen = new Uint8Array(count);
  const waiting: [place: number, parent: number][] = [[at(firstChild, count), NONE]];
  for (let left = count, ring = 0; left > 0; ) {
    const [place, parent] = waiting.pop() ?? [NONE, NONE];
    if (place !== NONE) {
      waiting.push([at(nextSibling, place), parent]);
      if (seen[place]) continue;
      seen[place] = 1;
      left--;
      yield [place, parent];
      waiting.push([at(firstChild, place), place]);
    } else if (!waiting.length) {
      while (seen[ring]) ring++;
      seen[ring] = 1;
      left--;
      yield [ring, NONE];
      waiting.push([at(firstChild, ring), ring]);
    }
  }
}

const UNKNOWN_PROCESS: JaegerProcess = { serviceName: "unknown service", tags: [] };

const NO_WARNINGS: string[] = [];
const NO_LINKS: Reference[] = [];

function warningsOf(source: JaegerSpan, parent: Span | undefined, reference: Reference | undefined, start: number): string[] {
  const isOrphan = reference !== undefined && !parent;
  const isEarly = parent !== undefined && start < parent.start;
  if (!source.warnings?.length && !isOrphan && !isEarly) return NO_WARNINGS;
  return [
    ...(source.warnings ?? []),
    ...(isOrphan ? [`The parent span ${reference.spanID} is missing from this trace.`] : []),
    ...(isEarly ? ["Starts before its parent: the clocks of the two processes differ."] : []),
  ];
}

/**
 * The spans of a trace in order of the tree. A span whose parent is missing stands at the root, a ring of parents is cut
 * open at its first span, and a span that came twice appears once.
 *
 * @throws RangeError when the trace has no spans.
 */
export function buildTrace(source: JaegerTrace): Trace {
  const family = familyOf(source);
  const { sources, references, places } = family;
  const startTime = sources.reduce((first, span) => Math.min(first, span.startTime), Infinity);
  const spans: Span[] = [];
  const made: Span[] = new Array<Span>(sources.length);
  for (const [place, parentPlace] of depthFirst(family)) {
    const parent = parentPlace === NONE ? undefined : at(made, parentPlace);
    const span = makeSpan(source, at(sources, place), spans.length, parent, references[place], startTime);
    parent?.children.push(span.index);
    places.set(span.id, span.index);
    made[place] = span;
    spans.push(span);
  }
  return finish(source, spans, startTime, places);
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
  const others = source.references.length - (reference ? 1 : 0);
  return {
    index,
    id: source.spanID,
    service: process.serviceName,
    operation: source.operationName,
    depth: parent ? parent.depth + 1 : 0,
    parent: parent ? parent.index : NONE,
    children: [],
    subtreeEnd: index + 1,
    start,
    duration: source.duration,
    selfTime: source.duration,
    isFailed: isFailed(source),
    kind: String(tagValue(source.tags, "span.kind") ?? ""),
    source,
    process,
    links: others ? source.references.filter((one) => one !== reference) : NO_LINKS,
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
    span.selfTime = ownTime(spans, span);
    counts.set(span.service, (counts.get(span.service) ?? 0) + 1);
    trace.duration = Math.max(trace.duration, endOf(span));
    trace.depthMax = Math.max(trace.depthMax, span.depth);
    if (span.isFailed) trace.failedCount++;
  }
  trace.services = [...counts].sort(([a], [b]) => (a < b ? -1 : 1));
  return trace;
}
