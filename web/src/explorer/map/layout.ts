/**
 * Where the services stand in the map: in columns from callers to called, each column in the order that bends its arrows
 * least. Calls that lead back (A calls B, B calls A) are drawn, but do not decide a column.
 */

import type { DependencyLink } from "../model/jaeger";
import { at } from "../model/lists";

export interface MapNode {
  service: string;
  column: number;
  /** Place within the column, centred on 0. */
  row: number;
  callsIn: number;
  callsOut: number;
}

export interface ServiceMap {
  nodes: Map<string, MapNode>;
  links: DependencyLink[];
  columns: number;
  /** The most nodes in one column. */
  rows: number;
}

const SWEEPS = 8;

/** The columns by longest way from a service that nobody calls, each back edge left out. */
function columnsOf(services: string[], called: Map<string, string[]>): Map<string, number> {
  const order: string[] = [];
  const state = new Map<string, "open" | "done">();
  const forward = new Map<string, string[]>();
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
        forward.set(top.service, [...(forward.get(top.service) ?? []), child]);
        if (!state.has(child)) {
          state.set(child, "open");
          stack.push({ service: child, next: 0 });
        }
      }
    }
  };
  for (const service of services) if (!state.has(service)) visit(service);
  const columns = new Map<string, number>(services.map((service) => [service, 0]));
  for (const service of order.reverse()) {
    const column = columns.get(service) ?? 0;
    for (const child of forward.get(service) ?? []) columns.set(child, Math.max(columns.get(child) ?? 0, column + 1));
  }
  return columns;
}

/** Sort each column by the mean row of its neighbours, there and back a few times (the barycentre method). */
function orderColumns(columns: string[][], neighbours: Map<string, string[]>): Map<string, number> {
  const rows = new Map<string, number>();
  const place = (column: string[]) => {
    for (const [i, service] of column.entries()) rows.set(service, i - (column.length - 1) / 2);
  };
  const mean = (service: string) => {
    const near = neighbours.get(service) ?? [];
    return near.length ? near.reduce((sum, other) => sum + (rows.get(other) ?? 0), 0) / near.length : (rows.get(service) ?? 0);
  };
  columns.forEach(place);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    for (const column of sweep % 2 ? [...columns].reverse() : columns) {
      const wish = new Map(column.map((service) => [service, mean(service)]));
      column.sort((a, b) => (wish.get(a) ?? 0) - (wish.get(b) ?? 0) || (a < b ? -1 : 1));
      place(column);
    }
  }
  return rows;
}

export function layoutMap(links: DependencyLink[]): ServiceMap {
  const calls = links.filter((link) => link.parent !== link.child);
  const called = new Map<string, string[]>();
  const neighbours = new Map<string, string[]>();
  const push = (map: Map<string, string[]>, key: string, value: string) => map.set(key, [...(map.get(key) ?? []), value]);
  for (const { parent, child } of calls) {
    push(called, parent, child);
    push(neighbours, parent, child);
    push(neighbours, child, parent);
  }
  const sum = (list: DependencyLink[]) => list.reduce((all, link) => all + link.callCount, 0);
  const callsIn = (service: string) => sum(calls.filter((link) => link.child === service));
  // Those whom nobody calls come first, so that a ring is cut where its callers enter it.
  const names = [...new Set(links.flatMap((link) => [link.parent, link.child]))].sort();
  const services = [...names.filter((name) => !callsIn(name)), ...names.filter((name) => callsIn(name))];
  const columnOf = columnsOf(services, called);
  const columns: string[][] = [];
  for (const service of services) (columns[columnOf.get(service) ?? 0] ??= []).push(service);
  const rows = orderColumns(columns, neighbours);
  const nodes = new Map<string, MapNode>();
  for (const service of services) {
    nodes.set(service, {
      service,
      column: columnOf.get(service) ?? 0,
      row: rows.get(service) ?? 0,
      callsIn: callsIn(service),
      callsOut: sum(calls.filter((link) => link.parent === service)),
    });
  }
  return { nodes, links, columns: columns.length, rows: Math.max(0, ...columns.map((_, i) => at(columns, i).length)) };
}
