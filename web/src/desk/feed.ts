/**
 * The socket to the gateway (services/client_gateway/socket.py): what one follows, kept up through lost connections.
 *
 * The feed remembers what was asked for and asks again on each new connection. A book whose sequence breaks is asked for
 * anew, so that its reader only ever sees whole books. The messages are those of docs/market-data.md.
 */

import { type Book, bookFrom, type Levels, OPEN, type Status, updated } from "./book";
import type { Notice } from "./types";

export type Connection = "connecting" | "live" | "lost";

export interface FeedTrade {
  readonly trade_id: string;
  readonly price: string;
  readonly quantity: string;
  readonly side: "BUY" | "SELL";
  readonly time_us: number;
}

export interface Listener {
  onConnection(state: Connection): void;
  onBook(book: Book): void;
  onTrades(symbol: string, trades: readonly FeedTrade[]): void;
  onNotice(notice: Notice): void;
  /** A new connection after a lost one: what was missed has to be read anew. */
  onHealed(): void;
  onRefused(code: string, detail: string): void;
}

type Content =
  | ({ readonly channel: "L2" } & Levels)
  | ({ readonly channel: "session"; readonly symbol: string } & Status)
  | { readonly channel: "trades"; readonly symbol: string; readonly trades: readonly FeedTrade[] };

type Message =
  | ({ readonly type: "snapshot" | "update" } & Content)
  | { readonly type: "error"; readonly code: string; readonly detail: string }
  | { readonly type: "authenticated" | "subscribed" | "unsubscribed" | "pong" | "heartbeat" | "interrupted" }
  | Notice;

/** Of the one symbol whose book is shown. */
const BOOK_CHANNELS = ["session", "L2"] as const;
const OWN = new Set(["order", "trade", "reduced", "amended", "triggered"]);
const RETRY_MIN_MS = 500;
const RETRY_MAX_MS = 10_000;
const PING_MS = 10_000;
const SILENCE_MAX_MS = 25_000;

export class Feed {
  private socket: WebSocket | null = null;
  private token = "";
  private bookOf = "";
  private tradesOf = new Set<string>();
  private book: Book | null = null;
  private status: Status = OPEN;
  private retryMs = RETRY_MIN_MS;
  private wasLive = false;
  private heardAtMs = 0;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private ping: ReturnType<typeof setInterval> | undefined;

  constructor(
    private readonly url: string,
    private readonly listener: Listener,
  ) {}

  open(): void {
    window.addEventListener("online", this.again);
    this.connect();
  }

  close(): void {
    window.removeEventListener("online", this.again);
    clearTimeout(this.retry);
    clearInterval(this.ping);
    const socket = this.socket;
    this.socket = null;
    socket?.close();
  }

  /** Own messages for this token's user; "" signs out, which takes a new connection. */
  authenticate(token: string): void {
    const before = this.token;
    this.token = token;
    if (before && before !== token) this.socket?.close();
    else if (token) this.say({ type: "auth", token });
  }

  /** The one book to follow. */
  followBook(symbol: string): void {
    if (symbol === this.bookOf) return;
    const before = this.bookOf;
    if (before) for (const channel of BOOK_CHANNELS) this.say({ type: "unsubscribe", channel, symbol: before });
    this.bookOf = symbol;
    this.resync();
  }

  followTrades(symbols: readonly string[]): void {
    for (const symbol of symbols) {
      if (this.tradesOf.has(symbol)) continue;
      this.tradesOf.add(symbol);
      this.say({ type: "subscribe", channel: "trades", symbol });
    }
  }

  private readonly again = () => {
    clearTimeout(this.retry);
    if (this.socket === null) this.connect();
  };

  private connect(): void {
    this.listener.onConnection(this.wasLive ? "lost" : "connecting");
    const socket = new WebSocket(this.url);
    this.socket = socket;
    socket.onopen = () => this.opened();
    socket.onmessage = (event: MessageEvent<string>) => this.hear(JSON.parse(event.data) as Message);
    socket.onclose = () => socket === this.socket && this.lost();
  }

  private opened(): void {
    this.retryMs = RETRY_MIN_MS;
    this.heardAtMs = Date.now();
    if (this.token) this.say({ type: "auth", token: this.token });
    for (const symbol of this.tradesOf) this.say({ type: "subscribe", channel: "trades", symbol });
    if (this.bookOf) this.resync();
    clearInterval(this.ping);
    this.ping = setInterval(() => this.beat(), PING_MS);
    this.listener.onConnection("live");
    if (this.wasLive) this.listener.onHealed();
    this.wasLive = true;
  }

  private lost(): void {
    this.socket = null;
    clearInterval(this.ping);
    this.listener.onConnection("lost");
    // Spread out, so that not all desks come back in the same moment.
    this.retry = setTimeout(() => this.connect(), this.retryMs * (0.75 + Math.random() / 2));
    this.retryMs = Math.min(this.retryMs * 2, RETRY_MAX_MS);
  }

  /** A connection may die without a word: whoever does not answer a ping is gone. */
  private beat(): void {
    if (Date.now() - this.heardAtMs > SILENCE_MAX_MS) {
      const socket = this.socket;
      this.lost();
      socket?.close();
    } else this.say({ type: "ping" });
  }

  private hear(message: Message): void {
    this.heardAtMs = Date.now();
    switch (message.type) {
      case "snapshot":
      case "update":
        if ("channel" in message) this.take(message);
        return;
      case "error":
        if ("code" in message) this.listener.onRefused(message.code, message.detail);
        return;
      default:
        if (OWN.has(message.type)) this.listener.onNotice(message as Notice);
    }
  }

  private take(message: { readonly type: "snapshot" | "update" } & Content): void {
    if (message.channel === "trades") this.listener.onTrades(message.symbol, message.trades);
    else if (message.symbol !== this.bookOf) return;
    else if (message.channel === "session") {
      this.status = { session: message.session, indication: message.indication };
      if (this.book) this.show({ ...this.book, ...this.status });
    } else if (message.type === "snapshot") this.show(bookFrom(message, this.status));
    else if (this.book) {
      const next = updated(this.book, message);
      if (next === null) this.resync();
      else this.show(next);
    }
  }

  private show(book: Book): void {
    this.book = book;
    this.listener.onBook(book);
  }

  private resync(): void {
    this.book = null;
    this.status = OPEN;
    for (const channel of BOOK_CHANNELS) this.say({ type: "subscribe", channel, symbol: this.bookOf });
  }

  private say(message: object): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }
}
