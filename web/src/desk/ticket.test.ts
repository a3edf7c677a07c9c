import { describe, expect, it } from "vitest";
import { bookFrom, OPEN } from "./book";
import { type Draft, judge, type Market, NEW_DRAFT, withType } from "./ticket";

const market: Market = {
  instrument: {
    symbol: "AAPL", name: "Apple", tick_size: "0.05", lot_size: 10, maker_fee_ppm: 0, taker_fee_ppm: 0, reference_price: "150.00",
    bid: null, ask: null, last: null, volume: 0,
  },
  book: bookFrom({ symbol: "AAPL", sequence: 1, bids: [["149.00", "50"]], asks: [["150.00", "20"], ["151.00", "100"]] }, OPEN),
  balances: [
    { asset: "USD", total: "5000.00", held: "0.00", available: "5000.00" },
    { asset: "AAPL", total: "30", held: "10", available: "20" },
  ],
};
const draft = (some: Partial<Draft>): Draft => ({ ...NEW_DRAFT, ...some });
const limit = (price: string, quantity: string, some: Partial<Draft> = {}) =>
  judge(draft({ prices: { price }, quantity, ...some }), market);

describe("a ticket", () => {
  it("says nothing against an empty form, and places nothing", () => {
    expect(judge(NEW_DRAFT, market)).toEqual({ problems: {}, estimate: null, body: null });
  });

  it("becomes the body that the API takes", () => {
    expect(limit("150", "10").body).toEqual({
      symbol: "AAPL", side: "BUY", order_type: "LIMIT", time_in_force: "GTC", quantity: 10, price: "150.00",
    });
  });

  it("holds tick and lot", () => {
    expect(limit("150.01", "10").problems).toEqual({ price: "A multiple of 0.05." });
    expect(limit("150", "15").problems).toEqual({ quantity: "A multiple of 10." });
    expect(limit("1e3", "10").problems.price).toBeDefined();
    expect(limit("150", "-10").problems.quantity).toBeDefined();
  });

  it("estimates what is held and what would fill now", () => {
    const found = limit("151", "30").estimate;
    expect(found?.cost).toBe(151n * 30n * 10_000n);
    expect(found?.fillsNow).toBe(30);
    expect(found?.averageNow).toBe((20n * 1_500_000n + 10n * 1_510_000n) / 30n);
  });

  it("holds the quote and 5 % for a market order, down to the tick", () => {
    const found = judge(withType(draft({ quantity: "10" }), "MARKET"), market);
    expect(found.estimate?.cost).toBe(10n * 1_575_000n);
    expect(found.body).toMatchObject({ order_type: "MARKET", time_in_force: "IOC" });
    expect(found.body).not.toHaveProperty("price");
  });

  it("says why there is not enough cash or shares", () => {
    expect(limit("150", "100").problems[""]).toContain("$15,000.00");
    expect(limit("150", "30", { side: "SELL" }).problems[""]).toContain("20 AAPL");
    expect(limit("150", "20", { side: "SELL" }).problems).toEqual({});
  });

  it("knows what fill-or-kill and post-only forbid", () => {
    expect(limit("150", "30", { time: "FOK" }).problems[""]).toContain("20");
    expect(limit("150", "10", { postOnly: true }).problems.price).toBeDefined();
    expect(limit("149", "10", { postOnly: true }).body).toMatchObject({ post_only: true });
    expect(limit("149", "20", { display: "20" }).problems.display).toBeDefined();
  });

  it("holds the fee on top, rounded up per share, at the higher rate", () => {
    const fees = { ...market, instrument: { ...market.instrument, maker_fee_ppm: 1000, taker_fee_ppm: 2500 } };
    const found = judge(draft({ prices: { price: "162" }, quantity: "10" }), fees).estimate;
    expect(found?.cost).toBe(16_240_500n);
    expect(found?.feeNow).toBe((10n * 1_500_000n * 2500n) / 1_000_000n);
  });

  it("holds a stop's protection price, and expects nothing of it now", () => {
    const stop = judge(withType(draft({ quantity: "10", prices: { stop_price: "160" } }), "STOP"), market);
    expect(stop.estimate).toMatchObject({ cost: 10n * 1_680_000n, fillsNow: 0 });
    expect(stop.body).toMatchObject({ order_type: "STOP", stop_price: "160.00", time_in_force: "GTC" });
    const trailing = judge(withType(draft({ quantity: "10", prices: { trail_amount: "10" } }), "TRAILING_STOP"), market);
    expect(trailing.estimate?.cost).toBe(10n * 1_680_000n);
  });

  it("takes the usual time in force of each type", () => {
    const market = withType(NEW_DRAFT, "MARKET");
    expect([market.time, withType(market, "LIMIT").time]).toEqual(["IOC", "GTC"]);
  });

  it("sends only the prices of its type, and the order it is linked to", () => {
    const both = { price: "150", stop_price: "149" };
    const body = judge(draft({ quantity: "10", prices: both, linked: "77" }), market).body;
    expect(body).toMatchObject({ price: "150.00", linked_order_id: "77" });
    expect(body).not.toHaveProperty("stop_price");
  });

  it("knows that a halted symbol takes no orders", () => {
    const halted = { ...market, book: market.book && { ...market.book, session: "HALTED" } };
    expect(judge(draft({ quantity: "10", prices: { price: "149" } }), halted).problems[""]).toContain("halted");
  });

  it("wants a time in the future for an order until a date", () => {
    expect(limit("149", "10", { time: "GTD" }).body).toBeNull();
    expect(limit("149", "10", { time: "GTD", expires: "2001-01-01T10:00" }).problems.expires).toBeDefined();
    expect(limit("149", "10", { time: "GTD", expires: "2999-01-01T10:00" }).body).toHaveProperty("expires_at");
  });
});
