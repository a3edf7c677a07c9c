import { describe, expect, it } from "vitest";
import { readTraceFile, TraceFileError } from "./jaeger";
import { at } from "./lists";
import { jaegerTrace, randomTrace, START } from "./testing";
import { buildTrace, endOf, gapsOf } from "./trace";

const ORDER = jaegerTrace([
  { id: "match", parent: "root", service: "engine", start: 60, duration: 30 },
  { id: "insert", parent: "create", service: "orders", start: 25, duration: 10 },
  { id: "root", service: "gateway", start: 0, duration: 100 },
  { id: "create", parent: "root", service: "orders", start: 20, duration: 30, failed: true },
]);

describe("the tree", () => {
  it("stands depth first with children by start, whatever the order of arrival", () => {
    const trace = buildTrace(ORDER);
    expect(trace.spans.map((span) => [span.id, span.depth])).toEqual([["root", 0], ["create", 1], ["insert", 2], ["match", 1]]);
    expect(trace.spans.map((span) => span.subtreeEnd)).toEqual([4, 3, 3, 4]);
  });

  it("gives the figures of the whole trace", () => {
    const trace = buildTrace(ORDER);
    expect([trace.startTime, trace.duration, trace.depthMax, trace.failedCount]).toEqual([START, 100, 2, 1]);
    expect(trace.services).toEqual([["engine", 1], ["gateway", 1], ["orders", 2]]);
  });

  it("puts a span whose parent is missing at the root, and says so", () => {
    const trace = buildTrace(jaegerTrace([{ id: "a", start: 0, duration: 5 }, { id: "b", parent: "gone", start: 1, duration: 2 }]));
    expect(trace.spans.map((span) => span.depth)).toEqual([0, 0]);
    expect(at(trace.spans, 1).warnings).toEqual(["The parent span gone is missing from this trace."]);
  });

  it("cuts a ring of parents open and keeps all its spans", () => {
    const ring = [["a", "c"], ["b", "a"], ["c", "b"]].map(([id = "", parent = ""]) => ({ id, parent, start: 0, duration: 1 }));
    const trace = buildTrace(jaegerTrace(ring));
    expect(trace.spans.map((span) => [span.id, span.depth])).toEqual([["a", 0], ["b", 1], ["c", 2]]);
  });

  it("shows a span that came twice once", () => {
    expect(buildTrace(jaegerTrace([{ id: "a", start: 0, duration: 5 }, { id: "a", start: 0, duration: 5 }])).spans).toHaveLength(1);
  });

  it("warns of a span that starts before its parent", () => {
    const trace = buildTrace(jaegerTrace([{ id: "a", start: 10, duration: 5 }, { id: "b", parent: "a", start: 0, duration: 2 }]));
    expect(at(trace.spans, 1).warnings[0]).toMatch(/before its parent/);
  });

  it("takes a chain of 100,000 spans", () => {
    const chain = Array.from({ length: 100_000 }, (_, i) => ({ id: `s${i}`, ...(i ? { parent: `s${i - 1}` } : {}), start: i, duration: 200_000 - 2 * i }));
    const trace = buildTrace(jaegerTrace(chain));
    expect([trace.depthMax, at(trace.spans, 0).subtreeEnd]).toEqual([99_999, 100_000]);
  });

  it("keeps each span once, inside its parent's subtree, on random traces", () => {
    for (let seed = 1; seed <= 50; seed++) {
      const trace = buildTrace(randomTrace(seed, 60));
      expect(new Set(trace.spans.map((span) => span.id)).size).toBe(60);
      for (const span of trace.spans.slice(1)) {
        const parent = at(trace.spans, span.parent);
        expect(span.index > parent.index && span.subtreeEnd <= parent.subtreeEnd && span.depth === parent.depth + 1).toBe(true);
      }
    }
  });
});

describe("own time", () => {
  it("counts children that overlap once, and only within the span", () => {
    const trace = buildTrace(
      jaegerTrace([
        { id: "a", start: 0, duration: 100 },
        { id: "b", parent: "a", start: 10, duration: 30 },
        { id: "c", parent: "a", start: 20, duration: 40 },
        { id: "d", parent: "a", start: 90, duration: 50 },
      ]),
    );
    expect(at(trace.spans, 0).selfTime).toBe(40);
    expect(gapsOf(trace, at(trace.spans, 0))).toEqual([{ start: 0, end: 10 }, { start: 60, end: 90 }]);
  });

  it("is the time, µs by µs, in which no child runs, on random traces", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const trace = buildTrace(randomTrace(seed, 25));
      for (const span of trace.spans) {
        const children = span.children.map((child) => at(trace.spans, child));
        let own = 0;
        for (let us = span.start; us < endOf(span); us++) if (!children.some((child) => child.start <= us && us < endOf(child))) own++;
        expect(span.selfTime).toBe(own);
      }
    }
  });
});

describe("a trace file", () => {
  it("is read as an answer of the API, as a list and as one trace", () => {
    for (const value of [{ data: [ORDER] }, [ORDER], ORDER]) expect(readTraceFile(JSON.stringify(value))[0]?.spans).toHaveLength(4);
  });

  it.each(["", "[]", "{}", '{"data": [{"traceID": "1", "spans": []}]}', '{"traceID": "1", "spans": [{"spanID": "a"}]}', '"text"'])(
    "that holds no trace is refused with a reason: %s",
    (text) => expect(() => readTraceFile(text)).toThrow(TraceFileError),
  );
});
