/**
 * Where the services stand in the map: in columns from callers to called, each column in the order that bends its arrows
 * least. A call over several columns holds a place free in each column between, so that its arrow runs past the boxes and
 * not behind them (Sugiyama's method). Calls that lead back (A calls B, B calls A) are drawn, but do not decide a column.
 */

import { push } from "../model/lists";

/** A call: who, whom. */
export interface Link {
  readonly parent: string;
  readonly child: string;
}

/** A place in the map: column from the left, row centred on 0. */
export interface Place {
  column: number;
  row: number;
}

export interface MapNode extends Place {
  service: string;
}

export interface MapCall<L extends Link> {
  link: L;
  /** Places between caller and called through which the arrow runs. */
  via: Place[];
}

export interface ServiceMap<L extends Link> {
  nodes: Map<string, MapNode>;
  /** Without the calls of services to themselves. */
  calls: MapCall<L>[];
  columns: number;
  /** The most places in one column. */
  rows: number;
}

const SWEEPS = 8;

/** Services with callers before called, and the calls that keep to this: what leads back into an open branch does not. */
function sortByCalls(services: string[], called: Map<string, string[]>) {
  const order: string[] = [];
  const forward = new Map<string, string[]>();
  const state = new Map<string, "open" | "done">();
  const visit = (root: string) => {
    const stack: { service: string; next: number }[] = [{ service: root, next: 0 }];
    state.set(root, "open");
    for (let top = stack.at(-1); top; top = stack.at(-1)) {
      const child = called.get(top.service)?.[top.next++];
      if (child === undefined) {
        state.set(top.service, "done");
        order.push(top.service);
        stack.pop();
      } else if (state.get(child) !== "open") {
        push(forward, top.service, child);
        if (!state.has(child)) {
          state.set(child, "open");
          stack.push({ service: child, next: 0 });
        }
      }
    }
  };
  for (const service of services) if (!state.has(service)) visit(service);
  return { order: order.reverse(), forward };
}

/** The column of each service: the longest way to it from a service that nobody calls. */
function columnsOf(services: string[], called: Map<string, string[]>): Map<string, number> {
  const { order, forward } = sortByCalls(services, called);
  const columns = new Map<string, number>(services.map((service) => [service, 0]));
  for (const service of order) {
    const next = (columns.get(service) ?? 0) + 1;
    for (const child of forward.get(service) ?? []) columns.set(child, Math.max(columns.get(child) ?? 0, next));
  }
  return columns;
}

/** Sort each column by the mean row of its neighbours, there and back a few times (the barycentre method). */
function orderColumns(columns: string[][], neighbours: Map<string, string[]>): Map<string, number> {
  const rows = new Map<string, number>();
  const place = (column: string[]) => {
    for (const [i, name] of column.entries()) rows.set(name, i - (column.length - 1) / 2);
  };
  const mean = (name: string) => {
    const near = neighbours.get(name) ?? [];
    return near.length ? near.reduce((sum, other) => sum + (rows.get(other) ?? 0), 0) / near.length : (rows.get(name) ?? 0);
  };
  columns.forEach(place);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    for (const column of sweep % 2 ? [...columns].reverse() : columns) {
      const wish = new Map(column.map((name) => [name, mean(name)]));
      column.sort((a, b) => (wish.get(a) ?? 0) - (wish.get(b) ?? 0) || (a < b ? -1 : 1));
      place(column);
    }
  }
  return rows;
}

/** @param alone services that may have no calls; those of the links need not be named */
export function layoutMap<L extends Link>(links: readonly L[], alone: readonly string[] = []): ServiceMap<L> {
  const calls = links.filter((link) => link.parent !== link.child);
  const called = new Map<string, string[]>();
  for (const { parent, child } of calls) push(called, parent, child);
  const isCalled = new Set(calls.map((link) => link.child));
  // Those whom nobody calls come first, so that a ring is cut where its callers enter it.
  const names = [...new Set([...alone, ...links.flatMap((link) => [link.parent, link.child])])].sort();
  const services = [...names.filter((name) => !isCalled.has(name)), ...names.filter((name) => isCalled.has(name))];
  const columnOf = columnsOf(services, called);

  const columns: string[][] = [];
  const neighbours = new Map<string, string[]>();
  const join = (a: string, b: string) => (push(neighbours, a, b), push(neighbours, b, a));
  for (const service of services) (columns[columnOf.get(service) ?? 0] ??= []).push(service);
  const bends = calls.map(({ parent, child }) => {
    const [from, to] = [columnOf.get(parent) ?? 0, columnOf.get(child) ?? 0];
    const between: { name: string; column: number }[] = [];
    for (let column = from + 1; column < to; column++) between.push({ name: `${parent}\u0000${child}\u0000${column}`, column });
    for (const { name, column } of between) (columns[column] ??= []).push(name);
    const way = [parent, ...between.map(({ name }) => name), child];
    way.slice(1).forEach((name, i) => join(way[i] ?? parent, name));
    return between;
  });
  const rows = orderColumns(columns, neighbours);

  const nodeOf = (service: string): MapNode => ({
    service,
    column: columnOf.get(service) ?? 0,
    row: rows.get(service) ?? 0,
  });
  return {
    nodes: new Map(services.map((service) => [service, nodeOf(service)])),
    calls: calls.map((link, i) => ({
      link,
      via: (bends[i] ?? []).map(({ name, column }) => ({ column, row: rows.get(name) ?? 0 })),
    })),
    columns: columns.length,
    rows: Math.max(0, ...columns.map((column) => column.length)),
  };
}
