import { describe, expect, it } from "vitest";
import { type GraphEdge, measureText, nodeText, quoted, tracesOfEdge } from "./graph";

const EDGE: GraphEdge = {
  parent: 'the "gate"', child: "shop", calls: 90, errors: 9, rate_per_s: 1.5, error_rate: 0.1, p50_ms: 1, p95_ms: 2.5, p99_ms: 3, total_ms: 100,
};
const WINDOW = { lookback: "15m", end_ms: null };

describe("the figures of the map", () => {
  it.each([["rate", "1.5/s"], ["errors", "10 %"], ["p95", "2.50 ms"]] as const)("%s", (measure, text) => expect(measureText(EDGE, measure)).toBe(text));

  it("of a service are all three, as far as they are known", () => {
    expect(nodeText({ service: "shop", ...EDGE }, [])).toBe("1.5/s · 10 % · 2.50 ms");
    expect(nodeText({ service: "shop" }, [EDGE, EDGE])).toBe("3.0/s from others");
    expect(nodeText({ service: "cron" }, [])).toBe("only calls others");
  });
});

describe("the traces of a call", () => {
  it("are those of the called one in which its caller takes part", () => {
    expect(tracesOfEdge(EDGE, WINDOW)).toMatchObject({ service: "shop", q: 'trace.service = "the \\"gate\\""', tags: {}, lookback: "15m" });
    expect(tracesOfEdge(EDGE, WINDOW, true).tags).toEqual({ error: "true" });
  });

  it("name what has quotes in it", () => expect(quoted('a"b\\c')).toBe('"a\\"b\\\\c"'));
});
