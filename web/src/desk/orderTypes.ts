/**
 * What an order can be, as a list: the ticket shows and checks what stands here. A further type is a further entry.
 * The rules are those of services/client_gateway/requests.py, which has the last word.
 */

export interface TimeInForce {
  readonly key: string;
  readonly title: string;
  /** Whether what does not trade at once stays in the book. */
  readonly rests: boolean;
}

export const TIMES: Readonly<Record<string, TimeInForce>> = {
  GTC: { key: "GTC", title: "Good till cancelled", rests: true },
  DAY: { key: "DAY", title: "Until the session closes", rests: true },
  GTD: { key: "GTD", title: "Until a date", rests: true },
  IOC: { key: "IOC", title: "Immediate or cancel", rests: false },
  FOK: { key: "FOK", title: "Fill or kill", rests: false },
};

export interface OrderType {
  readonly key: string;
  readonly title: string;
  readonly hint: string;
  /** Price fields of the API in the order of the form, with their labels. */
  readonly prices: readonly { readonly field: "price" | "stop_price" | "trail_amount"; readonly label: string }[];
  /** Keys of TIMES, the usual one first. */
  readonly times: readonly string[];
  /** Whether it may be post-only or an iceberg while its time in force lets it rest. */
  readonly options: boolean;
}

export const ORDER_TYPES: readonly OrderType[] = [
  {
    key: "LIMIT",
    title: "Limit",
    hint: "Trades at your price or better; the rest waits in the book.",
    prices: [{ field: "price", label: "Limit price" }],
    times: ["GTC", "DAY", "GTD", "IOC", "FOK"],
    options: true,
  },
  {
    key: "MARKET",
    title: "Market",
    hint: "Trades at once at the best prices there are, within 5 % of the quote.",
    prices: [],
    times: ["IOC", "FOK"],
    options: false,
  },
  {
    key: "STOP",
    title: "Stop",
    hint: "Waits until the last price reaches the stop, then trades at once, within 5 % of it.",
    prices: [{ field: "stop_price", label: "Stop price" }],
    times: ["GTC", "DAY", "GTD"],
    options: false,
  },
  {
    key: "STOP_LIMIT",
    title: "Stop limit",
    hint: "Waits until the last price reaches the stop, then is a limit order.",
    prices: [
      { field: "stop_price", label: "Stop price" },
      { field: "price", label: "Limit price" },
    ],
    times: ["GTC", "DAY", "GTD"],
    options: false,
  },
  {
    key: "TRAILING_STOP",
    title: "Trailing stop",
    hint: "A stop that follows the last price at a distance, in your favour only.",
    prices: [{ field: "trail_amount", label: "Distance" }],
    times: ["GTC", "DAY", "GTD"],
    options: false,
  },
];

export const SELF_TRADE: readonly { readonly key: string; readonly title: string }[] = [
  { key: "CANCEL_NEWEST", title: "Cancel this order" },
  { key: "CANCEL_OLDEST", title: "Cancel the older order" },
  { key: "CANCEL_BOTH", title: "Cancel both" },
  { key: "DECREMENT", title: "Reduce both" },
];
