import { describe, expect, it } from "vitest";
import { type Insight, insightsFromUrl, insightsPath, splitInsights } from "./insights";

const insight = (kind: string, total_cost_ms: number, count: number): Insight => ({
  kind, service: "shop", operation: "GET /cart", count, traces: count, share_of_traces: 0.1, total_cost_ms, max_cost_ms: total_cost_ms, summary: "", example_trace_ids: [],
});

describe("insights", () => {
  it("come back from their address", () => {
    const query = { service: "a b", operation: "POST /x", lookback: "6h", end_ms: 1_800_000_000_000 };
    expect(insightsFromUrl(new URL(insightsPath(query), "http://x").searchParams)).toEqual(query);
  });

  it("that cost time stand apart from those that do not", () => {
    const { dear, free } = splitInsights([insight("slow_query", 9, 1), insight("retry", 3, 2), insight("error", 0, 4), insight("error", 0, 7)]);
    expect([dear.map(({ kind }) => kind), free.map(({ count }) => count)]).toEqual([["slow_query", "retry"], [7, 4]]);
  });
});
