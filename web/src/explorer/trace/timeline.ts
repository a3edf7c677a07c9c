/** The state of the waterfall: what is folded, what is open, where one stands and which stretch of time is shown. */

import { at } from "../model/lists";
import { collapsedAt, revealing } from "../model/rows";
import type { Interval, Trace } from "../model/trace";

/** The shortest stretch that can be shown, µs. */
const WINDOW_MIN_US = 1;
const ZOOM_STEP = 2;
/** Share of the window by which a step to the side moves it. */
const PAN_SHARE = 0.25;

export interface Timeline {
  collapsed: ReadonlySet<number>;
  /** Spans whose details are open. */
  open: ReadonlySet<number>;
  current: number;
  window: Interval;
}

export type Action =
  | { type: "move"; step: 1 | -1 }
  | { type: "go"; place: number }
  /** Go to it, with its details. */
  | { type: "open"; place: number }
  | { type: "select"; place: number }
  | { type: "toggle-open"; place: number }
  | { type: "toggle-collapsed"; place: number }
  | { type: "left" }
  | { type: "right" }
  | { type: "collapse-all" }
  | { type: "expand-all" }
  | { type: "expand-one-level" }
  | { type: "show"; window: Interval }
  | { type: "zoom"; direction: 1 | -1 }
  | { type: "pan"; direction: 1 | -1 }
  | { type: "reset-zoom" };

export function wholeOf(trace: Trace): Interval {
  return { start: 0, end: Math.max(trace.duration, WINDOW_MIN_US) };
}

export function initialTimeline(trace: Trace): Timeline {
  return { collapsed: new Set(), open: new Set(), current: 0, window: wholeOf(trace) };
}

/** The window within the trace, at least as long as can be shown. */
function within(trace: Trace, window: Interval): Interval {
  const whole = wholeOf(trace);
  const length = Math.min(Math.max(window.end - window.start, WINDOW_MIN_US), whole.end);
  const start = Math.min(Math.max(window.start, 0), whole.end - length);
  return { start, end: start + length };
}

function zoomed({ start, end }: Interval, direction: 1 | -1): Interval {
  const centre = (start + end) / 2;
  const half = ((end - start) / 2) * (direction > 0 ? 1 / ZOOM_STEP : ZOOM_STEP);
  return { start: centre - half, end: centre + half };
}

function toggled(set: ReadonlySet<number>, place: number): Set<number> {
  const changed = new Set(set);
  if (!changed.delete(place)) changed.add(place);
  return changed;
}

/** The row above a row that shows: what stands before it, or the folded span that hides that. */
function above(trace: Trace, collapsed: ReadonlySet<number>, place: number): number {
  let shown = Math.max(place - 1, 0);
  for (let parent = at(trace.spans, shown).parent; parent >= 0; parent = at(trace.spans, parent).parent) {
    if (collapsed.has(parent)) shown = parent;
  }
  return shown;
}

function below(trace: Trace, collapsed: ReadonlySet<number>, place: number): number {
  const next = collapsed.has(place) ? at(trace.spans, place).subtreeEnd : place + 1;
  return next < trace.spans.length ? next : place;
}

/** Unfold the outermost folded level. */
function expandedByOne(trace: Trace, collapsed: ReadonlySet<number>): Set<number> {
  let depth = Infinity;
  for (const place of collapsed) depth = Math.min(depth, at(trace.spans, place).depth);
  return new Set([...collapsed].filter((place) => at(trace.spans, place).depth > depth));
}

/** Folding what one stands in: the row one stands on becomes the fold. */
function withCollapsed(trace: Trace, state: Timeline, collapsed: ReadonlySet<number>): Timeline {
  let { current } = state;
  for (let parent = at(trace.spans, current).parent; parent >= 0; parent = at(trace.spans, parent).parent) {
    if (collapsed.has(parent)) current = parent;
  }
  return { ...state, collapsed, current };
}

function left(trace: Trace, state: Timeline): Timeline {
  const span = at(trace.spans, state.current);
  if (span.children.length && !state.collapsed.has(span.index)) {
    return { ...state, collapsed: toggled(state.collapsed, span.index) };
  }
  return span.parent >= 0 ? { ...state, current: span.parent } : state;
}

function right(trace: Trace, state: Timeline): Timeline {
  const span = at(trace.spans, state.current);
  if (state.collapsed.has(span.index)) return { ...state, collapsed: toggled(state.collapsed, span.index) };
  return span.children.length ? { ...state, current: span.index + 1 } : state;
}

export function changeTimeline(trace: Trace, state: Timeline, action: Action): Timeline {
  switch (action.type) {
    case "move": {
      const step = action.step > 0 ? below : above;
      return { ...state, current: step(trace, state.collapsed, state.current) };
    }
    case "go":
      return { ...state, collapsed: revealing(trace, state.collapsed, action.place), current: action.place };
    case "open":
      return { ...changeTimeline(trace, state, { type: "go", place: action.place }), open: new Set([...state.open, action.place]) };
    case "select":
      return { ...state, current: action.place };
    case "toggle-open":
      return { ...state, current: action.place, open: toggled(state.open, action.place) };
    case "toggle-collapsed":
      return withCollapsed(trace, state, toggled(state.collapsed, action.place));
    case "left":
      return left(trace, state);
    case "right":
      return right(trace, state);
    case "collapse-all":
      return withCollapsed(trace, state, collapsedAt(trace, 0));
    case "expand-all":
      return { ...state, collapsed: new Set() };
    case "expand-one-level":
      return { ...state, collapsed: expandedByOne(trace, state.collapsed) };
    case "show":
      return { ...state, window: within(trace, action.window) };
    case "zoom":
      return { ...state, window: within(trace, zoomed(state.window, action.direction)) };
    case "pan": {
      const step = (state.window.end - state.window.start) * PAN_SHARE * action.direction;
      return { ...state, window: within(trace, { start: state.window.start + step, end: state.window.end + step }) };
    }
    case "reset-zoom":
      return { ...state, window: wholeOf(trace) };
  }
}
