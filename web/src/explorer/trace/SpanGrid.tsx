/**
 * Spans as rows of a table that sorts. Only the rows in sight are in the page, so that 100,000 scroll like ten. It is one
 * tab stop: the arrows move through the rows, Enter shows the span in the waterfall.
 */

import { type KeyboardEvent, memo, useEffect, useMemo, useRef, useState } from "react";
import { ariaSort, type Column, type Sorting } from "../../shared/Table";
import { at } from "../model/lists";
import { RowLayout } from "../model/rows";
import { nextSorting } from "../model/spanTable";
import type { Span } from "../model/trace";
import { changeParams } from "../navigation";
import { useScroll } from "./useScroll";

const ROW_PX = 29;
const MARGIN_ROWS = 12;
const NO_DETAILS: ReadonlyMap<number, number> = new Map();

/** The row after a key, or null where the key is none of ours. */
function rowAfter(key: string, row: number, count: number, page: number): number | null {
  const to = { ArrowDown: row + 1, j: row + 1, ArrowUp: row - 1, k: row - 1, PageDown: row + page, PageUp: row - page, Home: 0, End: count - 1 }[key];
  return to === undefined ? null : Math.min(Math.max(to, 0), count - 1);
}

interface TitlesProps {
  readonly columns: readonly Column<Span>[];
  readonly sorting: Sorting | null;
}

function Titles({ columns, sorting }: TitlesProps) {
  return (
    <div role="row" className="span-line span-titles" aria-rowindex={1}>
      {columns.map((column) => (
        <div key={column.key} role="columnheader" className={`cell-${column.key} ${column.number ? "number" : ""}`} aria-sort={ariaSort(column.key, sorting)}>
          {column.order ? (
            <button type="button" onClick={() => changeParams({ sort: nextSorting(sorting, column.key) })}>
              {column.title} {sorting?.key === column.key && <span aria-hidden="true">{sorting.descending ? "↓" : "↑"}</span>}
            </button>
          ) : (
            column.title
          )}
        </div>
      ))}
    </div>
  );
}

interface LineProps {
  readonly span: Span;
  readonly columns: readonly Column<Span>[];
  readonly row: number;
  readonly top: number;
  readonly isCurrent: boolean;
  readonly onShow: (place: number) => void;
}

const Line = memo(function Line({ span, columns, row, top, isCurrent, onShow }: LineProps) {
  return (
    <div id={`row-${row}`} role="row" aria-rowindex={row + 2} aria-selected={isCurrent} className={`span-line ${isCurrent ? "current" : ""}`}
      style={{ top }} onClick={() => onShow(span.index)}>
      {columns.map((column) => (
        <div key={column.key} role="gridcell" className={`cell-${column.key} ${column.number ? "number" : ""}`}>
          {column.show(span)}
        </div>
      ))}
    </div>
  );
});

export interface SpanGridProps extends TitlesProps {
  /** In their order, one at least. */
  readonly rows: readonly Span[];
  readonly onShow: (place: number) => void;
}

export function SpanGrid({ rows, columns, sorting, onShow }: SpanGridProps) {
  const frame = useRef<HTMLDivElement>(null);
  const view = useScroll(frame);
  const [current, setCurrent] = useState(0);
  const layout = useMemo(() => new RowLayout(rows.length, ROW_PX, NO_DETAILS), [rows]);
  useEffect(() => {
    setCurrent(0);
    frame.current?.scrollTo(0, 0);
  }, [rows]);
  const move = (event: KeyboardEvent) => {
    if (event.target !== event.currentTarget) return;
    // The titles stand on the first row of what is in sight.
    const inSight = Math.max(Math.floor(view.height / ROW_PX) - 2, 1);
    const to = rowAfter(event.key, current, rows.length, inSight);
    if (to !== null) {
      setCurrent(to);
      const box = event.currentTarget;
      if (to * ROW_PX < box.scrollTop) box.scrollTop = to * ROW_PX;
      if ((to + 2) * ROW_PX > box.scrollTop + box.clientHeight) box.scrollTop = (to + 2) * ROW_PX - box.clientHeight;
    } else if (event.key === "Enter") onShow(at(rows, current).index);
    else return;
    event.preventDefault();
  };
  const [first, end] = layout.window(view.top, view.height, MARGIN_ROWS);
  return (
    <div className="table-frame span-grid" ref={frame} role="grid" aria-label="Table of the spans" aria-rowcount={rows.length + 1}
      aria-activedescendant={`row-${current}`} tabIndex={0} onKeyDown={move}>
      <div role="rowgroup">
        <Titles columns={columns} sorting={sorting} />
      </div>
      <div role="rowgroup" className="span-lines" style={{ height: layout.height }}>
        {rows.slice(first, end).map((span, i) => (
          <Line key={span.index} span={span} columns={columns} row={first + i} top={layout.top(first + i)} isCurrent={first + i === current} onShow={onShow} />
        ))}
      </div>
    </div>
  );
}
