import { describe, expect, it } from "vitest";
import { compareFromUrl, comparePath, type CompareQuery, rangesOf, tracesWith } from "./windows";

const END = 1_800_000_000_000;
const MINUTE = 60_000;
const QUERY: CompareQuery = { service: "a b", operation: "GET /x", lookback: "15m", end_ms: END, against: "24h", base: { lookback: "15m", end_ms: null } };
const read = (path: string) => compareFromUrl(new URL(path, "http://x").searchParams);

describe("a comparison", () => {
  it.each([QUERY, { ...QUERY, against: "then", base: { lookback: "1h", end_ms: END - 5 } }])("comes back from its address: %j", (query) =>
    expect(read(comparePath(query))).toEqual(query),
  );

  it("is of the last quarter of an hour against the one before, unless it says otherwise", () => {
    expect(read("/compare")).toMatchObject({ service: "", lookback: "15m", end_ms: null, against: "before" });
    expect(read(`/compare?baseEnd=${END}`)).toMatchObject({ against: "then", base: { lookback: "15m", end_ms: END } });
  });

  it.each([["before", 15], ["1h", 60], ["24h", 1440]])("against %s is of equal lengths", (against, minutes) => {
    const { base, other } = rangesOf({ ...QUERY, against }, END + 99);
    expect(other).toEqual({ start_ms: END - 15 * MINUTE, end_ms: END });
    expect(base).toEqual({ start_ms: other.start_ms - minutes * MINUTE, end_ms: END - minutes * MINUTE });
  });

  it("against any other window is of that one", () => {
    const { base } = rangesOf({ ...QUERY, against: "then", base: { lookback: "1h", end_ms: END - 5 } }, END);
    expect(base).toEqual({ start_ms: END - 5 - 60 * MINUTE, end_ms: END - 5 });
  });
});

describe("what a value leads to", () => {
  const range = { start_ms: 1, end_ms: 2 };
  const value = { service: "shop", operation: "GET /x", key: "zone", value: "south" };

  it("are the longest traces with it, on the operation", () => {
    expect(tracesWith({ ...value, on: "span" }, range)).toMatchObject({ service: "shop", operation: "GET /x", tags: { zone: "south" }, start: 1000, pick: "longest" });
  });

  it("is asked of the whole trace where it is the request's", () => {
    expect(tracesWith({ ...value, on: "root" }, range)).toMatchObject({ service: "", operation: "", tags: { zone: "south" } });
  });
});
