import { describe, expect, it } from "vitest";
import { visibleRows } from "../model/rows";
import { jaegerTrace, randomFrom, randomTrace } from "../model/testing";
import { buildTrace } from "../model/trace";
import { type Action, changeTimeline, initialTimeline, wholeOf } from "./timeline";

const TRACE = buildTrace(
  jaegerTrace([
    { id: "0", start: 0, duration: 1000 },
    { id: "1", parent: "0", start: 10, duration: 100 },
    { id: "2", parent: "1", start: 20, duration: 50 },
    { id: "3", parent: "0", start: 200, duration: 100 },
  ]),
);

function after(...actions: Action[]) {
  return actions.reduce((state, action) => changeTimeline(TRACE, state, action), initialTimeline(TRACE));
}

const DOWN: Action = { type: "move", step: 1 };
const UP: Action = { type: "move", step: -1 };

describe("moving", () => {
  it("goes row by row and stops at the ends", () => {
    expect(after(DOWN, DOWN).current).toBe(2);
    expect(after(DOWN, DOWN, DOWN, DOWN, DOWN).current).toBe(3);
    expect(after(UP).current).toBe(0);
  });

  it("skips what is folded, both ways", () => {
    const folded: Action = { type: "toggle-collapsed", place: 1 };
    expect(after(folded, DOWN, DOWN).current).toBe(3);
    expect(after(folded, DOWN, DOWN, UP).current).toBe(1);
  });

  it("right unfolds and then enters, left folds and then leaves", () => {
    expect(after(DOWN, { type: "right" }).current).toBe(2);
    const folded = after(DOWN, { type: "left" });
    expect([folded.current, [...folded.collapsed]]).toEqual([1, [1]]);
    expect(after(DOWN, { type: "left" }, { type: "right" }).collapsed.size).toBe(0);
    expect(after(DOWN, DOWN, { type: "left" }).current).toBe(1);
  });

  it("to a span unfolds what hides it", () => {
    const state = after({ type: "collapse-all" }, { type: "go", place: 2 });
    expect(visibleRows(TRACE, state.collapsed)).toContain(2);
  });

  it("always stands on a row that shows, whatever is pressed", () => {
    const random = randomFrom(11);
    const trace = buildTrace(randomTrace(4, 50));
    const place = () => Math.floor(random() * trace.spans.length);
    const makers: (() => Action)[] = [
      () => DOWN, () => UP, () => ({ type: "left" }), () => ({ type: "right" }), () => ({ type: "collapse-all" }), () => ({ type: "expand-all" }),
      () => ({ type: "expand-one-level" }), () => ({ type: "go", place: place() }), () => ({ type: "toggle-collapsed", place: place() }),
    ];
    let state = initialTimeline(trace);
    for (let i = 0; i < 2000; i++) {
      const make = makers[Math.floor(random() * makers.length)];
      if (make) state = changeTimeline(trace, state, make());
      expect(visibleRows(trace, state.collapsed)).toContain(state.current);
    }
  });
});

describe("folding", () => {
  it("unfolds level by level", () => {
    const one = after({ type: "collapse-all" }, { type: "expand-one-level" });
    expect(visibleRows(TRACE, one.collapsed)).toEqual([0, 1, 3]);
    expect(after({ type: "collapse-all" }, { type: "expand-one-level" }, { type: "expand-one-level" }).collapsed.size).toBe(0);
  });
});

describe("zooming", () => {
  it("halves the window around its middle, and back", () => {
    expect(after({ type: "zoom", direction: 1 }).window).toEqual({ start: 250, end: 750 });
    expect(after({ type: "zoom", direction: 1 }, { type: "zoom", direction: -1 }).window).toEqual(wholeOf(TRACE));
  });

  it("never leaves the trace, nor shows less than a µs", () => {
    const random = randomFrom(2);
    let state = initialTimeline(TRACE);
    for (let i = 0; i < 500; i++) {
      const direction = random() < 0.5 ? 1 : -1;
      const shown: Action = { type: "show", window: { start: random() * 1500 - 300, end: random() * 1500 - 300 } };
      state = changeTimeline(TRACE, state, random() < 0.4 ? { type: "zoom", direction } : random() < 0.7 ? { type: "pan", direction } : shown);
      const { start, end } = state.window;
      expect(start >= 0 && end <= 1000 + 1e-9 && end - start >= 1 - 1e-9).toBe(true);
    }
  });
});
