/** The tail of what comes in: the newest spans, a bounded number of them, held back while one reads. */

export interface LiveSpan {
  trace_id: string;
  span_id: string;
  parent_id: string | null;
  service: string;
  operation: string;
  kind: string;
  status: string;
  /** µs since 1970. */
  start_us: number;
  duration_us: number;
}

/** A stored batch: some of the spans that fit, and how many fitted. */
export interface LiveBatch {
  spans: LiveSpan[];
  matched: number;
}

/** Spans that are kept; older ones are let go. */
export const KEPT_MAX = 300;

export interface Tail {
  /** Newest first. */
  shown: readonly LiveSpan[];
  /** What came while paused, newest first. */
  held: readonly LiveSpan[];
  isPaused: boolean;
  /** All that fitted since the tail began. */
  matched: number;
}

export const EMPTY_TAIL: Tail = { shown: [], held: [], isPaused: false, matched: 0 };

export type TailAction = { type: "came"; batch: LiveBatch } | { type: "pause" } | { type: "go-on" } | { type: "clear" };

function before(came: readonly LiveSpan[], kept: readonly LiveSpan[]): LiveSpan[] {
  return [...came, ...kept].slice(0, KEPT_MAX);
}

export function changeTail(tail: Tail, action: TailAction): Tail {
  switch (action.type) {
    case "came": {
      const came = action.batch.spans.toSorted((a, b) => b.start_us - a.start_us);
      const matched = tail.matched + action.batch.matched;
      return tail.isPaused ? { ...tail, matched, held: before(came, tail.held) } : { ...tail, matched, shown: before(came, tail.shown) };
    }
    case "pause":
      return { ...tail, isPaused: true };
    case "go-on":
      return { ...tail, isPaused: false, shown: before(tail.held, tail.shown), held: [] };
    case "clear":
      return { ...tail, shown: [], held: [] };
  }
}

/** The spans with a text in service, operation or id, whatever the case; of those that failed only, if so asked. */
export function narrowed(spans: readonly LiveSpan[], text: string, onlyFailed: boolean): readonly LiveSpan[] {
  const wanted = text.trim().toLowerCase();
  return spans.filter(
    (span) =>
      (!onlyFailed || span.status === "ERROR") &&
      (!wanted || `${span.service}: ${span.operation} ${span.trace_id}`.toLowerCase().includes(wanted)),
  );
}
