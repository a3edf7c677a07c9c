/**
 * The desk's state and everything that changes it. Data flows one way: the gateway's answers and live messages come in
 * here, stores change, components show them; what a user does goes out from here again.
 */

import { RequestError } from "../shared/http";
import { createStore } from "../shared/store";
import { toast } from "../shared/Toasts";
import { Account, instruments, logIn, register, type Session, tape } from "./api";
import type { Book } from "./book";
import { type Connection, Feed, type FeedTrade } from "./feed";
import { noticeText } from "./noticeText";
import type { Balance, Instrument, Notice, Order, Position, TapeTrade, User } from "./types";

const TOKEN_KEY = "outcry.token";
const SYMBOL_KEY = "outcry.symbol";
const TAPE_MAX = 200;
const NOTICES_MAX = 200;
const SYMBOLS_EVERY_MS = 3000;
/** Of 200 notices each. Who was told more than that while away reads the statement. */
const CATCH_UP_PAGES_MAX = 25;

/** The second look comes when wallet and reports have followed the engine's event, which the message does not wait for. */
const LOOK_AFTER_MS = [120, 1200] as const;

export interface Holdings {
  readonly orders: readonly Order[];
  readonly balances: readonly Balance[];
  readonly positions: readonly Position[];
}

/** Undefined while it is not known whether a kept token still counts; null when signed out. */
export const user = createStore<User | null | undefined>(undefined);
export const connection = createStore<Connection>("connecting");
export const listed = createStore<readonly Instrument[]>([]);
export const listedError = createStore<unknown>(null);
export const symbol = createStore(localStorage.getItem(SYMBOL_KEY) ?? "");
export const book = createStore<Book | null>(null);
export const trades = createStore<readonly TapeTrade[]>([]);
/** Last prices as trades bring them, ahead of the list. */
export const lastPrices = createStore<Readonly<Record<string, { readonly price: string; readonly up: boolean | null }>>>({});
export const holdings = createStore<Holdings | null>(null);
export const holdingsError = createStore<unknown>(null);
export const notices = createStore<readonly Notice[]>([]);
/** How many notices came since the list was looked at. */
export const unread = createStore(0);
/** The trace that is shown: of an order, or by its id alone. */
export const shownStory = createStore<{ readonly orderId?: string; readonly traceId?: string } | null>(null);
/** A price that was clicked in the ladder, for the ticket. */
export const pickedPrice = createStore<{ readonly price: string; readonly at: number } | null>(null);
/** The desk itself, or what administrators see of the exchange; it stands in the address. */
export const view = createStore<"desk" | "exchange">(viewNow());
/** Counts up with each healed connection: whoever shows what was read once reads it again. */
export const healed = createStore(0);

let account: Account | null = null;
let looks: ReturnType<typeof setTimeout>[] = [];
let symbolNow = symbol.get();

const feed = new Feed(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`, {
  onConnection: (state) => connection.set(state),
  onBook: (next) => book.set(next),
  onTrades,
  onNotice,
  onHealed: () => {
    healed.set((was) => was + 1);
    void loadTape(symbolNow);
    void look();
    void catchUp();
  },
  onRefused: (code, detail) => {
    if (code.startsWith("token") || code === "invalid_token") signedOut("Your session has ended. Sign in again.");
    else toast("bad", detail);
  },
});

function viewNow(): "desk" | "exchange" {
  return location.hash.startsWith("#exchange") ? "exchange" : "desk";
}

/** Starts the desk: market data for everybody, the account where a token was kept. */
export function start(): void {
  feed.open();
  window.addEventListener("hashchange", () => view.set(viewNow()));
  void loadListed();
  setInterval(() => document.hidden || void loadListed(), SYMBOLS_EVERY_MS);
  const kept = sessionStorage.getItem(TOKEN_KEY);
  if (kept === null) user.set(null);
  else void resume(kept);
}

/** The account that is signed in. Throws when nobody is. */
export function mine(): Account {
  if (account === null) throw new Error("nobody is signed in");
  return account;
}

export async function signIn(username: string, password: string): Promise<void> {
  signedIn(await logIn(username, password));
}

export async function signUp(username: string, password: string): Promise<void> {
  signedIn(await register(username, password));
}

export async function signOut(): Promise<void> {
  const leaving = account;
  signedOut();
  // The token dies with its time anyway; an answer that does not come changes nothing for the user.
  await leaving?.logOut().catch((error: unknown) => toast("bad", `Signed out here. ${String((error as Error).message)}`));
}

export function choose(next: string): void {
  if (next === symbolNow) return;
  symbolNow = next;
  localStorage.setItem(SYMBOL_KEY, next);
  book.set(null);
  trades.set([]);
  symbol.set(next);
  feed.followBook(next);
  void loadTape(next);
}

/** Reads orders, balances and positions. */
export async function look(): Promise<void> {
  const asked = account;
  if (asked === null) return;
  try {
    const [orders, balances, positions] = await Promise.all([asked.openOrders(), asked.balances(), asked.positions()]);
    if (asked !== account) return;
    holdings.set({ orders, balances, positions });
    holdingsError.set(null);
  } catch (error) {
    if (asked !== account) return;
    if (error instanceof RequestError && error.status === 401) signedOut("Your session has ended. Sign in again.");
    else holdingsError.set(error);
  }
}

/** Looks soon, and once more when the services behind have caught up. */
export function lookSoon(): void {
  for (const timer of looks) clearTimeout(timer);
  looks = LOOK_AFTER_MS.map((delay) => setTimeout(() => void look(), delay));
}

function signedIn(session: Session): void {
  sessionStorage.setItem(TOKEN_KEY, session.token);
  account = new Account(session.token);
  feed.authenticate(session.token);
  user.set(session.user);
  void look();
  void catchUp();
}

async function resume(token: string): Promise<void> {
  try {
    signedIn({ token, user: await new Account(token).me() });
  } catch (error) {
    if (error instanceof RequestError && error.status === 401) signedOut();
    else {
      toast("bad", error instanceof Error ? error.message : String(error));
      user.set(null);
    }
  }
}

function signedOut(why = ""): void {
  sessionStorage.removeItem(TOKEN_KEY);
  account = null;
  feed.authenticate("");
  for (const timer of looks) clearTimeout(timer);
  user.set(null);
  holdings.set(null);
  holdingsError.set(null);
  notices.set([]);
  unread.set(0);
  shownStory.set(null);
  if (why) toast("plain", why);
}

async function loadListed(): Promise<void> {
  try {
    const found = await instruments();
    listed.set(found);
    listedError.set(null);
    feed.followTrades(found.map((one) => one.symbol));
    const first = found.find((one) => one.symbol === symbolNow) ?? found[0];
    if (first === undefined) return;
    if (first.symbol !== symbolNow) choose(first.symbol);
    else if (trades.get().length === 0 && book.get() === null) {
      feed.followBook(first.symbol);
      void loadTape(first.symbol);
    }
  } catch (error) {
    listedError.set(error);
  }
}

async function loadTape(of: string): Promise<void> {
  if (of === "") return;
  const found = await tape(of, 60).catch(() => null); // the tape goes on live; the list's own error tells of an outage
  if (found === null || of !== symbolNow) return;
  trades.set((live) => newestFirst([...live, ...found]));
}

function onTrades(of: string, came: readonly FeedTrade[]): void {
  const newest = came[came.length - 1];
  if (newest === undefined) return;
  lastPrices.set((was) => {
    const before = was[of]?.price ?? listed.get().find((one) => one.symbol === of)?.last ?? newest.price;
    const change = Number(newest.price) - Number(before);
    return { ...was, [of]: { price: newest.price, up: change === 0 ? (was[of]?.up ?? null) : change > 0 } };
  });
  if (of !== symbolNow) return;
  const shown = came.map((trade) => ({ ...trade, quantity: Number(trade.quantity) }));
  trades.set((was) => newestFirst([...shown, ...was]));
}

/** Each trade once, newest first; ids are numbers that grow. */
function newestFirst(found: readonly TapeTrade[]): readonly TapeTrade[] {
  const byId = new Map(found.map((trade) => [trade.trade_id, trade]));
  return [...byId.values()].sort((a, b) => Number(b.trade_id) - Number(a.trade_id)).slice(0, TAPE_MAX);
}

function onNotice(notice: Notice): void {
  keep([notice]);
  unread.set((was) => was + 1);
  if (notice.type === "trade") {
    toast("good", noticeText(notice), { label: "Its way", run: () => shownStory.set({ orderId: notice.order_id }) });
  }
  lookSoon();
}

function keep(came: readonly Notice[]): void {
  notices.set((was) => {
    const all = new Map([...was, ...came].map((one) => [noticeKey(one), one]));
    return [...all.values()].sort((a, b) => b.seq - a.seq).slice(0, NOTICES_MAX);
  });
}

/** One event may tell a user several things. */
export function noticeKey(notice: Notice): string {
  return `${notice.seq} ${notice.type} ${notice.order_id} ${notice.price ?? ""} ${notice.open_quantity ?? ""} ${notice.status ?? ""}`;
}

/** What a user was told while away: page by page up to the newest. */
async function catchUp(): Promise<void> {
  const asked = account;
  if (asked === null) return;
  let after = notices.get()[0]?.seq ?? 0;
  try {
    for (let pages = 0; pages < CATCH_UP_PAGES_MAX; pages += 1) {
      const page = await asked.notices(after);
      if (asked !== account) return;
      keep(page.messages);
      if (page.messages.length === 0 || Number(page.up_to) <= after) return;
      after = Number(page.up_to);
    }
  } catch (error) {
    if (asked === account) toast("bad", `Notifications could not be read. ${error instanceof Error ? error.message : ""}`);
  }
}
