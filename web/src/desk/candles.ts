/** Candles that go on with the trades that come live. Pure; floats only here, for drawing. */

import type { Candle, TapeTrade } from "./types";

export const INTERVALS_S = { "1s": 1, "1m": 60, "5m": 300, "1h": 3600, "1d": 86_400 } as const;
export type Interval = keyof typeof INTERVALS_S;

/** A candle as it is drawn; `time` is the start in Unix seconds. */
export interface Bar {
  readonly time: number;
  readonly open: number;
  readonly high: number;
  readonly low: number;
  readonly close: number;
  readonly volume: number;
}

export function barFrom(candle: Candle): Bar {
  return {
    time: Date.parse(candle.start) / 1000,
    open: Number(candle.open),
    high: Number(candle.high),
    low: Number(candle.low),
    close: Number(candle.close),
    volume: candle.volume,
  };
}

/** The bar of a trade: the last one with the trade in it, or a new one. Null for a trade that is older than the last bar. */
export function withTrade(last: Bar | null, trade: Pick<TapeTrade, "price" | "quantity" | "time_us">, interval_s: number): Bar | null {
  const time = Math.floor(trade.time_us / 1e6 / interval_s) * interval_s;
  const price = Number(trade.price);
  if (last === null || time > last.time) {
    return { time, open: price, high: price, low: price, close: price, volume: trade.quantity };
  }
  if (time < last.time) return null;
  return {
    ...last,
    high: Math.max(last.high, price),
    low: Math.min(last.low, price),
    close: price,
    volume: last.volume + trade.quantity,
  };
}
