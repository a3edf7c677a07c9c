import { describe, expect, it } from "vitest";
import { changeTail, EMPTY_TAIL, KEPT_MAX, type LiveSpan, narrowed, type Tail } from "./tail";

const span = (id: number, more: Partial<LiveSpan> = {}): LiveSpan => ({
  trace_id: `trace${id}`, span_id: `${id}`, parent_id: null, service: "shop", operation: "GET /cart", kind: "server", status: "UNSET",
  start_us: id, duration_us: 1, ...more,
});
const came = (tail: Tail, ...ids: number[]) => changeTail(tail, { type: "came", batch: { spans: ids.map((id) => span(id)), matched: ids.length } });
const ids = (spans: readonly LiveSpan[]) => spans.map(({ start_us }) => start_us);

describe("the tail", () => {
  it("has the newest first", () => expect(ids(came(came(EMPTY_TAIL, 1, 2), 4, 3).shown)).toEqual([4, 3, 2, 1]));

  it("keeps so many and no more, and counts all", () => {
    let tail = EMPTY_TAIL;
    for (let i = 0; i < KEPT_MAX + 50; i++) tail = came(tail, i);
    expect([tail.shown.length, tail.shown[0]?.start_us, tail.matched]).toEqual([KEPT_MAX, KEPT_MAX + 49, KEPT_MAX + 50]);
  });

  it("stands still while paused, and then has what came meanwhile", () => {
    const paused = came(changeTail(came(EMPTY_TAIL, 1), { type: "pause" }), 2, 3);
    expect([ids(paused.shown), ids(paused.held), paused.matched]).toEqual([[1], [3, 2], 3]);
    const on = changeTail(paused, { type: "go-on" });
    expect([ids(on.shown), on.held, on.isPaused]).toEqual([[3, 2, 1], [], false]);
  });

  it("is empty when cleared, and goes on", () => expect(ids(came(changeTail(came(EMPTY_TAIL, 1), { type: "clear" }), 2).shown)).toEqual([2]));
});

describe("what is shown of it", () => {
  const spans = [span(1), span(2, { service: "Wallet", status: "ERROR" }), span(3, { operation: "POST /pay" })];

  it.each([["wallet", false, [2]], ["post", false, [3]], ["TRACE1", false, [1]], ["", true, [2]], ["shop", true, []], ["", false, [1, 2, 3]]] as const)(
    "for %j, failed only: %s",
    (text, onlyFailed, expected) => expect(ids(narrowed(spans, text, onlyFailed))).toEqual(expected),
  );
});
