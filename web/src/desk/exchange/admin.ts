/** The gateway's API for administrators (docs/admin.md). Each function throws RequestError. */

import { request, RequestError } from "../../shared/http";
import type { Page } from "../api";
import { words } from "../story";

/** In the order of a day; VOLATILITY_AUCTION is entered by the book itself. */
export const SESSIONS = ["PRE_OPEN", "OPENING_AUCTION", "CONTINUOUS", "HALTED", "VOLATILITY_AUCTION", "CLOSING_AUCTION", "CLOSED"] as const;

/** What an action set, as words; what it left as it was is not told. */
export function detailText(detail: Readonly<Record<string, unknown>>): string {
  return Object.entries(detail)
    .filter(([, value]) => value !== null && value !== 0 && value !== "0.00")
    .map(([key, value]) => `${words(key)} ${text(value)}`)
    .join(", ");
}

/** Something that an administrator did, as each of the records tells it. */
export interface AdminAction {
  readonly key: string;
  readonly time: string;
  readonly user_id: string;
  readonly what: string;
  /** Of what: a symbol, a user, a firm, an entry of the ledger; "" where it is about all. */
  readonly subject: string;
  readonly detail: string;
  readonly trace_id: string;
}

export interface UserRecord {
  readonly user_id: string;
  readonly username: string;
  readonly roles: readonly string[];
  readonly created_at: string;
  readonly must_reset_password: boolean;
}

/** The risk controls in force for an account or a firm. */
export interface Controls {
  readonly limits: Readonly<Record<string, string | number>>;
  readonly blocked: boolean;
  readonly restricted_symbols: readonly string[];
}

export interface AccountControls extends Controls {
  readonly firm_id: string | null;
  /** By its own switch or by its firm's. */
  readonly shut_out: boolean;
}

export interface Firm extends Controls {
  readonly firm_id: string;
  readonly name: string;
  readonly user_ids: readonly string[];
}

/** Something that can be broken on purpose (docs/lessons). */
export interface Fault {
  readonly name: string;
  readonly service: string;
  readonly does: string;
  readonly look: string;
  readonly on: boolean;
}

/** How business goes, counted since the services started; shares are null where there is nothing to share. */
export interface Figures {
  readonly orders: Readonly<Record<string, number>>;
  readonly refusals: readonly { readonly code: string; readonly outcome: string; readonly orders: number }[];
  readonly success_rate: number | null;
  readonly closed: Readonly<Record<string, number>>;
  readonly fill_ratio: number | null;
  readonly trades: number;
  readonly value: string;
  readonly value_by_symbol: Readonly<Record<string, string>>;
  readonly settlement: { readonly trades: number; readonly mean_ms: number | null; readonly p50_ms: number | null; readonly p95_ms: number | null };
  readonly open_orders: Readonly<Record<string, number>>;
  readonly backlog: readonly { readonly service: string; readonly stream: string; readonly events: number }[];
  readonly since: Readonly<Record<string, string | null>>;
  readonly silent: readonly string[];
}

/** Whose risk controls: the beginning of their path. */
export const accountPath = (userId: string) => `/admin/users/${userId}`;
export const firmPath = (firmId: string) => `/admin/firms/${firmId}`;

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

  setSession = (symbol: string, session: string) => this.post(`/admin/symbols/${symbol}/session`, { session });

  figures = () => this.get<Figures>("/admin/figures");

  async users(search: string, cursor: string): Promise<Page<UserRecord>> {
    const page = await this.get<{ users: readonly UserRecord[]; next_cursor: string | null }>(
      `/admin/users?${new URLSearchParams({ search, limit: "50", ...(cursor ? { cursor } : {}) })}`,
    );
    return { rows: page.users, next: page.next_cursor };
  }

  setRole = (userId: string, role: string) => this.post(`${accountPath(userId)}/role`, { role });
  revokeTokens = (userId: string) => this.post(`${accountPath(userId)}/revoke-tokens`, {});
  resetPassword = async (userId: string) => (await this.post<{ code: string }>(`${accountPath(userId)}/reset-password`, {})).body.code;

  controls = <T extends Controls>(path: string) => this.get<T>(`${path}/limits`);
  setLimits = (path: string, limits: Readonly<Record<string, string | null>>) => this.post(`${path}/limits`, limits);
  block = (path: string, blocked: boolean) => this.post(`${path}/block`, { blocked });
  /** @param path of an account or a firm; "/admin" for everybody */
  restrict = (path: string, symbols: readonly string[]) => this.post(`${path}/restrictions`, { symbols });
  restrictions = async () => (await this.get<{ restricted_symbols: readonly string[] }>("/admin/restrictions")).restricted_symbols;

  firms = async () => (await this.get<{ firms: readonly Firm[] }>("/admin/firms")).firms;
  createFirm = (name: string) => this.post("/admin/firms", { name });
  join = (userId: string, firmId: string | null) => this.post(`${accountPath(userId)}/firm`, { firm_id: firmId });

  /** What can be broken on purpose, null where the exchange is started without that. */
  async faults(): Promise<readonly Fault[] | null> {
    try {
      return (await this.get<{ faults: readonly Fault[] }>("/admin/faults")).faults;
    } catch (error) {
      if (error instanceof RequestError && error.code === "faults_not_available") return null;
      throw error;
    }
  }

  setFault = (name: string, on: boolean) => request("PUT", "/admin/faults", { token: this.token, body: { faults: { [name]: on } } });

  /** One of the records, newest first. */
  async record(of: RecordName, cursor: string): Promise<Page<AdminAction>> {
    const { path, rows, row } = RECORDS[of];
    const body = await this.get<Record<string, unknown>>(`${path}?limit=50${cursor ? `&cursor=${cursor}` : ""}`);
    return { rows: (body[rows] as Said[]).map(row), next: body.next_cursor as string | null };
  }

  private async get<T>(path: string): Promise<T> {
    return (await request<T>("GET", path, { token: this.token })).body;
  }

  private post<T>(path: string, body: unknown) {
    return request<T>("POST", path, { token: this.token, body });
  }
}

/** A line of a record as it comes. */
type Said = Readonly<Record<string, unknown>>;
export type RecordName = "market" | "controls" | "users" | "ledger";

const text = (value: unknown) => (value === null || value === undefined ? "" : String(value));
const common = (said: Said) => ({ time: text(said.time), user_id: text(said.user_id), trace_id: text(said.trace_id) });

const RECORDS: Readonly<Record<RecordName, { readonly path: string; readonly rows: string; readonly row: (said: Said) => AdminAction }>> = {
  market: {
    path: "/admin/actions",
    rows: "actions",
    row: (said) => ({
      ...common(said), key: text(said.event), what: text(said.action), subject: text(said.symbol), detail: detailText(said.detail as Record<string, unknown>),
    }),
  },
  controls: {
    path: "/admin/control-changes",
    rows: "changes",
    row: (said) => ({
      ...common(said), key: text(said.number), what: text(said.name), subject: said.id === null ? "" : `${text(said.scope)} ${text(said.id)}`,
      detail: `${text(said.from) || "default"} → ${text(said.to) || "default"}`,
    }),
  },
  users: {
    path: "/admin/actions/users",
    rows: "actions",
    row: (said) => ({
      ...common(said), key: text(said.number), what: text(said.action), subject: `user ${text(said.account_id)}`, detail: detailText(said.detail as Record<string, unknown>),
    }),
  },
  ledger: {
    path: "/admin/actions/ledger",
    rows: "actions",
    row: (said) => ({ ...common(said), key: text(said.transaction_id), what: "corrected", subject: `entry ${text(said.corrects)}`, detail: text(said.reason) }),
  },
};
