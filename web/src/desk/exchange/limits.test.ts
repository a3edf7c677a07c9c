import { describe, expect, it } from "vitest";
import { type Limit, limitChanges, limitProblem, limitText, LIMITS, symbolsOf } from "./limits";

const of = (name: string) => LIMITS.find((limit) => limit.name === name) as Limit;

describe("a limit", () => {
  it("shows what is in force, and nothing where there is none", () => {
    expect(limitText(of("credit"), "5000.00")).toBe("5000.00");
    expect(limitText(of("credit"), "400000000000.00")).toBe("");
    expect(limitText(of("price_collar_percent"), 20)).toBe("20");
  });

  it.each([["credit", "250.50", ""], ["credit", "much", "An amount like 5000.00."], ["open_orders", "5", ""], ["open_orders", "5.5", "A whole number."], ["credit", " ", ""]])(
    "%s of %j: %j",
    (name, typed, problem) => expect(limitProblem(of(name), typed)).toBe(problem),
  );
});

describe("what is sent", () => {
  it("is what was changed; what was emptied goes back to the default", () => {
    expect(limitChanges({ credit: "5000.00", open_orders: "10", position: "" }, { credit: "", open_orders: "10", position: " 7 " })).toEqual({
      credit: null, position: "7",
    });
  });

  it("names symbols as they are listed", () => expect(symbolsOf("aapl, TSLA  aapl;")).toEqual(["AAPL", "TSLA"]));
});
