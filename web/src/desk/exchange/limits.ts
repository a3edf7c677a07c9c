/** Risk limits as administrators read and write them (docs/admin.md). */

import { parseMoney } from "../../shared/money";

export interface Limit {
  readonly name: string;
  readonly title: string;
  readonly isMoney: boolean;
  /** From this value on there is no limit; firms begin with it. */
  readonly none: number;
}

const limit = (name: string, title: string, none: number, isMoney = false): Limit => ({ name, title, isMoney, none });

export const LIMITS: readonly Limit[] = [
  limit("order_value", "Value of an order, $", 1e11, true),
  limit("order_quantity", "Shares of an order", 1e9),
  limit("price_collar_percent", "Price collar, %", Infinity),
  limit("position", "Position, shares of a symbol", 1e15),
  limit("exposure", "Exposure, $", 4e11, true),
  limit("credit", "Credit of a day, $", 4e11, true),
  limit("daily_value", "Value traded in a day, $", 4e11, true),
  limit("open_orders", "Open orders", 1e6),
  limit("orders_per_second", "Orders per second", 1e6),
  limit("duplicate_window_ms", "Window of duplicates, ms", Infinity),
];

/** The value in force as the form shows it; "" where there is no limit. */
export function limitText({ none }: Limit, value: string | number): string {
  return Number(value) >= none ? "" : String(value);
}

/** What cannot be set, in words; "" for what can. Empty puts the limit back to the default. */
export function limitProblem({ isMoney }: Limit, typed: string): string {
  if (typed.trim() === "") return "";
  if (!isMoney) return /^\d{1,15}$/.test(typed.trim()) ? "" : "A whole number.";
  const units = parseMoney(typed);
  return units !== null && units >= 0n ? "" : "An amount like 5000.00.";
}

/** The limits that differ from what is in force: their new values, null for the default. */
export function limitChanges(shown: Readonly<Record<string, string>>, typed: Readonly<Record<string, string>>): Record<string, string | null> {
  const changed = Object.entries(typed).filter(([name, value]) => value.trim() !== shown[name]);
  return Object.fromEntries(changed.map(([name, value]) => [name, value.trim() || null]));
}

/** Symbols as one types them: "AAPL, tsla". */
export function symbolsOf(text: string): string[] {
  return [...new Set(text.toUpperCase().split(/[\s,;]+/).filter(Boolean))];
}
