/** Which spans stand in the waterfall, and where: rows of one height, some with their details open beneath. */

import { at } from "./lists";
import type { Trace } from "./trace";

/** The places of the spans that no collapsed span hides, in order. */
export function visibleRows(trace: Trace, collapsed: ReadonlySet<number>): number[] {
  const rows: number[] = [];
  for (let i = 0; i < trace.spans.length; ) {
    rows.push(i);
    i = collapsed.has(i) ? at(trace.spans, i).subtreeEnd : i + 1;
  }
  return rows;
}

/** Where a span stands among the visible ones, which are in order; undefined where it is hidden. */
export function rowOf(rows: readonly number[], place: number): number | undefined {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (at(rows, middle) < place) low = middle + 1;
    else high = middle;
  }
  return rows[low] === place ? low : undefined;
}

/** The spans to collapse so that nothing deeper than `depth` shows. */
export function collapsedAt(trace: Trace, depth: number): Set<number> {
  return new Set(trace.spans.filter((span) => span.depth >= depth && span.children.length > 0).map((span) => span.index));
}

/** The collapsed set that lets a span be seen: none of its ancestors is in it. */
export function revealing(trace: Trace, collapsed: ReadonlySet<number>, place: number): Set<number> {
  const left = new Set(collapsed);
  for (let above = at(trace.spans, place).parent; above >= 0; above = at(trace.spans, above).parent) left.delete(above);
  return left;
}

/** Heights of rows: each `rowHeight` px, plus what its open details take. */
export class RowLayout {
  readonly height: number;
  readonly #openRows: number[];
  /** `#before[i]` is what the details of the first i open rows take together. */
  readonly #before: number[] = [0];

  /** @param detailHeights px of the open details, by row */
  constructor(
    readonly count: number,
    readonly rowHeight: number,
    detailHeights: ReadonlyMap<number, number>,
  ) {
    this.#openRows = [...detailHeights.keys()].sort((a, b) => a - b);
    for (const [i, row] of this.#openRows.entries()) this.#before.push(at(this.#before, i) + (detailHeights.get(row) ?? 0));
    this.height = count * rowHeight + at(this.#before, this.#openRows.length);
  }

  /** px from the top to the row. */
  top(row: number): number {
    let low = 0;
    let high = this.#openRows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (at(this.#openRows, middle) < row) low = middle + 1;
      else high = middle;
    }
    return row * this.rowHeight + at(this.#before, low);
  }

  /** The row at a distance from the top, within 0 and `count` - 1. */
  rowAt(px: number): number {
    let low = 0;
    let high = Math.max(this.count - 1, 0);
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.top(middle) <= px) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** First row and row after the last that a window shows, with `margin` rows more on each side. */
  window(scrollTop: number, height: number, margin: number): [first: number, end: number] {
    const first = Math.max(this.rowAt(scrollTop) - margin, 0);
    return [first, Math.min(this.rowAt(scrollTop + height) + 1 + margin, this.count)];
  }
}
