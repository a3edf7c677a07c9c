/** Trades as they happen. */

import { grouped } from "../shared/money";
import { useStore } from "../shared/store";
import { EmptyState } from "../shared/states";
import { type Column, Table } from "../shared/Table";
import { exactTime, isoFromMicros, shortTime } from "../shared/time";
import * as desk from "./desk";
import type { TapeTrade } from "./types";

const SHOWN_MAX = 60;

const COLUMNS: readonly Column<TapeTrade>[] = [
  {
    key: "price",
    title: "Price",
    number: true,
    show: (trade) => (
      <span className={trade.side === "BUY" ? "buy" : "sell"}>
        <span aria-hidden="true">{trade.side === "BUY" ? "▲ " : "▼ "}</span>
        <span className="visually-hidden">{trade.side === "BUY" ? "bought at " : "sold at "}</span>
        {trade.price}
      </span>
    ),
  },
  { key: "quantity", title: "Shares", number: true, show: (trade) => grouped(trade.quantity) },
  {
    key: "time",
    title: "Time",
    number: true,
    show: (trade) => (
      <time className="muted" title={exactTime(isoFromMicros(trade.time_us))}>
        {shortTime(new Date(trade.time_us / 1000))}
      </time>
    ),
  },
];

export function Tape() {
  const trades = useStore(desk.trades);
  return (
    <section className="panel tape" aria-label="Trades">
      <header>
        <h2>Trades</h2>
      </header>
      <Table
        caption="Latest trades, newest first"
        columns={COLUMNS}
        rows={trades.slice(0, SHOWN_MAX)}
        rowKey={(trade) => trade.trade_id}
        empty={<EmptyState title="No trades yet">The first one appears here.</EmptyState>}
      />
    </section>
  );
}
