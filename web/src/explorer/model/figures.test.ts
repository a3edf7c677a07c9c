import { describe, expect, it } from "vitest";
import { aggregateCalls, compareCalls, flameBoxes } from "./aggregate";
import { COLOURS, Palette } from "./colours";
import { miniatureOf, stripOf, stripsOf } from "./drawing";
import { parseDuration, ticks } from "./durations";
import { findSpans, nextMatch } from "./find";
import { statistics } from "./statistics";
import { jaegerTrace, randomTrace } from "./testing";
import { buildTrace } from "./trace";

const LOOP = buildTrace(
  jaegerTrace([
    { id: "1", service: "a", name: "list", start: 0, duration: 100 },
    { id: "2", parent: "1", service: "b", name: "query", start: 0, duration: 20 },
    { id: "3", parent: "1", service: "b", name: "query", start: 30, duration: 40, failed: true, tags: { "db.query.text": "SELECT 1" } },
    { id: "4", parent: "1", service: "c", name: "send", start: 80, duration: 10 },
  ]),
);

describe("a trace in small", () => {
  it("has a bar for each span where there is a line for each", () => {
    const bars = miniatureOf(LOOP, 1000, 40, 1);
    expect(bars.map(({ service, left, right, top }) => [service, left, right, top])).toEqual([["a", 0, 1000, 0], ["b", 0, 200, 10], ["b", 300, 700, 20], ["c", 800, 900, 30]]);
  });

  it("joins what touches on one line, and covers every span", () => {
    const trace = buildTrace(randomTrace(3, 400));
    const bars = miniatureOf(trace, 100, 10, 1);
    expect(bars.length).toBeLessThan(400);
    for (const span of trace.spans) {
      const [left, line] = [span.start * (100 / trace.duration), Math.floor(span.index * (10 / 400))];
      expect(bars.some((bar) => bar.service === span.service && Math.floor(bar.top) === line && bar.left <= left && left < bar.right)).toBe(true);
    }
  });
});

describe("calls put together", () => {
  it("count equal calls under one parent as one", () => {
    const [list] = aggregateCalls(LOOP).children;
    expect(list?.children.map(({ operation, count, total, failedCount }) => [operation, count, total, failedCount])).toEqual([["query", 2, 60, 1], ["send", 1, 10, 0]]);
  });

  it("keep every µs of own time, on random traces", () => {
    for (let seed = 1; seed <= 30; seed++) {
      const trace = buildTrace(randomTrace(seed, 50));
      expect(aggregateCalls(trace).weight).toBe(trace.spans.reduce((sum, span) => sum + span.selfTime, 0));
    }
  });

  it("fill no more than their parent's width in a flame graph", () => {
    const boxes = flameBoxes(aggregateCalls(buildTrace(randomTrace(9, 80))), 0, 100);
    for (const box of boxes) expect(box.left >= 0 && box.left + box.width <= 1 + 1e-9).toBe(true);
    const firstRow = boxes.filter((box) => box.row === 1).reduce((sum, box) => sum + box.width, 0);
    expect(firstRow).toBeCloseTo(1);
  });

  it("of two traces stand side by side, with what only one of them has", () => {
    const other = buildTrace(jaegerTrace([{ id: "1", service: "a", name: "list", start: 0, duration: 50 }, { id: "2", parent: "1", service: "d", name: "cache", start: 0, duration: 5 }]));
    const rows = compareCalls(aggregateCalls(LOOP), aggregateCalls(other));
    expect(rows.map((row) => [row.operation, row.depth, row.a?.total ?? null, row.b?.total ?? null])).toEqual([
      ["list", 0, 100, 50], ["query", 1, 60, null], ["send", 1, 10, null], ["cache", 1, null, 5],
    ]);
  });
});

describe("statistics", () => {
  it("give count, errors, median and own time per operation", () => {
    const query = statistics(LOOP, "operation").find((row) => row.operation === "query");
    expect(query).toMatchObject({ count: 2, failedCount: 1, total: 60, average: 30, median: 30, max: 40, self: 60, selfShare: 0.6 });
  });

  it("share out all own time over the services", () => {
    expect(statistics(LOOP, "service").reduce((sum, row) => sum + row.selfShare, 0)).toBeCloseTo(1);
  });
});

describe("finding", () => {
  it.each([["QUERY", [1, 2]], ["select 1", [2]], ["error=true", [2]], ["c send", [3]], ["  ", []], ["nothing", []]])("%s", (text, places) => {
    expect(findSpans(LOOP, text)).toEqual(places);
  });

  it("goes round at both ends", () => {
    expect([nextMatch([2, 5], 5, 1), nextMatch([2, 5], 2, -1), nextMatch([2, 5], 3, 1), nextMatch([], 3, 1)]).toEqual([2, 5, 5, -1]);
  });
});

describe("drawing", () => {
  it("cuts a bar at the window", () => {
    expect(stripOf({ start: 0, end: 100 }, { start: 50, end: 150 })).toEqual({ left: 0, width: 50 });
    expect(stripOf({ start: 0, end: 40 }, { start: 50, end: 150 })).toBeNull();
  });

  it("draws what lies too near together as one", () => {
    const many = Array.from({ length: 100_000 }, (_, i) => ({ start: i, end: i + 0.5 }));
    expect(stripsOf(many, { start: 0, end: 100_000 })).toHaveLength(1);
    expect(stripsOf([{ start: 0, end: 10 }, { start: 50, end: 60 }], { start: 0, end: 100 })).toHaveLength(2);
  });
});

describe("durations and scales", () => {
  it.each([["1.2ms", 1200], ["1h30m", 5_400_000_000], ["500us", 500], ["2d", 172_800_000_000], [".5s", 500_000]])("%s", (text, us) => {
    expect(parseDuration(text)).toBe(us);
  });

  it.each(["", "5", "ms", "1 ms", "1ms2", "-1s"])("refuses %j", (text) => expect(parseDuration(text)).toBeNull());

  it("marks round places within the range", () => {
    expect(ticks(0, 2440, 5)).toEqual([0, 500, 1000, 1500, 2000]);
    expect(ticks(5, 5, 4)).toEqual([5]);
  });
});

describe("colours", () => {
  const names = Array.from({ length: COLOURS }, (_, i) => `service-${i}`);

  it("differ while there are as many as services", () => {
    const palette = new Palette(null);
    expect(new Set(names.map((name) => palette.placeOf(name))).size).toBe(COLOURS);
    expect(palette.placeOf("one more")).toBeLessThan(COLOURS);
  });

  it("stay when the page is opened again and meets the services in another order", () => {
    const kept = new Map<string, string>();
    const store = { getItem: (key: string) => kept.get(key) ?? null, setItem: (key: string, value: string) => void kept.set(key, value) };
    const first = new Palette(store);
    const places = names.map((name) => first.placeOf(name));
    const second = new Palette(store);
    expect(names.toReversed().map((name) => second.placeOf(name)).toReversed()).toEqual(places);
  });

  it("are given anew where what was remembered is damaged", () => {
    for (const text of ["{", "null", '{"a": 99, "b": "x"}']) {
      expect(new Palette({ getItem: () => text, setItem: () => undefined }).placeOf("a")).toBeLessThan(COLOURS);
    }
  });
});
