import { describe, expect, it } from "vitest";
import type { Span } from "./types";
import { rows } from "./waterfall";

const span = (span_id: string, parent_id: string, start_us: number, duration_us: number): Span => ({
  span_id, parent_id, start_us, duration_us, name: span_id, service: "s", error: false, attributes: {},
});

describe("a waterfall", () => {
  it("shows children below their parents in order of start", () => {
    const found = rows([span("b", "root", 20, 10), span("root", "", 0, 50), span("a", "root", 10, 90), span("a1", "a", 30, 1)]);
    expect(found.map((row) => [row.span.span_id, row.depth])).toEqual([["root", 0], ["a", 1], ["a1", 2], ["b", 1]]);
    expect(found[1]).toMatchObject({ start: 0.1, length: 0.9 });
  });

  it("keeps a span whose parent is missing", () => {
    expect(rows([span("orphan", "gone", 5, 5)])).toMatchObject([{ depth: 0, start: 0, length: 1 }]);
  });

  it("is empty without spans", () => {
    expect(rows([])).toEqual([]);
  });
});
