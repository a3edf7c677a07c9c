import { describe, expect, it } from "vitest";
import { apiParams, EMPTY_QUERY, filterParams, problemsOf, queryFromUrl, queryToUrl, type SearchQuery, timeWindow } from "./query";
import { sortSummaries, type TraceSummary } from "./summary";
import { parseTags, TagTextError, tagsText } from "./tags";

const NOW = 1_700_000_000_000_000;

describe("tags as typed", () => {
  it.each([
    ["error=true", { error: "true" }],
    ['http.route="/v1/order" n=3', { "http.route": "/v1/order", n: "3" }],
    ['text="say \\"hi\\" a=b"', { text: 'say "hi" a=b' }],
    ["error", { error: "true" }],
    ["empty=", { empty: "" }],
    ["query=a=b", { query: "a=b" }],
    ["", {}],
  ])("%s", (text, tags) => expect(parseTags(text)).toEqual(tags));

  it.each(["=5", 'a="open'])("that make no sense are refused: %s", (text) => expect(() => parseTags(text)).toThrow(TagTextError));

  it("come back from their text", () => {
    const tags = { a: "b", "http.route": "/x y", quote: 'a"b\\c', empty: "" };
    expect(parseTags(tagsText(tags))).toEqual(tags);
  });
});

describe("a query", () => {
  const full: SearchQuery = {
    q: 'NOT "time out"', service: "client-gateway", operation: "POST /v1/order", tags: { error: "true", "a b": 'c"d' }, minDuration: "1.2ms", maxDuration: "2s",
    lookback: "custom", start: NOW - 5, end: NOW, pick: "1", limit: 50, traceIds: ["1f"],
  };

  it("comes back from its address", () => {
    for (const query of [full, EMPTY_QUERY, { ...full, pick: "longest" }]) expect(queryFromUrl(new URLSearchParams(queryToUrl(query).toString()))).toEqual(query);
  });

  it("is read from an address of Jaeger's own UI", () => {
    const address =
      "end=1700000000000000&limit=20&lookback=1h&maxDuration&minDuration&operation=all&service=frontend&start=1699996400000000&tags=%7B%22error%22%3A%22true%22%7D";
    expect(queryFromUrl(new URLSearchParams(address))).toEqual({
      ...EMPTY_QUERY, service: "frontend", tags: { error: "true" }, start: 1_699_996_400_000_000, end: NOW,
    });
  });

  it("takes what it can from a damaged address", () => {
    const query = queryFromUrl(new URLSearchParams("service=a&tags={&start=yesterday&limit=-3&tag=error:true"));
    expect(query).toEqual({ ...EMPTY_QUERY, service: "a", tags: { error: "true" } });
  });

  it("counts its lookback from now unless it names a start", () => {
    expect(timeWindow({ ...EMPTY_QUERY, lookback: "5m" }, NOW)).toEqual({ start: NOW - 300_000_000, end: NOW });
    expect(timeWindow(full, NOW + 99)).toEqual({ start: NOW - 5, end: NOW });
  });

  it("asks the API in its parameters", () => {
    const params = apiParams(full, NOW);
    expect(Object.fromEntries(params)).toEqual({
      q: 'NOT "time out"', service: "client-gateway", operation: "POST /v1/order", tags: JSON.stringify(full.tags), minDuration: "1.2ms", maxDuration: "2s",
      start: String(NOW - 5), end: String(NOW), limit: "50", slowest: "1%", order: "duration",
    });
  });

  it("for live spans asks for neither time nor number", () => {
    expect([...filterParams({ ...EMPTY_QUERY, service: "a" })]).toEqual([["service", "a"]]);
  });

  it("says what cannot be asked", () => {
    expect(problemsOf(full)).toEqual({});
    expect(Object.keys(problemsOf({ ...full, minDuration: "5", maxDuration: "x" }))).toEqual(["minDuration", "maxDuration"]);
    expect(Object.keys(problemsOf({ ...full, minDuration: "3s", start: NOW + 1 }))).toEqual(["maxDuration", "end"]);
  });
});

describe("found traces", () => {
  const trace = (id: string, startTime: number, duration: number, spanCount: number, failedCount: number): TraceSummary => ({
    id, service: "", operation: "", startTime, duration, spanCount, failedCount, services: [],
  });
  const found = [trace("a", 1, 30, 5, 0), trace("b", 2, 10, 5, 2), trace("c", 3, 20, 9, 0)];

  it.each([["newest", "cba"], ["oldest", "abc"], ["longest", "acb"], ["shortest", "bca"], ["most-spans", "cba"], ["most-errors", "bca"]] as const)(
    "in the order %s",
    (order, ids) => expect(sortSummaries(found, order).map(({ id }) => id).join("")).toBe(ids),
  );
});
