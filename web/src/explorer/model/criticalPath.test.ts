import { describe, expect, it } from "vitest";
import { criticalPath } from "./criticalPath";
import { at } from "./lists";
import { type Brief, jaegerTrace, randomTrace } from "./testing";
import { buildTrace, endOf } from "./trace";

function pathOf(briefs: Brief[]): [string, number, number][] {
  const trace = buildTrace(jaegerTrace(briefs));
  return criticalPath(trace).map(({ span, start, end }) => [at(trace.spans, span).id, start, end]);
}

describe("the critical path", () => {
  it("of calls one after another goes through each of them", () => {
    const path = pathOf([
      { id: "a", start: 0, duration: 100 },
      { id: "b", parent: "a", start: 10, duration: 20 },
      { id: "c", parent: "a", start: 40, duration: 50 },
    ]);
    expect(path).toEqual([["a", 0, 10], ["b", 10, 30], ["a", 30, 40], ["c", 40, 90], ["a", 90, 100]]);
  });

  it("of calls side by side goes through the one that ended last", () => {
    const path = pathOf([
      { id: "a", start: 0, duration: 100 },
      { id: "hold", parent: "a", start: 10, duration: 70 },
      { id: "limits", parent: "a", start: 10, duration: 40 },
    ]);
    expect(path).toEqual([["a", 0, 10], ["hold", 10, 80], ["a", 80, 100]]);
  });

  it("leaves out what begins after the answer", () => {
    const path = pathOf([
      { id: "a", start: 0, duration: 50 },
      { id: "settle", parent: "a", start: 60, duration: 40 },
    ]);
    expect(path).toEqual([["a", 0, 50]]);
  });

  it("cuts a child that outlives its parent", () => {
    const path = pathOf([
      { id: "a", start: 0, duration: 50 },
      { id: "late", parent: "a", start: 30, duration: 40 },
    ]);
    expect(path).toEqual([["a", 0, 30], ["late", 30, 50]]);
  });

  it("covers the root's time without gap or overlap, each stretch within its span, on random traces", () => {
    for (let seed = 1; seed <= 200; seed++) {
      const trace = buildTrace(randomTrace(seed, 40));
      let covered = trace.root.start;
      for (const { span, start, end } of criticalPath(trace)) {
        const owner = at(trace.spans, span);
        expect(start).toBe(covered);
        expect(owner.start <= start && start < end && end <= endOf(owner)).toBe(true);
        covered = end;
      }
      expect(covered).toBe(endOf(trace.root));
    }
  });
});
