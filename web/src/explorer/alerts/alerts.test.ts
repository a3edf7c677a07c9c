import { describe, expect, it } from "vitest";
import { measureName, scopeOf, valueOf } from "./alerts";

describe("the value of an alert", () => {
  it.each([["p95_ms", 612.4, "612 ms"], ["error_rate", 0.025, "2.5 %"], ["silent_s", 330, "5 m 30 s"], ["rate_per_s", 12.34, "12.3/s"], ["lost_share", 0.5, "50 %"]])(
    "of %s is told in its unit",
    (measure, value, text) => expect(valueOf(measure, value)).toBe(text),
  );

  it("is followed by what it measures", () => expect(["p99_ms", "error_rate"].map(measureName)).toEqual(["p99", "errors"]));
});

describe("a silence", () => {
  it("without conditions is about everything", () => expect(scopeOf({ rule: "", service: "", operation: "" })).toBe("everything"));

  it("names its conditions", () => expect(scopeOf({ rule: "SlowOrders", service: "shop", operation: "" })).toBe("SlowOrders · shop"));
});
