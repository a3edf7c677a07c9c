import { describe, expect, it } from "vitest";
import { barFrom, withTrade } from "./candles";

const trade = (price: string, quantity: number, time_s: number) => ({ price, quantity, time_us: time_s * 1e6 });

describe("candles", () => {
  it("are drawn as the API gives them", () => {
    const candle = { start: "2026-01-01T00:01:00.000000Z", open: "1.00", high: "3.00", low: "0.50", close: "2.00", volume: 9 };
    expect(barFrom(candle)).toEqual({ time: Date.UTC(2026, 0, 1, 0, 1) / 1000, open: 1, high: 3, low: 0.5, close: 2, volume: 9 });
  });

  it("take a trade of their interval in", () => {
    const bar = { time: 60, open: 10, high: 11, low: 9, close: 10, volume: 5 };
    expect(withTrade(bar, trade("12", 2, 119), 60)).toEqual({ time: 60, open: 10, high: 12, low: 9, close: 12, volume: 7 });
  });

  it("begin anew with the first trade of the next interval", () => {
    const bar = { time: 60, open: 10, high: 11, low: 9, close: 10, volume: 5 };
    expect(withTrade(bar, trade("8", 1, 125), 60)).toEqual({ time: 120, open: 8, high: 8, low: 8, close: 8, volume: 1 });
    expect(withTrade(null, trade("8", 1, 125), 60)?.time).toBe(120);
  });

  it("are not changed by a trade that is older than the last of them", () => {
    expect(withTrade({ time: 60, open: 1, high: 1, low: 1, close: 1, volume: 1 }, trade("8", 1, 59), 60)).toBeNull();
  });
});
