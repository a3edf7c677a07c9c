import { describe, expect, it } from "vitest";
import { story, summary } from "./story";
import type { Span, Trace } from "./types";

let last = 0;
function span(name: string, start_us: number, duration_us: number, some: Partial<Span> = {}): Span {
  last += 1;
  return {
    span_id: `s${last}`, parent_id: "root", name, service: "a-service", start_us, duration_us, error: false,
    attributes: { "span.kind": "server" }, ...some,
  };
}
const root = (attributes: Span["attributes"], duration_us = 9000) =>
  span("POST /v1/order", 0, duration_us, { span_id: "root", parent_id: "", service: "client-gateway", attributes });
const trace = (...spans: Span[]): Trace => ({ trace_id: "t", explorer_url: "", spans });
const texts = (of: Trace) => story(of).map((step) => step.text);

const bought = trace(
  root({ "http.response.status_code": 201, "hold.asset": "USD", "hold.amount": "1500.00", "risk.checks": 7 }),
  span("verify_token", 500, 380),
  span("HGET quote", 900, 100, { attributes: { "span.kind": "client" } }),
  span("check_balance", 1000, 800),
  span("validate_order", 1000, 300),
  span("create_order", 2000, 1400),
  span("match_order", 4000, 1900, { attributes: { "order.status": "FILLED" } }),
  span("settle_trade", 9500, 1000, { parent_id: "elsewhere" }),
  span("settle_trade", 9500, 1600, { parent_id: "elsewhere" }),
);

describe("the story of an order", () => {
  it("tells each step with its figures", () => {
    expect(texts(bought)).toEqual([
      "recognised you in 380 µs",
      "held $1,500.00 in 800 µs",
      "passed 7 limits in 300 µs",
      "written to disk in 1.40 ms",
      "matched 2 resting orders in 1.90 ms",
      "answered you after 9.00 ms",
      "settled 2.10 ms later",
    ]);
  });

  it("fits in a line", () => {
    expect(summary(story(bought))).toBe(
      "held $1,500.00 in 800 µs · passed 7 limits in 300 µs · written to disk in 1.40 ms · " +
        "matched 2 resting orders in 1.90 ms · settled 2.10 ms later",
    );
  });

  it("says where it waits, and that a sale holds shares", () => {
    const sale = trace(
      root({ "hold.asset": "AAPL", "hold.amount": "1200" }),
      span("check_balance", 0, 800),
      span("match_order", 0, 900, { attributes: { "order.status": "OPEN" } }),
    );
    expect(texts(sale)).toContain("held 1,200 AAPL in 800 µs");
    expect(texts(sale)).toContain("placed in the book in 900 µs");
  });

  it("names the step that refused, and what was given back", () => {
    const refused = story(
      trace(
        root({ "http.response.status_code": 422, "error.code": "insufficient_funds" }),
        span("check_balance", 0, 700, { attributes: { "span.kind": "server", "refusal.code": "insufficient_funds" } }),
        span("release_order", 800, 600),
      ),
    );
    expect(refused.map((step) => step.kind)).toEqual(["refused", "undone", "refused"]);
    expect(refused[0]?.text).toContain("insufficient funds");
  });

  it("marks a step that failed", () => {
    const failed = story(trace(root({}), span("match_order", 0, 5e6, { error: true, service: "matching-engine" })));
    expect(failed[0]).toMatchObject({ kind: "failed", text: "matching-engine failed at match order after 5.00 s" });
  });

  it("knows that a settlement can be faster than the answer", () => {
    expect(texts(trace(root({}), span("settle_trade", 100, 100, { parent_id: "x" })))).toContain(
      "settled before you had your answer",
    );
  });

  it("tells what came after the answer in the order in which it came", () => {
    const late = trace(
      root({}, 100),
      span("settle_trade", 300, 100, { parent_id: "x" }),
      span("notify_user", 200, 100, { parent_id: "x" }),
    );
    expect(texts(late)).toEqual(["answered you after 100 µs", "told you 200 µs later", "settled 300 µs later"]);
  });

  it("is empty without spans", () => {
    expect(story(trace())).toEqual([]);
  });
});
