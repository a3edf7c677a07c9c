/** Columns that tables of orders and fills share. */

import { grouped } from "../shared/money";
import { exactTime, shortTime } from "../shared/time";
import type { Column } from "../shared/Table";
import * as desk from "./desk";
import { words } from "./story";
import type { Order, Side } from "./types";

export function When({ iso }: { readonly iso: string }) {
  return (
    <time className="muted" dateTime={iso} title={exactTime(iso)}>
      {shortTime(new Date(iso))}
    </time>
  );
}

export function SideChip({ side }: { readonly side: Side }) {
  return <span className={`chip ${side === "BUY" ? "buy" : "sell"}`}>{side === "BUY" ? "Buy" : "Sell"}</span>;
}

/** Opens the trace of an order as its story. */
export function WayButton({ orderId, what }: { readonly orderId: string; readonly what: string }) {
  return (
    <button type="button" className="link" onClick={() => desk.shownStory.set({ orderId })} aria-label={`Its way: ${what}`}>
      Its way
    </button>
  );
}

export function describeOrder(order: Order): string {
  return `${order.side === "BUY" ? "buy" : "sell"} ${order.quantity} ${order.symbol} at ${order.price}`;
}

/** The price an order was given: its trigger before its limit, where it has one. */
function priceText(order: Order): string {
  if (order.trail_amount !== null) return `trails by ${order.trail_amount}`;
  if (order.stop_price === null) return order.price;
  return order.order_type === "STOP" ? `stop ${order.stop_price}` : `stop ${order.stop_price}, ${order.price}`;
}

export const ORDER_COLUMNS: readonly Column<Order>[] = [
  { key: "time", title: "Placed", show: (order) => <When iso={order.created_at} />, order: (order) => order.created_at },
  { key: "symbol", title: "Symbol", show: (order) => <strong>{order.symbol}</strong>, order: (order) => order.symbol },
  { key: "side", title: "Side", show: (order) => <SideChip side={order.side} />, order: (order) => order.side },
  { key: "type", title: "Type", show: (order) => `${words(order.order_type.toLowerCase())} · ${order.time_in_force}` },
  { key: "price", title: "Price", number: true, show: (order) => priceText(order), order: (order) => Number(order.price) },
  {
    key: "filled",
    title: "Filled",
    number: true,
    show: (order) => `${grouped(order.filled_quantity)} / ${grouped(order.quantity)}`,
    order: (order) => order.filled_quantity / order.quantity,
  },
];
