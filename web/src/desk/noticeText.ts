/** What a user is told about an own order, as a sentence. Pure. */

import { dollars, grouped, money } from "../shared/money";
import { words } from "./story";
import type { Notice } from "./types";

export function noticeText(notice: Notice): string {
  const verb = notice.side === "BUY" ? "bought" : "sold";
  const left = notice.open_quantity ?? 0;
  if (notice.type === "trade") {
    const rest = left > 0 ? `, ${grouped(left)} still open` : "";
    return `You ${verb} ${grouped(notice.quantity ?? 0)} ${notice.symbol} at ${dollars(money(notice.price ?? "0"))}${rest}.`;
  }
  if (notice.type === "reduced") {
    return `Your ${notice.symbol} order lost ${grouped(notice.quantity ?? 0)} shares to self-trade prevention.`;
  }
  if (notice.type === "triggered") return `Your ${notice.symbol} stop was triggered with ${grouped(left)} shares.`;
  if (notice.type === "amended") {
    return `Your ${notice.symbol} order is now ${grouped(notice.quantity ?? 0)} at ${dollars(money(notice.price ?? "0"))}.`;
  }
  return orderText(notice, notice.side === "BUY" ? "purchase" : "sale", left);
}

function orderText(notice: Notice, what: string, left: number): string {
  const order = `Your ${what} of ${notice.symbol}`;
  const why = notice.reason ? ` (${words(notice.reason)})` : "";
  switch (notice.status) {
    case "OPEN":
    case "PARTIALLY_FILLED":
      return `${order} waits in the book with ${grouped(left)} shares.`;
    case "FILLED":
      return `${order} is filled.`;
    case "CANCELLED":
      return `${order} is cancelled${why}; ${grouped(notice.unfilled_quantity ?? 0)} shares stayed unfilled.`;
    default:
      return `${order} is ${words((notice.status ?? notice.type).toLowerCase())}${why}.`;
  }
}
