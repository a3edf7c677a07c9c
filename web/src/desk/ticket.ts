/** The order ticket without its looks: what is written, whether it can be placed and why not, what it would cost. Pure. */

import { dollars, grouped, moneyText, parseMoney } from "../shared/money";
import { type Book, sweep } from "./book";
import { ORDER_TYPES, type OrderType, TIMES } from "./orderTypes";
import type { Balance, Instrument, Side } from "./types";

/** What stands in the form, as it was typed. */
export interface Draft {
  readonly side: Side;
  readonly type: string;
  readonly time: string;
  readonly quantity: string;
  readonly prices: Readonly<Record<string, string>>;
  readonly postOnly: boolean;
  readonly display: string;
  readonly selfTrade: string;
  /** An open order that ends when this one trades, is triggered or ends (OCO); "" for none. */
  readonly linked: string;
  /** As `<input type="datetime-local">` gives it, in the reader's zone. */
  readonly expires: string;
}

export const NEW_DRAFT: Draft = {
  side: "BUY",
  type: "LIMIT",
  time: "GTC",
  quantity: "",
  prices: {},
  postOnly: false,
  display: "",
  selfTrade: "CANCEL_NEWEST",
  linked: "",
  expires: "",
};

export interface Market {
  readonly instrument: Instrument;
  readonly book: Book | null;
  readonly balances: readonly Balance[];
}

/** What the exchange would hold at most, and what the order would meet in the book as it is now. */
export interface Estimate {
  /** Money for a purchase, null for a sale (which holds shares) or where nothing can be said. */
  readonly cost: bigint | null;
  readonly fillsNow: number;
  readonly averageNow: bigint | null;
  /** The taker's fee on what fills now; negative never, rebates are the maker's. */
  readonly feeNow: bigint;
}

export interface Judgement {
  /** Field of the form ("quantity", "price", "display", "expires", "" for the whole) -> a sentence. */
  readonly problems: Readonly<Record<string, string>>;
  readonly estimate: Estimate | null;
  /** The body for POST /v1/order, null while there are problems or fields are empty. */
  readonly body: Readonly<Record<string, unknown>> | null;
}

/** How far beyond its quote or its stop an order without a limit may trade: a setting of the gateway, 5 % unless changed. */
const PROTECTION_PERCENT = 5n;
const PPM = 1_000_000n;
const CANCELS_ONLY = new Set(["HALTED", "CLOSED"]);

export function typeOf(draft: Draft): OrderType {
  const found = ORDER_TYPES.find((type) => type.key === draft.type) ?? ORDER_TYPES[0];
  if (found === undefined) throw new Error("there is no order type");
  return found;
}

/** Another type, with its usual time in force: what was chosen for a market order is rarely meant for a limit order. */
export function withType(draft: Draft, key: string): Draft {
  return { ...draft, type: key, time: typeOf({ ...draft, type: key }).times[0] ?? "" };
}

/** Judges a draft against the market and the account. Empty fields are not yet problems, but there is no body. */
export function judge(draft: Draft, market: Market, now: Date = new Date()): Judgement {
  const problems: Record<string, string> = {};
  const type = typeOf(draft);
  const quantity = readQuantity(draft.quantity, market.instrument.lot_size, "quantity", problems);
  const prices: Record<string, string> = {};
  for (const { field } of type.prices) {
    const price = readPrice(draft.prices[field] ?? "", market.instrument, field, problems);
    if (price !== null) prices[field] = moneyText(price);
  }
  const options = readOptions(draft, type, quantity, market.instrument, problems, now);
  const filled = quantity !== null && Object.keys(prices).length === type.prices.length;
  const estimate = filled ? estimateOf(draft, type, quantity, prices, market) : null;
  if (filled && estimate !== null) afford(draft, type, quantity, estimate, market, problems);
  const complete = filled && options !== null && Object.keys(problems).length === 0;
  const body = {
    symbol: market.instrument.symbol,
    side: draft.side,
    order_type: type.key,
    time_in_force: draft.time,
    quantity,
    ...prices,
    ...options,
  };
  return { problems, estimate, body: complete ? body : null };
}

function readQuantity(text: string, lot: number, field: string, problems: Record<string, string>): number | null {
  if (text.trim() === "") return null;
  if (!/^\d{1,12}$/.test(text.trim())) {
    problems[field] = "A whole number of shares.";
    return null;
  }
  const quantity = Number(text);
  if (quantity === 0) problems[field] = "At least one share.";
  else if (quantity % lot !== 0) problems[field] = `A multiple of ${lot}.`;
  return problems[field] === undefined ? quantity : null;
}

function readPrice(text: string, instrument: Instrument, field: string, problems: Record<string, string>): bigint | null {
  if (text.trim() === "") return null;
  const price = parseMoney(text);
  const tick = parseMoney(instrument.tick_size) ?? 1n;
  if (price === null) problems[field] = "A price like 150.25.";
  else if (price <= 0n) problems[field] = "Above zero.";
  else if (price % tick !== 0n) problems[field] = `A multiple of ${instrument.tick_size}.`;
  return problems[field] === undefined ? price : null;
}

function readOptions(
  draft: Draft,
  type: OrderType,
  quantity: number | null,
  instrument: Instrument,
  problems: Record<string, string>,
  now: Date,
): Record<string, unknown> | null {
  const body: Record<string, unknown> = {};
  if (draft.selfTrade !== "CANCEL_NEWEST") body.self_trade_prevention = draft.selfTrade;
  if (draft.linked !== "" && TIMES[draft.time]?.rests) body.linked_order_id = draft.linked;
  if (draft.time === "GTD") {
    const expires = new Date(draft.expires);
    if (draft.expires === "") return null;
    if (!(expires > now)) problems.expires = "A time in the future.";
    else body.expires_at = expires.toISOString();
  }
  if (type.options && TIMES[draft.time]?.rests) {
    if (draft.postOnly) body.post_only = true;
    const display = readQuantity(draft.display, instrument.lot_size, "display", problems);
    if (display !== null && quantity !== null && display >= quantity) problems.display = "Less than the quantity.";
    else if (display !== null) body.display_quantity = display;
  }
  return body;
}

function estimateOf(draft: Draft, type: OrderType, quantity: number, prices: Readonly<Record<string, string>>, market: Market): Estimate {
  const limit = prices.price === undefined ? null : parseMoney(prices.price);
  const waits = type.key.includes("STOP") || (market.book !== null && market.book.session !== "CONTINUOUS");
  const across = (draft.side === "BUY" ? market.book?.asks : market.book?.bids) ?? [];
  const met = waits ? { filled: 0, value: 0n } : sweep(across, draft.side, quantity, limit);
  const now = {
    fillsNow: met.filled,
    averageNow: met.filled > 0 ? met.value / BigInt(met.filled) : null,
    feeNow: share(met.value, market.instrument.taker_fee_ppm),
  };
  if (draft.side === "SELL") return { cost: null, ...now };
  const unit = limit ?? protection(market, anchor(prices, market, across[0]?.price ?? null));
  return { cost: unit === null ? null : (unit + fee(unit, market.instrument)) * BigInt(quantity), ...now };
}

/** What a buy without a limit is protected from: its stop, the price it trails, or the best price across. */
function anchor(prices: Readonly<Record<string, string>>, market: Market, best: bigint | null): bigint | null {
  const last = parseMoney(market.instrument.last ?? market.instrument.reference_price);
  if (prices.stop_price !== undefined) return parseMoney(prices.stop_price);
  const trail = prices.trail_amount === undefined ? null : parseMoney(prices.trail_amount);
  if (trail !== null) return last === null ? null : last + trail;
  return best ?? last;
}

/** The protection price: 5 % beyond, down to a tick. */
function protection(market: Market, from: bigint | null): bigint | null {
  const tick = parseMoney(market.instrument.tick_size) ?? 1n;
  return from === null ? null : ((from * (100n + PROTECTION_PERCENT)) / 100n / tick) * tick;
}

/** What is held for the fee of one share: the higher of the two rates, rounded up (docs/orders.md, Fees). */
function fee(unit: bigint, instrument: Instrument): bigint {
  return share(unit, Math.max(instrument.maker_fee_ppm, instrument.taker_fee_ppm, 0));
}

/** Millionths of an amount, rounded up. */
function share(amount: bigint, ppm: number): bigint {
  return ppm <= 0 ? 0n : (amount * BigInt(ppm) + PPM - 1n) / PPM;
}

function afford(draft: Draft, type: OrderType, quantity: number, estimate: Estimate, market: Market, problems: Record<string, string>): void {
  const asset = draft.side === "BUY" ? "USD" : market.instrument.symbol;
  const available = market.balances.find((balance) => balance.asset === asset)?.available ?? "0";
  if (draft.side === "SELL" && Number(available) < quantity) {
    problems[""] = `You can sell ${grouped(available)} ${asset} at most: that is what you have and is not held by other orders.`;
  }
  const cash = draft.side === "BUY" ? (parseMoney(available) ?? 0n) : 0n;
  if (estimate.cost !== null && cash < estimate.cost) {
    problems[""] = `This needs ${dollars(estimate.cost)}; ${dollars(cash)} is available. Deposit more or ask for less.`;
  }
  const session = market.book?.session ?? "CONTINUOUS";
  if (CANCELS_ONLY.has(session)) problems[""] = `${asset === "USD" ? market.instrument.symbol : asset} is ${session.toLowerCase()}: orders can only be cancelled.`;
  if (draft.postOnly && type.options && TIMES[draft.time]?.rests && estimate.fillsNow > 0) {
    problems.price = "A post-only order must not trade at once: choose a price that waits.";
  }
  if (draft.time === "FOK" && session === "CONTINUOUS" && market.book !== null && estimate.fillsNow < quantity) {
    problems[""] ??= `Only ${grouped(estimate.fillsNow)} could be filled at once, and fill-or-kill wants all ${grouped(quantity)}.`;
  }
}
