import { describe, expect, it } from "vitest";
import { type Group, highestOf, monitorFromUrl, monitorPath, pathOf, peakOf, percent, rate, tracesOfStep } from "./figures";

const GROUP: Group = {
  service: "shop",
  operation: "GET /cart",
  calls: 3,
  errors: 0,
  rate_per_s: 0.1,
  error_rate: 0,
  p50_ms: 1,
  p95_ms: 2,
  p99_ms: 3,
  total_ms: 4,
  series: { rate_per_s: [], error_rate: [], p50_ms: [], p95_ms: [], p99_ms: [] },
};

describe("the monitor's address", () => {
  it("leads back to what it was made for", () => {
    const query = { service: "a b", lookback: "6h", end_ms: 1_800_000_000_000 };
    const path = monitorPath(query);
    expect(monitorFromUrl(new URL(path, "http://x").searchParams)).toEqual(query);
  });
});

describe("a curve", () => {
  it("has its peak where it is highest, the latest of equal ones", () => expect(peakOf([1, 5, null, 5, 2])).toBe(3));

  it.each([[[]], [[null, null]], [[0, 0]]])("%j has no peak", (curve) => expect(peakOf(curve)).toBe(-1));

  it("is broken where nothing was called, and a lone value is a dot", () => {
    const path = pathOf([1, 2, null, 3], (step) => step * 10, (value) => value);
    expect(path).toBe("M0.0 1.0L10.0 2.0M30.0 3.0h0.1");
  });

  it("is scaled by the highest of all", () => expect(highestOf([[1, null], [7, 3]])).toBe(7));
});

describe("the traces of a step", () => {
  it("are those of its group and its time, in µs", () => {
    expect(tracesOfStep(GROUP, 1000, 60, true)).toMatchObject({
      service: "shop", operation: "GET /cart", start: 1_000_000, end: 1_060_000, tags: { error: "true" },
    });
  });
});

describe("figures", () => {
  it.each([[123.4, "123/s"], [12.34, "12.3/s"], [0.0512, "0.051/s"], [0, "0/s"]])("a rate of %d is %s", (value, text) => expect(rate(value)).toBe(text));

  it.each([[0, "0 %"], [0.00001, "< 0.01 %"], [0.0025, "0.25 %"], [0.5, "50 %"]])("a share of %d is %s", (value, text) => expect(percent(value)).toBe(text));
});
