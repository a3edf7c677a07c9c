import { describe, expect, it } from "vitest";
import { bookFrom, OPEN, sweep, updated } from "./book";

const start = bookFrom({
  symbol: "AAPL",
  sequence: 10,
  bids: [["149.90", "5", 1], ["150.00", "10", 2]],
  asks: [["150.20", "7", 1], ["150.10", "3", 1]],
}, OPEN);
const prices = (levels: readonly { price: bigint }[]) => levels.map((level) => level.price);

describe("a book", () => {
  it("begins with the best price on each side, whatever the order of the snapshot", () => {
    expect(prices(start.bids)).toEqual([1_500_000n, 1_499_000n]);
    expect(prices(start.asks)).toEqual([1_501_000n, 1_502_000n]);
  });

  it("takes changed, new and vanished levels from the update that follows", () => {
    const next = updated(start, {
      symbol: "AAPL",
      sequence: 11,
      bids: [["150.00", "0", 0], ["149.95", "4", 1]],
      asks: [["150.10", "9", 2]],
    });
    expect(next?.sequence).toBe(11);
    expect(next?.bids).toEqual([{ price: 1_499_500n, quantity: 4 }, { price: 1_499_000n, quantity: 5 }]);
    expect(next?.asks[0]).toEqual({ price: 1_501_000n, quantity: 9 });
  });

  it("is not touched by an update that it contains already", () => {
    expect(updated(start, { symbol: "AAPL", sequence: 10, bids: [["1.00", "1", 1]], asks: [] })).toBe(start);
  });

  it("keeps its session", () => {
    const halted = bookFrom({ symbol: "AAPL", sequence: 10, bids: [], asks: [] }, { ...OPEN, session: "HALTED" });
    expect(updated(halted, { symbol: "AAPL", sequence: 11, bids: [], asks: [] })).toMatchObject({ session: "HALTED" });
  });

  it("refuses an update after a gap", () => {
    expect(updated(start, { symbol: "AAPL", sequence: 12, bids: [], asks: [] })).toBeNull();
  });
});

describe("sweeping a book", () => {
  it("takes the best levels first and stops at the limit", () => {
    expect(sweep(start.asks, "BUY", 8, null)).toEqual({ filled: 8, value: 3n * 1_501_000n + 5n * 1_502_000n });
    expect(sweep(start.asks, "BUY", 8, 1_501_000n)).toEqual({ filled: 3, value: 3n * 1_501_000n });
    expect(sweep(start.bids, "SELL", 100, null).filled).toBe(15);
  });
});
