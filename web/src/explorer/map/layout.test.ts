import { describe, expect, it } from "vitest";
import { layoutMap } from "./layout";

const link = (text: string) => {
  const [parent = "", child = ""] = text.split(">");
  return { parent, child };
};

describe("the map", () => {
  it("puts callers left of what they call, by the longest way", () => {
    const { nodes, columns } = layoutMap(["gateway>orders", "gateway>engine", "orders>engine", "engine>wallet"].map(link));
    expect([...nodes.values()].map(({ service, column }) => `${service} ${column}`).sort()).toEqual(["engine 2", "gateway 0", "orders 1", "wallet 3"]);
    expect(columns).toBe(4);
  });

  it("cuts rings and keeps every call", () => {
    const map = layoutMap(["a>b", "b>c", "c>a", "b>b"].map(link));
    expect(map.nodes.size).toBe(3);
    expect(map.calls).toHaveLength(3);
    expect(new Set([...map.nodes.values()].map((node) => node.column)).size).toBe(3);
  });

  it("leads a call over several columns past the boxes between", () => {
    const map = layoutMap(["a>b", "b>c", "a>c"].map(link));
    const far = map.calls.find(({ link: { parent, child } }) => parent === "a" && child === "c");
    expect(far?.via.map(({ column }) => column)).toEqual([1]);
    expect(far?.via[0]?.row).not.toBe(map.nodes.get("b")?.row);
  });

  it("never puts two services on one place", () => {
    const names = Array.from({ length: 12 }, (_, i) => `s${i}`);
    const map = layoutMap(names.flatMap((a, i) => names.filter((_, j) => (i * 7 + j * 3) % 5 === 0).map((b) => link(`${a}>${b}`))));
    const places = [...map.nodes.values()].map(({ column, row }) => `${column}/${row}`);
    expect(new Set(places).size).toBe(map.nodes.size);
  });

  it("has services that nobody calls and that call nobody", () => {
    expect([...layoutMap([link("a>b")], ["a", "c"]).nodes.keys()].sort()).toEqual(["a", "b", "c"]);
  });

  it("of nothing is empty", () => expect(layoutMap([])).toMatchObject({ columns: 0, rows: 0, calls: [] }));
});
