import { describe, expect, it } from "vitest";
import { type Finding, placesOf, titleOf } from "./analysis";
import { jaegerTrace } from "./testing";
import { buildTrace } from "./trace";

const TRACE = buildTrace(
  jaegerTrace([
    { id: "root", start: 0, duration: 100 },
    { id: "a", parent: "root", start: 10, duration: 20 },
    { id: "b", parent: "root", start: 40, duration: 20 },
  ]),
);
const FINDING: Finding = { kind: "retry", service: "service", operation: "a", cost_ms: 1, summary: "", span_ids: ["b", "gone", "a"] };

describe("a finding", () => {
  it("is about the spans that the trace has, in the order of the tree", () => expect(placesOf(TRACE, FINDING)).toEqual([1, 2]));

  it.each([["retry", "Retries"], ["cold_cache", "cold cache"]])("of kind %s is called %s", (kind, title) => expect(titleOf(kind)).toBe(title));
});
