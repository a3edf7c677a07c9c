/** What the gateway's API says (services/client_gateway/views.py): ids and decimals as text, times as ISO 8601 in UTC. */

export type Side = "BUY" | "SELL";
export type OrderStatus = "PENDING_NEW" | "OPEN" | "PARTIALLY_FILLED" | "FILLED" | "CANCELLED" | "REJECTED";

export interface User {
  readonly user_id: string;
  readonly username: string;
  readonly roles: readonly string[];
}

export interface Instrument {
  readonly symbol: string;
  readonly name: string;
  readonly tick_size: string;
  readonly lot_size: number;
  /** Millionths of price × quantity; negative for a rebate. */
  readonly maker_fee_ppm: number;
  readonly taker_fee_ppm: number;
  readonly reference_price: string;
  readonly bid: string | null;
  readonly ask: string | null;
  readonly last: string | null;
  readonly volume: number;
}

export interface Fill {
  readonly trade_id: string;
  readonly price: string;
  readonly quantity: number;
  readonly time: string;
}

export interface Order {
  readonly order_id: string;
  readonly client_order_id: string | null;
  readonly symbol: string;
  readonly side: Side;
  readonly order_type: string;
  readonly time_in_force: string;
  readonly price: string;
  readonly quantity: number;
  readonly filled_quantity: number;
  readonly remaining_quantity: number;
  readonly average_price: string | null;
  readonly status: OrderStatus;
  readonly reason: string;
  readonly created_at: string;
  readonly updated_at: string;
  readonly trace_id: string;
  readonly stop_price: string | null;
  readonly trail_amount: string | null;
  /** Null where there is nothing to trigger. */
  readonly triggered: boolean | null;
  readonly linked_order_id: string | null;
  readonly fills: readonly Fill[];
}

export interface Balance {
  readonly asset: string;
  readonly total: string;
  readonly held: string;
  readonly available: string;
}

export interface Position {
  readonly symbol: string;
  readonly quantity: number;
  readonly average_cost: string | null;
  readonly last_price: string | null;
  readonly value: string;
  readonly unrealised: string;
  readonly realised: string;
}

export interface UserTrade {
  readonly trade_id: string;
  readonly order_id: string;
  readonly symbol: string;
  readonly side: Side;
  readonly price: string;
  readonly quantity: number;
  readonly value: string;
  readonly role: string;
  readonly realised: string;
  readonly time: string;
}

export interface Transaction {
  readonly transaction_id: string;
  readonly kind: string;
  readonly asset: string;
  readonly amount: string;
  readonly balance_after: string;
  readonly order_id: string | null;
  readonly trade_id: string | null;
  readonly time: string;
}

export interface Candle {
  readonly start: string;
  readonly open: string;
  readonly high: string;
  readonly low: string;
  readonly close: string;
  readonly volume: number;
}

/** A trade on the tape; `time_us` is Unix time. */
export interface TapeTrade {
  readonly trade_id: string;
  readonly price: string;
  readonly quantity: number;
  readonly side: Side;
  readonly time_us: number;
}

/** What a user is told about an own order, live and afterwards (shared/contracts/notifications.py). */
export interface Notice {
  readonly type: string;
  readonly seq: number;
  readonly time_us: number;
  readonly trace_id: string;
  readonly order_id: string;
  readonly symbol: string;
  readonly side: Side;
  readonly status?: OrderStatus;
  readonly open_quantity?: number;
  readonly unfilled_quantity?: number;
  readonly fee?: string;
  readonly reason?: string;
  readonly role?: string;
  readonly price?: string;
  readonly quantity?: number;
}

/** A span of an own trace (services/client_gateway/trace_view.py). */
export interface Span {
  readonly span_id: string;
  readonly parent_id: string;
  readonly name: string;
  readonly service: string;
  readonly start_us: number;
  readonly duration_us: number;
  readonly error: boolean;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
}

export interface Trace {
  readonly trace_id: string;
  readonly explorer_url: string;
  readonly spans: readonly Span[];
}
