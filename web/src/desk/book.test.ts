import { describe, expect, it } from "vitest";
import { applyDelta, bookFrom, sweep } from "./book";

const start = bookFrom({
  symbol: "AAPL",
  sequence: 10,
  bids: [["149.90", "5", 1], ["150.00", "10", 2]],
  asks: [["150.20", "7", 1], ["150.10", "3", 1]],
});
const prices = (levels: readonly { price: bigint }[]) => levels.map((level) => level.price);

describe("a book", () => {
  it("begins with the best price on each side, whatever the order of the snapshot", () => {
    expect(prices(start.bids)).toEqual([1_500_000n, 1_499_000n]);
    expect(prices(start.asks)).toEqual([1_501_000n, 1_502_000n]);
  });

  it("takes changed, new and vanished levels from the delta that follows", () => {
    const next = applyDelta(start, {
      symbol: "AAPL",
      first_sequence: 11,
      sequence: 13,
      bids: [["150.00", "0"], ["149.95", "4"]],
      asks: [["150.10", "9"]],
    });
    expect(next?.sequence).toBe(13);
    expect(next?.bids).toEqual([{ price: 1_499_500n, quantity: 4 }, { price: 1_499_000n, quantity: 5 }]);
    expect(next?.asks[0]).toEqual({ price: 1_501_000n, quantity: 9 });
  });

  it("is not touched by a delta that it contains already", () => {
    const old = { symbol: "AAPL", first_sequence: 9, sequence: 10, bids: [["1.00", "1"]] as const, asks: [] };
    expect(applyDelta(start, old)).toBe(start);
  });

  it("keeps its session until a delta names another", () => {
    const delta = { symbol: "AAPL", first_sequence: 11, sequence: 11, bids: [], asks: [] };
    const indication = { price: "150.00", volume: 10, imbalance: 0, side: null };
    const halted = applyDelta(start, { ...delta, session: "PRE_OPEN", indication });
    expect(halted).toMatchObject({ session: "PRE_OPEN", indication });
    expect(halted && applyDelta(halted, { ...delta, first_sequence: 12, sequence: 12 })).toMatchObject({ session: "PRE_OPEN", indication });
    expect(halted && applyDelta(halted, { ...delta, first_sequence: 12, sequence: 12, session: "CONTINUOUS", indication: null })).toMatchObject({ session: "CONTINUOUS", indication: null });
  });

  it("refuses a delta after a gap", () => {
    expect(applyDelta(start, { symbol: "AAPL", first_sequence: 12, sequence: 12, bids: [], asks: [] })).toBeNull();
  });
});

describe("sweeping a book", () => {
  it("takes the best levels first and stops at the limit", () => {
    expect(sweep(start.asks, "BUY", 8, null)).toEqual({ filled: 8, value: 3n * 1_501_000n + 5n * 1_502_000n });
    expect(sweep(start.asks, "BUY", 8, 1_501_000n)).toEqual({ filled: 3, value: 3n * 1_501_000n });
    expect(sweep(start.bids, "SELL", 100, null).filled).toBe(15);
  });
});
