/** The gateway's API as functions. Each throws RequestError. */

import { type Answer, request, RequestError } from "../shared/http";
import { Admin } from "./exchange/admin";
import type {
  Balance, Candle, Instrument, Notice, Order, Position, TapeTrade, Trace, Transaction, User, UserTrade,
} from "./types";

export interface Session {
  readonly token: string;
  readonly user: User;
}

export async function logIn(username: string, password: string): Promise<Session> {
  return (await request<Session>("POST", "/auth/login", { body: { username, password } })).body;
}

/** Registers, and opens the wallet that every trader needs. */
export async function register(username: string, password: string): Promise<Session> {
  const session = (await request<Session>("POST", "/auth/register", { body: { username, password } })).body;
  await request("POST", "/wallet/create", { token: session.token });
  return session;
}

export async function instruments(): Promise<readonly Instrument[]> {
  return (await request<{ symbols: readonly Instrument[] }>("GET", "/marketdata/symbols")).body.symbols;
}

export async function candles(symbol: string, interval: string, limit: number, signal: AbortSignal): Promise<readonly Candle[]> {
  const path = `/marketdata/candles?symbol=${symbol}&interval=${interval}&limit=${limit}`;
  return (await request<{ candles: readonly Candle[] }>("GET", path, { signal })).body.candles;
}

export async function tape(symbol: string, limit: number): Promise<readonly TapeTrade[]> {
  const path = `/marketdata/trades?symbol=${symbol}&limit=${limit}`;
  const { trades } = (await request<{ trades: readonly (TapeTrade & { time: string })[] }>("GET", path)).body;
  return trades.map((trade) => ({ ...trade, time_us: microseconds(trade.time) }));
}

function microseconds(iso: string): number {
  const fraction = /\.(\d{1,6})/.exec(iso)?.[1]?.padEnd(6, "0") ?? "0";
  return Math.floor(Date.parse(iso) / 1000) * 1e6 + Number(fraction);
}

/** What a signed-in user may ask. */
export class Account {
  readonly admin: Admin;

  constructor(readonly token: string) {
    this.admin = new Admin(token);
  }

  /** Who the token stands for. */
  me = () => this.read<User>("/auth/me");
  logOut = () => request("POST", "/auth/logout", { token: this.token });
  place = (body: unknown, key: string): Promise<Answer<Order>> =>
    request("POST", "/v1/order", { token: this.token, body: { ...(body as object), client_order_id: key } });
  cancel = (orderId: string): Promise<Answer<Order>> => request("DELETE", `/v1/order/${orderId}`, { token: this.token });
  /** A new price, a new quantity in all (what is filled included), or both. */
  amend = (orderId: string, body: { price?: string; quantity?: number }): Promise<Answer<Order>> =>
    request("PATCH", `/v1/order/${orderId}`, { token: this.token, body });
  cancelAll = (symbol: string) => request("DELETE", `/v1/orders${symbol ? `?symbol=${symbol}` : ""}`, { token: this.token });
  order = (orderId: string) => this.read<Order>(`/v1/order/${orderId}`);
  openOrders = async () =>
    (await this.read<{ orders: readonly Order[] }>("/v1/orders?status=PENDING_NEW,OPEN,PARTIALLY_FILLED&limit=200")).orders;
  orders = (cursor: string) => this.page<Order, "orders">("/v1/orders", "orders", cursor);
  fills = (cursor: string) => this.page<UserTrade, "trades">("/reports/trades", "trades", cursor);
  statement = (cursor: string) => this.page<Transaction, "transactions">("/wallet/transactions", "transactions", cursor);
  positions = async () => (await this.read<{ positions: readonly Position[] }>("/reports/positions")).positions;
  notices = (after: number) => this.read<{ messages: readonly Notice[]; up_to: string }>(`/notifications?limit=200&after=${after}`);

  /** Cash and shares; none where the user has no wallet yet. */
  async balances(): Promise<readonly Balance[]> {
    try {
      return (await this.read<{ balances: readonly Balance[] }>("/wallet/balance")).balances;
    } catch (error) {
      if (error instanceof RequestError && error.code === "no_wallet") return [];
      throw error;
    }
  }

  /** Pays in. The key makes a retry harmless. */
  deposit = (asset: string, amount: string, key: string) =>
    request("POST", "/wallet/add-funds", { token: this.token, body: { asset, amount, request_id: key } });

  /** A trace of the user's own: by order, or by the id that an error carried. */
  orderTrace = (orderId: string) => this.read<Trace>(`/v1/order/${orderId}/trace`);
  trace = (traceId: string) => this.read<Trace>(`/v1/trace/${traceId}`);

  private async read<T>(path: string): Promise<T> {
    return (await request<T>("GET", path, { token: this.token })).body;
  }

  private async page<T, K extends string>(path: string, key: K, cursor: string): Promise<Page<T>> {
    const body = await this.read<Record<K, readonly T[]> & { next_cursor: string | null }>(
      `${path}?limit=50${cursor ? `&cursor=${cursor}` : ""}`,
    );
    return { rows: body[key], next: body.next_cursor };
  }
}

export interface Page<T> {
  readonly rows: readonly T[];
  /** Continues where this page ends, null at the end. */
  readonly next: string | null;
}
