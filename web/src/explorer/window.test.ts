import { describe, expect, it } from "vitest";
import { apiWindow, rangeOf, searchWindow, windowFromUrl, windowParams } from "./window";

const END = 1_800_000_000_000;

describe("a window of time", () => {
  it.each([{ lookback: "15m", end_ms: END }, { lookback: "37m", end_ms: null }])("comes back from its address: %j", (window) =>
    expect(windowFromUrl(new URLSearchParams(windowParams(window)))).toEqual(window),
  );

  it("that cannot be used is the usual one", () => {
    expect(windowFromUrl(new URLSearchParams("lookback=ever&end=then"), "24h")).toEqual({ lookback: "24h", end_ms: null });
  });

  it("ends now unless it says when", () => {
    expect(rangeOf({ lookback: "15m", end_ms: null }, END)).toEqual({ start_ms: END - 900_000, end_ms: END });
    expect(apiWindow({ lookback: "1h", end_ms: END })).toEqual({ endTs: String(END), lookback: "3600000" });
  });

  it("is the same time in a search", () => {
    expect(searchWindow({ lookback: "15m", end_ms: null })).toEqual({ lookback: "15m", start: null, end: null });
    expect(searchWindow({ lookback: "15m", end_ms: END })).toEqual({ lookback: "custom", start: (END - 900_000) * 1000, end: END * 1000 });
  });
});
