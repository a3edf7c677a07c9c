/** The order book: levels with bars for their depth. A click, or Enter, puts a price into the ticket. */

import type { KeyboardEvent } from "react";
import { dollars, grouped, moneyText } from "../shared/money";
import { useStore } from "../shared/store";
import { EmptyState, Loading } from "../shared/states";
import type { Indication, Level } from "./book";
import * as desk from "./desk";
import { words } from "./story";

const DEPTH = 12;

export function Ladder() {
  const book = useStore(desk.book);
  const holdings = useStore(desk.holdings);
  const symbol = useStore(desk.symbol);
  const own = new Set(holdings?.orders.filter((order) => order.symbol === symbol).map((order) => order.price));
  const asks = book?.asks.slice(0, DEPTH) ?? [];
  const bids = book?.bids.slice(0, DEPTH) ?? [];
  const most = Math.max(1, ...[...asks, ...bids].map((level) => level.quantity));
  const row = (side: "bid" | "ask") => (level: Level, index: number) => (
    <LevelRow key={level.price} level={level} side={side} most={most} own={own.has(moneyText(level.price))} first={side === "bid" && index === 0} />
  );
  return (
    <section className="panel book" aria-label="Order book">
      <header>
        <h2 className="grow">Order book</h2>
        {book && book.session !== "CONTINUOUS" && <span className="chip warn">{words(book.session.toLowerCase())}</span>}
        <span className="muted small-text">click a price to use it</span>
      </header>
      {book === null ? (
        <Loading label="Reading the order book" lines={8} />
      ) : asks.length + bids.length === 0 ? (
        <EmptyState title="The book is empty">Place the first order.</EmptyState>
      ) : (
        <div className="ladder" onKeyDown={moveFocus}>
          <div className="asks">{asks.map(row("ask"))}</div>
          {book.indication ? <Auction indication={book.indication} /> : <Spread bid={bids[0]} ask={asks[0]} />}
          <div className="bids">{bids.map(row("bid"))}</div>
        </div>
      )}
    </section>
  );
}

interface LevelRowProps {
  readonly level: Level;
  readonly side: "bid" | "ask";
  readonly most: number;
  readonly own: boolean;
  readonly first: boolean;
}

function LevelRow({ level, side, most, own, first }: LevelRowProps) {
  const price = moneyText(level.price);
  return (
    <button
      type="button"
      className={`level ${side}`}
      // One stop for Tab; the arrow keys go from level to level.
      tabIndex={first ? 0 : -1}
      onClick={() => desk.pickedPrice.set({ price, at: Date.now() })}
    >
      <span className="bar" style={{ width: `${(level.quantity / most) * 100}%` }} />
      <span className={side === "bid" ? "buy" : "sell"}>
        {own && (
          <span className="own" aria-hidden="true">
            ●{" "}
          </span>
        )}
        <span className="visually-hidden">{side} </span>
        {price}
      </span>
      <span>
        {grouped(level.quantity)}
        <span className="visually-hidden"> shares{own && ", you have an order here"}</span>
      </span>
    </button>
  );
}

/** What the auction would bring if it were now, in place of a spread that a collecting book does not have. */
function Auction({ indication }: { readonly indication: Indication }) {
  const { price, volume, imbalance, side } = indication;
  return (
    <div className="spread">
      <strong>
        {grouped(volume)} at {price}
      </strong>
      <span className="muted">{side === null ? "balanced" : `${grouped(imbalance)} more to ${side.toLowerCase()}`}</span>
    </div>
  );
}

function Spread({ bid, ask }: { readonly bid: Level | undefined; readonly ask: Level | undefined }) {
  if (!bid || !ask) return <div className="spread muted">one side is empty</div>;
  return (
    <div className="spread">
      <strong>{dollars((bid.price + ask.price) / 2n)}</strong>
      <span className="muted">spread {moneyText(ask.price - bid.price)}</span>
    </div>
  );
}

function moveFocus(event: KeyboardEvent<HTMLDivElement>): void {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step === undefined) return;
  event.preventDefault();
  const levels = (side: string) => [...event.currentTarget.querySelectorAll<HTMLButtonElement>(`.level.${side}`)];
  // Asks stand best first in the page and are drawn upwards from the middle, so that the middle is what stays in sight.
  const all = [...levels("ask").reverse(), ...levels("bid")];
  const now = all.indexOf(document.activeElement as HTMLButtonElement);
  all[Math.min(all.length - 1, Math.max(0, now + step))]?.focus();
}
