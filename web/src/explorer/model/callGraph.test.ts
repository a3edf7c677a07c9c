import { describe, expect, it } from "vitest";
import { callGraph, largestGroups } from "./callGraph";
import { criticalPath, sectionsBySpan } from "./criticalPath";
import { jaegerTrace, randomTrace } from "./testing";
import { buildTrace } from "./trace";

const graphOf = (trace: ReturnType<typeof buildTrace>) => callGraph(trace, sectionsBySpan(criticalPath(trace)));
const ORDER = graphOf(
  buildTrace(
    jaegerTrace([
      { id: "1", service: "gateway", name: "order", start: 0, duration: 100 },
      { id: "2", parent: "1", service: "wallet", name: "hold", start: 10, duration: 20 },
      { id: "3", parent: "1", service: "wallet", name: "hold", start: 40, duration: 50, failed: true },
      { id: "4", parent: "1", service: "risk", name: "check", start: 50, duration: 5 },
      { id: "5", parent: "3", service: "database", name: "INSERT", start: 40, duration: 50 },
    ]),
  ),
);
const names = (key: string) => key.replace("\u0000", " ");

describe("a trace as a graph", () => {
  it("has a group for each operation of a service, with what its spans took together", () => {
    const rows = [...ORDER.groups.values()].map(({ key, spans, failedCount, total, self, critical }) => [names(key), spans.length, failedCount, total, self, critical]);
    expect(rows).toEqual([
      ["gateway order", 1, 0, 100, 30, 30],
      ["wallet hold", 2, 1, 70, 20, 20],
      ["database INSERT", 1, 0, 50, 50, 50],
      ["risk check", 1, 0, 5, 5, 0],
    ]);
  });

  it("has a call for each pair of groups, and marks those on the critical path", () => {
    const calls = ORDER.calls.map(({ parent, child, spans, failedCount, isCritical }) => [names(parent), names(child), spans.length, failedCount, isCritical]);
    expect(calls).toEqual([
      ["gateway order", "wallet hold", 2, 1, true],
      ["wallet hold", "database INSERT", 1, 0, true],
      ["gateway order", "risk check", 1, 0, false],
    ]);
  });

  it("counts every span in one group and every span with a parent in one call, on random traces", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const trace = buildTrace(randomTrace(seed, 60));
      const { groups, calls } = graphOf(trace);
      const placesOf = (lists: { spans: number[] }[]) => lists.flatMap(({ spans }) => spans).sort((a, b) => a - b);
      expect(placesOf([...groups.values()])).toEqual(trace.spans.map((span) => span.index));
      expect(placesOf(calls)).toEqual(trace.spans.filter((span) => span.parent >= 0).map((span) => span.index));
      const { root } = trace;
      expect([...groups.values()].reduce((sum, group) => sum + group.critical, 0)).toBe(root.duration);
    }
  });

  it("of more groups than can be drawn keeps those that took longest, and no call of others", () => {
    const { groups, calls } = largestGroups(ORDER, 2);
    expect([...groups.keys()].map(names)).toEqual(["gateway order", "wallet hold"]);
    expect(calls).toHaveLength(1);
    expect(largestGroups(ORDER, 4).groups.size).toBe(4);
  });
});
