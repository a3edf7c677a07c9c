import { describe, expect, it } from "vitest";
import { comparePath, normalTraceId, routeOf, tracePath } from "./route";

const NONE = new URLSearchParams();

describe("addresses", () => {
  it("are those of Jaeger's UI", () => {
    expect(routeOf("/", NONE).page).toBe("search");
    expect(routeOf("/search", NONE).page).toBe("search");
    expect(routeOf("/dependencies", NONE).page).toBe("dependencies");
    expect(routeOf("/monitor", NONE).page).toBe("monitor");
    expect(routeOf("/trace/1f", NONE)).toMatchObject({ page: "trace", id: "1f" });
    expect(routeOf("/trace/1f...2e", NONE)).toEqual({ page: "compare", a: "1f", b: "2e" });
  });

  it("has a few beside them", () => {
    expect(routeOf("/alerts", NONE)).toEqual({ page: "alerts" });
    expect(routeOf("/insights", NONE).page).toBe("insights");
    expect(routeOf("/compare", NONE).page).toBe("windows");
  });

  it("that are none of ours say so", () => expect(routeOf("/monitor/x", NONE).page).toBe("unknown"));

  it("lead back to what they were made for", () => {
    expect(routeOf(comparePath("a1", "b2"), NONE)).toEqual({ page: "compare", a: "a1", b: "b2" });
    expect(tracePath("a1", "s p")).toBe("/trace/a1?uiFind=s%20p");
  });
});

describe("a trace id", () => {
  it.each([["1F", "000000000000001f"], [" 0af7651916cd43dd8448eb211c80319c ", "0af7651916cd43dd8448eb211c80319c"], ["00000000000000000af7651916cd43dd", "0af7651916cd43dd"]])(
    "%s",
    (text, id) => expect(normalTraceId(text)).toBe(id),
  );

  it.each(["", "xyz", "0000", "1".repeat(33)])("is none: %j", (text) => expect(normalTraceId(text)).toBeNull());
});
