/**
 * An order book from a snapshot and the updates after it (docs/market-data.md). Pure.
 *
 * An update follows on exactly one sequence number. One that is not newer than the book says nothing new; one that leaves
 * a gap means that something was missed, and then only a fresh snapshot is right.
 */

import { money } from "../shared/money";

export interface Level {
  /** 1/10,000 dollar. */
  readonly price: bigint;
  /** Shares. */
  readonly quantity: number;
}

/** The auction as it would be now (channel `session`). */
export interface Indication {
  readonly price: string;
  readonly volume: number;
  readonly imbalance: number;
  /** Which side has the surplus. */
  readonly side: "BUY" | "SELL" | null;
}

export interface Status {
  /** A session of docs/matching.md: CONTINUOUS, HALTED, OPENING_AUCTION, ... */
  readonly session: string;
  readonly indication: Indication | null;
}

export const OPEN: Status = { session: "CONTINUOUS", indication: null };

export interface Book extends Status {
  readonly symbol: string;
  readonly sequence: number;
  /** Best first. */
  readonly bids: readonly Level[];
  readonly asks: readonly Level[];
}

type RawLevel = readonly [price: string, quantity: string, ...rest: readonly unknown[]];

/** A snapshot, or an update: then only the levels that changed, with what they are now. */
export interface Levels {
  readonly symbol: string;
  readonly sequence: number;
  readonly bids: readonly RawLevel[];
  readonly asks: readonly RawLevel[];
}

export function bookFrom(snapshot: Levels, status: Status): Book {
  const { symbol, sequence } = snapshot;
  return { symbol, sequence, ...status, bids: merged([], snapshot.bids, -1), asks: merged([], snapshot.asks, 1) };
}

/** The book after an update: the same book for one it knows already, null where there is a gap. */
export function updated(book: Book, update: Levels): Book | null {
  const { sequence } = update;
  if (sequence <= book.sequence) return book;
  if (sequence !== book.sequence + 1) return null;
  return { ...book, sequence, bids: merged(book.bids, update.bids, -1), asks: merged(book.asks, update.asks, 1) };
}

/** Levels with the changed ones put in, replaced or (at quantity "0") taken out. `direction` 1 sorts upwards. */
function merged(levels: readonly Level[], changes: readonly RawLevel[], direction: 1 | -1): readonly Level[] {
  if (changes.length === 0) return levels;
  const changed = new Map(changes.map(([price, quantity]) => [money(price), Number(quantity)]));
  const kept = levels.filter((level) => !changed.has(level.price));
  for (const [price, quantity] of changed) if (quantity > 0) kept.push({ price, quantity });
  return kept.sort((a, b) => (a.price === b.price ? 0 : a.price < b.price ? -direction : direction));
}

/** What an order for `quantity` shares would meet now, up to `limit` (null: any price): how much of it, for how much. */
export function sweep(
  levels: readonly Level[],
  side: "BUY" | "SELL",
  quantity: number,
  limit: bigint | null,
): { readonly filled: number; readonly value: bigint } {
  let left = quantity;
  let value = 0n;
  for (const level of levels) {
    if (left === 0) break;
    if (limit !== null && (side === "BUY" ? level.price > limit : level.price < limit)) break;
    const taken = Math.min(left, level.quantity);
    value += BigInt(taken) * level.price;
    left -= taken;
  }
  return { filled: quantity - left, value };
}
