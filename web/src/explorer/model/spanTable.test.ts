import { describe, expect, it } from "vitest";
import { filteredSpans, filterFromUrl, nextSorting, sortingFromUrl } from "./spanTable";
import { jaegerTrace } from "./testing";
import { buildTrace } from "./trace";

const TRACE = buildTrace(
  jaegerTrace([
    { id: "1", service: "gateway", name: "POST /order", start: 0, duration: 5000 },
    { id: "2", parent: "1", service: "wallet", name: "hold", start: 10, duration: 900 },
    { id: "3", parent: "2", service: "wallet", name: "INSERT hold", start: 20, duration: 300, failed: true },
    { id: "4", parent: "1", service: "risk", name: "check", start: 1000, duration: 100 },
  ]),
);
const found = (query: string, places: number[] | null = null) => filteredSpans(TRACE, filterFromUrl(new URLSearchParams(query)), places).map((span) => span.id);

describe("the table of spans", () => {
  it.each([
    ["", ["1", "2", "3", "4"]],
    ["service=wallet", ["2", "3"]],
    ["operation=HOLD", ["2", "3"]],
    ["minDuration=0.9ms", ["1", "2"]],
    ["minDuration=soon", ["1", "2", "3", "4"]],
    ["failed=1", ["3"]],
    ["service=wallet&operation=hold&minDuration=500us", ["2"]],
  ])("filtered by %s", (query, ids) => expect(found(query)).toEqual(ids));

  it("looks among the spans that were found alone", () => expect(found("operation=hold", [0, 2])).toEqual(["3"]));

  it("turns from falling to rising to the order of the tree, by way of the address", () => {
    const turns = ["duration"];
    const read = () => sortingFromUrl(new URLSearchParams({ sort: turns.at(-1) ?? "" }));
    expect(sortingFromUrl(new URLSearchParams())).toBeNull();
    expect(read()).toEqual({ key: "duration", descending: false });
    turns.push(nextSorting(read(), "start"));
    expect(read()).toEqual({ key: "start", descending: true });
    turns.push(nextSorting(read(), "start"));
    expect(read()).toEqual({ key: "start", descending: false });
    expect(nextSorting(read(), "start")).toBe("");
  });
});
