import { describe, expect, it } from "vitest";
import { at } from "./lists";
import { collapsedAt, RowLayout, revealing, rowOf, visibleRows } from "./rows";
import { randomFrom, randomTrace } from "./testing";
import { buildTrace } from "./trace";

describe("visible rows", () => {
  it("are the spans without a folded ancestor", () => {
    const random = randomFrom(5);
    for (let seed = 1; seed <= 50; seed++) {
      const trace = buildTrace(randomTrace(seed, 40));
      const collapsed = new Set(trace.spans.filter(() => random() < 0.3).map((span) => span.index));
      const isHidden = (place: number): boolean => {
        const { parent } = at(trace.spans, place);
        return parent >= 0 && (collapsed.has(parent) || isHidden(parent));
      };
      expect(visibleRows(trace, collapsed)).toEqual(trace.spans.map((span) => span.index).filter((place) => !isHidden(place)));
    }
  });

  it("are the roots alone when all is folded", () => {
    const trace = buildTrace(randomTrace(3, 30));
    expect(visibleRows(trace, collapsedAt(trace, 0))).toEqual([0]);
  });

  it("know the row of each span that is visible, and of no other", () => {
    const rows = [0, 3, 4, 9];
    expect([0, 1, 3, 4, 8, 9, 10].map((place) => rowOf(rows, place))).toEqual([0, undefined, 1, 2, undefined, 3, undefined]);
  });

  it("hold a span again once it is revealed", () => {
    const trace = buildTrace(randomTrace(3, 30));
    const all = collapsedAt(trace, 0);
    for (const span of trace.spans) expect(visibleRows(trace, revealing(trace, all, span.index))).toContain(span.index);
  });
});

describe("the layout of rows", () => {
  const layout = new RowLayout(5, 10, new Map([[3, 7], [1, 100]]));

  it("puts open details between rows", () => {
    expect([0, 1, 2, 3, 4].map((row) => layout.top(row))).toEqual([0, 10, 120, 130, 147]);
    expect(layout.height).toBe(157);
  });

  it("finds the row at a place, details belonging to the row above them", () => {
    expect([-5, 0, 9, 10, 119, 120, 146, 147, 900].map((px) => layout.rowAt(px))).toEqual([0, 0, 0, 1, 1, 2, 3, 4, 4]);
  });

  it("gives a window that stays within the rows", () => {
    expect(layout.window(12, 20, 1)).toEqual([0, 3]);
    expect(new RowLayout(100_000, 28, new Map()).window(28_000, 280, 5)).toEqual([995, 1016]);
    expect(new RowLayout(0, 28, new Map()).window(0, 100, 5)).toEqual([0, 0]);
  });
});
