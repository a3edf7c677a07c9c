/** The gateway's API for administrators (docs/admin.md). Each function throws RequestError. */

import { request } from "../shared/http";
import type { Page } from "./api";

/** In the order of a day; VOLATILITY_AUCTION is entered by the book itself. */
export const SESSIONS = ["PRE_OPEN", "OPENING_AUCTION", "CONTINUOUS", "HALTED", "VOLATILITY_AUCTION", "CLOSING_AUCTION", "CLOSED"] as const;

/** The numbers that commands and their record carry (shared/contracts/codes.py, Session). */
const SESSION_CODES: Readonly<Record<number, string>> = {
  1: "CONTINUOUS",
  2: "PRE_OPEN",
  3: "OPENING_AUCTION",
  4: "CLOSING_AUCTION",
  5: "VOLATILITY_AUCTION",
  6: "HALTED",
  7: "CLOSED",
};

/** What an action set, as words; what it left as it was is not told. */
export function detailText(detail: Readonly<Record<string, unknown>>): string {
  return Object.entries(detail)
    .filter(([, value]) => value !== null && value !== 0)
    .map(([key, value]) => `${key.replaceAll("_", " ")} ${key === "session" ? (SESSION_CODES[Number(value)] ?? value) : value}`)
    .join(", ");
}

export interface AdminAction {
  readonly event: number;
  readonly time: string;
  readonly user_id: string;
  readonly action: string;
  readonly symbol: string | null;
  readonly detail: Readonly<Record<string, unknown>>;
  readonly trace_id: string;
}

export class Admin {
  constructor(private readonly token: string) {}

  /** What the gateway depends on: name -> "ok" or what is wrong. */
  async health(): Promise<Readonly<Record<string, string>>> {
    // 503 says that something is not ready; its body still says what.
    const response = await fetch("/ready", { headers: { Accept: "application/json" } });
    return ((await response.json()) as { checks: Record<string, string> }).checks;
  }

  async sessions(symbols: readonly string[]): Promise<readonly { symbol: string; session: string }[]> {
    const path = (symbol: string) => `/marketdata/orderBook/L2?symbol=${symbol}&depth=1`;
    const answers = await Promise.all(symbols.map((symbol) => request<{ symbol: string; session: string }>("GET", path(symbol))));
    return answers.map(({ body }) => body);
  }

  setSession = (symbol: string, session: string) =>
    request("POST", `/admin/symbols/${symbol}/session`, { token: this.token, body: { session } });

  block = (userId: string, blocked: boolean) =>
    request("POST", `/admin/users/${userId}/block`, { token: this.token, body: { blocked } });

  async actions(cursor: string): Promise<Page<AdminAction>> {
    const path = `/admin/actions?limit=50${cursor ? `&cursor=${cursor}` : ""}`;
    const { body } = await request<{ actions: readonly AdminAction[]; next_cursor: string | null }>("GET", path, { token: this.token });
    return { rows: body.actions, next: body.next_cursor };
  }
}
