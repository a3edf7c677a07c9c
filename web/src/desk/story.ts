/**
 * The way of an order (or of any own request) as a plain story, told from the spans of its trace. Pure.
 *
 * Each step is a sentence with its time. What is told is what the spans say: a step without a span is not in the story.
 * The operations are those of docs and ARCHITECTURE.md, "The way of one order".
 */

import { dollars, grouped, parseMoney } from "../shared/money";
import { duration } from "../shared/time";
import type { Span, Trace } from "./types";

export interface Step {
  readonly key: string;
  readonly text: string;
  readonly kind: "done" | "refused" | "undone" | "failed" | "answer";
  /** The span that the step was told from, to mark it in the waterfall. */
  readonly spanId: string;
}

interface Telling {
  readonly span: Span;
  readonly root: Span;
  readonly took: string;
  readonly trades: number;
}

/** Operations on the way to the answer, in the words of the story. */
const TOLD: Readonly<Record<string, (telling: Telling) => string>> = {
  verify_token: ({ took }) => `recognised you in ${took}`,
  authenticate: ({ took }) => `checked your password in ${took}`,
  check_balance: ({ root, took }) => `held ${held(root)} in ${took}`,
  validate_order: ({ root, took }) => `passed ${count(Number(root.attributes["risk.checks"] ?? 0), "limit")} in ${took}`,
  create_order: ({ took }) => `written to disk in ${took}`,
  match_order: matched,
  cancel_order: ({ took }) => `taken out of the book in ${took}`,
};

const UNDONE: Readonly<Record<string, string>> = {
  release_hold: "gave back what was held",
  release_order: "gave back what was counted against your limits",
  fail_order: "wrote the order off",
};

const REFUSED: Readonly<Record<string, string>> = {
  check_balance: "not enough to hold",
  validate_order: "stopped by a limit",
  verify_token: "not signed in",
  match_order: "refused by the matching engine",
  create_order: "refused by the order-manager",
};

/** The steps in the order in which they happened. */
export function story(trace: Trace): readonly Step[] {
  const root = trace.spans.find((span) => span.parent_id === "");
  if (root === undefined) return [];
  const trades = trace.spans.filter((span) => span.name === "settle_trade").length;
  const before = trace.spans
    .filter((span) => span.parent_id === root.span_id && !isDetail(span))
    .map((span) => step({ span, root, took: duration(span.duration_us), trades }));
  return [...before, answer(root), ...after(trace, root)];
}

/** The story in one line, for a list. */
export function summary(steps: readonly Step[]): string {
  return steps
    .filter((one) => one.kind !== "answer" && !one.text.startsWith("recognised"))
    .map((one) => one.text)
    .join(" · ");
}

/** When the last span ended, in µs after the first began. */
export function totalUs(spans: readonly Span[]): number {
  if (spans.length === 0) return 0;
  return Math.max(...spans.map(endUs)) - Math.min(...spans.map((span) => span.start_us));
}

function step(telling: Telling): Step {
  const { span, took } = telling;
  const refusal = span.attributes["refusal.code"];
  const base = { key: span.span_id, spanId: span.span_id };
  if (span.error) return { ...base, kind: "failed", text: `${span.service} failed at ${words(span.name)} after ${took}` };
  if (refusal !== undefined) {
    const why = REFUSED[span.name] ?? `${span.service} said no`;
    return { ...base, kind: "refused", text: `${why} (${words(String(refusal))}), said in ${took}` };
  }
  const undone = UNDONE[span.name];
  if (undone !== undefined) return { ...base, kind: "undone", text: `${undone} in ${took}` };
  const told = TOLD[span.name];
  return { ...base, kind: "done", text: told ? told(telling) : `${span.service}: ${words(span.name)} in ${took}` };
}

function answer(root: Span): Step {
  const status = Number(root.attributes["http.response.status_code"] ?? 0);
  const code = root.attributes["error.code"];
  const how = code === undefined ? "answered you" : `answered “${words(String(code))}”`;
  const text = `${how} after ${duration(root.duration_us)}`;
  return { key: "answer", spanId: root.span_id, kind: status >= 400 ? "refused" : "answer", text };
}

/** What the order's event brought about once you had your answer. */
function after(trace: Trace, root: Span): Step[] {
  const steps: (Step & { readonly endUs: number })[] = [];
  const last = (name: string, text: (later: string) => string) => {
    const spans = trace.spans.filter((span) => span.name === name);
    const final = spans.reduce<Span | null>((best, span) => (best === null || endUs(span) > endUs(best) ? span : best), null);
    if (final === null) return;
    const later = endUs(final) - endUs(root);
    const when = later > 0 ? `${duration(later)} later` : "before you had your answer";
    const kind = spans.some((span) => span.error) ? "failed" : "done";
    steps.push({ key: name, spanId: final.span_id, kind, text: text(when), endUs: endUs(final) });
  };
  last("settle_trade", (when) => `settled ${when}`);
  last("update_book", (when) => `on everybody's screen ${when}`);
  last("notify_user", (when) => `told you ${when}`);
  return steps.sort((a, b) => a.endUs - b.endUs).map(({ endUs: _, ...step }) => step);
}

function matched({ span, took, trades }: Telling): string {
  const status = String(span.attributes["order.status"] ?? "");
  if (trades > 0) {
    const met = `matched ${count(trades, "resting order")} in ${took}`;
    return status === "PARTIALLY_FILLED" || status === "OPEN" ? `${met}, the rest waits in the book` : met;
  }
  if (status === "OPEN") return `placed in the book in ${took}`;
  return `found nothing to trade with in ${took}`;
}

function held(root: Span): string {
  const { "hold.asset": asset, "hold.amount": amount } = root.attributes;
  if (amount === undefined) return "what it can cost";
  if (asset !== "USD") return `${grouped(String(amount))} ${String(asset)}`;
  const units = parseMoney(String(amount));
  return units === null ? String(amount) : dollars(units);
}

function count(number: number, noun: string): string {
  return `${grouped(number)} ${noun}${number === 1 ? "" : "s"}`;
}

/** "insufficient_funds" as "insufficient funds". */
export function words(code: string): string {
  return code.replaceAll("_", " ");
}

/** A statement or a message below a step belongs to the waterfall, not to the story. */
function isDetail(span: Span): boolean {
  const kind = span.attributes["span.kind"];
  return kind === "client" || kind === "producer" || kind === "consumer";
}

function endUs(span: Span): number {
  return span.start_us + span.duration_us;
}
