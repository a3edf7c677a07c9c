/**
 * An order book from a snapshot and the deltas after it (services/market_data/feed.py). Pure.
 *
 * A delta follows on exactly one sequence number. One that is older than the book says nothing new; one that leaves a
 * gap means that something was missed, and then only a fresh snapshot is right.
 */

import { money } from "../shared/money";

export interface Level {
  /** 1/10,000 dollar. */
  readonly price: bigint;
  /** Shares. */
  readonly quantity: number;
}

/** The auction as it would be now. */
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

export interface Book extends Status {
  readonly symbol: string;
  readonly sequence: number;
  /** Best first. */
  readonly bids: readonly Level[];
  readonly asks: readonly Level[];
}

type RawLevel = readonly [price: string, quantity: string, ...rest: readonly unknown[]];

export interface Snapshot extends Partial<Status> {
  readonly symbol: string;
  readonly sequence: number;
  readonly bids: readonly RawLevel[];
  readonly asks: readonly RawLevel[];
}

export interface Delta extends Snapshot {
  readonly first_sequence: number;
}

export function bookFrom(snapshot: Snapshot): Book {
  return {
    symbol: snapshot.symbol,
    sequence: snapshot.sequence,
    session: snapshot.session ?? "CONTINUOUS",
    indication: snapshot.indication ?? null,
    bids: merged([], snapshot.bids, -1),
    asks: merged([], snapshot.asks, 1),
  };
}

/** The book after a delta: the same book for one it knows already, null where there is a gap. */
export function applyDelta(book: Book, delta: Delta): Book | null {
  if (delta.sequence <= book.sequence) return book;
  if (delta.first_sequence > book.sequence + 1) return null;
  return {
    symbol: book.symbol,
    sequence: delta.sequence,
    // A delta that names the session tells the indication too; one that does not leaves both as they are.
    session: delta.session ?? book.session,
    indication: delta.session === undefined ? book.indication : (delta.indication ?? null),
    bids: merged(book.bids, delta.bids, -1),
    asks: merged(book.asks, delta.asks, 1),
  };
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
