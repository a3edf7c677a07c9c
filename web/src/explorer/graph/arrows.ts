/** Where boxes and arrows of a drawn graph lie, in pixels: `map/layout.ts` says in which column and row. */

import type { Link, MapCall, Place, ServiceMap } from "../map/layout";

/** Sizes in px: of a box, from the middle of one to the middle of the next, and around the whole. */
export interface Grid {
  readonly box: { readonly width: number; readonly height: number };
  readonly step: { readonly x: number; readonly y: number };
  readonly margin: number;
}

export interface Point {
  x: number;
  y: number;
}

export interface Arrow {
  path: string;
  /** Where its figure stands. */
  label: Point;
}

export function sizeOf({ columns, rows }: ServiceMap<Link>, { box, step, margin }: Grid): { width: number; height: number } {
  return { width: margin * 2 + box.width + (columns - 1) * step.x, height: margin * 2 + box.height + (rows - 1) * step.y };
}

/** The middle of a place. */
export function pointOf(place: Place, rows: number, { box, step, margin }: Grid): Point {
  return { x: margin + box.width / 2 + place.column * step.x, y: margin + box.height / 2 + ((rows - 1) / 2 + place.row) * step.y };
}

/** From point to point in bends that leave and arrive level. */
function curve(points: readonly Point[]): string {
  return points
    .map(({ x, y }, i) => {
      const before = points[i - 1];
      if (!before) return `M${x},${y}`;
      const middle = (before.x + x) / 2;
      return `C${middle},${before.y} ${middle},${y} ${x},${y}`;
    })
    .join(" ");
}

/** An arrow to the right, past the boxes between. Its figure stands before its end, where arrows have parted. */
function forwardArrow(from: Point, via: readonly Point[], to: Point, { box }: Grid): Arrow {
  const start = { x: from.x + box.width / 2, y: from.y };
  const end = { x: to.x - box.width / 2 - 6, y: to.y };
  const past = via.flatMap(({ x, y }) => [
    { x: x - box.width / 2, y },
    { x: x + box.width / 2, y },
  ]);
  const last = past.at(-1) ?? start;
  return { path: curve([start, ...past, end]), label: { x: last.x + (end.x - last.x) * 0.66, y: last.y + (end.y - last.y) * 0.74 - 5 } };
}

/** An arrow within a column or to the left: up or down between the boxes. */
function backArrow(from: Point, to: Point, { box }: Grid): Arrow {
  const direction = to.y < from.y ? -1 : 1;
  const start = { x: from.x - 20, y: from.y + (direction * box.height) / 2 };
  const end = { x: to.x + 20, y: to.y - direction * (box.height / 2 + 6) };
  const middle = (start.y + end.y) / 2;
  return {
    path: `M${start.x},${start.y} C${start.x},${middle} ${end.x},${middle} ${end.x},${end.y}`,
    label: { x: (start.x + end.x) / 2, y: middle - 4 },
  };
}

export function arrowOf<L extends Link>({ link, via }: MapCall<L>, map: ServiceMap<L>, grid: Grid): Arrow | null {
  const [from, to] = [map.nodes.get(link.parent), map.nodes.get(link.child)];
  if (!from || !to) return null;
  const [start, end] = [pointOf(from, map.rows, grid), pointOf(to, map.rows, grid)];
  if (to.column <= from.column) return backArrow(start, end, grid);
  return forwardArrow(start, via.map((place) => pointOf(place, map.rows, grid)), end, grid);
}
