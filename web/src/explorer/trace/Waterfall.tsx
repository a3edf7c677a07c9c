/**
 * The spans as rows over time. Only the rows in sight are in the page, so that 100,000 of them scroll like ten.
 *
 * For assistive technology it is one treegrid with one tab stop, whose current row follows the arrow keys.
 */

import { type PointerEvent, useCallback, useEffect, useMemo, useRef, useState } from "react";
import { duration } from "../../shared/time";
import type { Section } from "../model/criticalPath";
import { ticks } from "../model/durations";
import { at } from "../model/lists";
import { RowLayout, rowOf, visibleRows } from "../model/rows";
import type { Interval, Trace } from "../model/trace";
import { SpanDetail } from "./SpanDetail";
import { SpanRow } from "./SpanRow";
import type { Action, Timeline } from "./timeline";
import { useScroll } from "./useScroll";

const ROW_PX = 28;
const MARGIN_ROWS = 12;
/** Until an opened detail is measured; a guess that is wrong only shifts what is beneath for one frame. */
const DETAIL_GUESS_PX = 240;
const NAME_SHARE = { min: 15, max: 75, start: 38, step: 3 };
const NO_SECTIONS: readonly Section[] = [];

export interface WaterfallProps {
  readonly trace: Trace;
  readonly timeline: Timeline;
  readonly dispatch: (action: Action) => void;
  /** Spans that stand out: found by text, or chosen by a finding. */
  readonly matches: ReadonlySet<number>;
  /** Spans that any finding is about. */
  readonly findings: ReadonlySet<number>;
  /** The critical path by span; empty where it is not shown. */
  readonly marked: ReadonlyMap<number, readonly Section[]>;
  /** The critical path by span, for the details. */
  readonly critical: ReadonlyMap<number, readonly Section[]>;
}

function Ruler({ window }: { readonly window: Interval }) {
  const span = window.end - window.start;
  return (
    <div className="ruler" aria-hidden="true">
      {ticks(window.start, window.end, 5).map((mark) => (
        <span key={mark} style={{ left: `${(100 * (mark - window.start)) / span}%` }}>
          {duration(mark)}
        </span>
      ))}
    </div>
  );
}

function Divider({ share, onChange }: { readonly share: number; readonly onChange: (share: number) => void }) {
  const clamp = (value: number) => Math.min(Math.max(value, NAME_SHARE.min), NAME_SHARE.max);
  const drag = (event: PointerEvent<HTMLDivElement>) => {
    if (!event.currentTarget.hasPointerCapture(event.pointerId)) return;
    const box = event.currentTarget.parentElement?.getBoundingClientRect();
    if (box) onChange(clamp((100 * (event.clientX - box.left)) / box.width));
  };
  return (
    <div
      className="divider"
      role="separator"
      aria-orientation="vertical"
      aria-label="Width of the names"
      aria-valuenow={Math.round(share)}
      aria-valuemin={NAME_SHARE.min}
      aria-valuemax={NAME_SHARE.max}
      tabIndex={0}
      style={{ left: `${share}%` }}
      onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
      onPointerMove={drag}
      onKeyDown={(event) => {
        const step = { ArrowLeft: -NAME_SHARE.step, ArrowRight: NAME_SHARE.step }[event.key];
        if (step === undefined) return;
        event.preventDefault();
        onChange(clamp(share + step));
      }}
    />
  );
}

/** Heights of the open details as measured, and the layout that they give. */
function useLayout(trace: Trace, timeline: Timeline) {
  const [heights, setHeights] = useState<ReadonlyMap<number, number>>(new Map());
  const onHeight = useCallback(
    (place: number, height: number) =>
      setHeights((before) => (before.get(place) === height ? before : new Map(before).set(place, height))),
    [],
  );
  const rows = useMemo(() => visibleRows(trace, timeline.collapsed), [trace, timeline.collapsed]);
  const layout = useMemo(() => {
    const details = new Map<number, number>();
    for (const place of timeline.open) {
      const row = rowOf(rows, place);
      if (row !== undefined) details.set(row, heights.get(place) ?? DETAIL_GUESS_PX);
    }
    return new RowLayout(rows.length, ROW_PX, details);
  }, [rows, timeline.open, heights]);
  return { rows, layout, onHeight };
}

export function Waterfall({ trace, timeline, dispatch, matches, findings, marked, critical }: WaterfallProps) {
  const frame = useRef<HTMLDivElement>(null);
  const view = useScroll(frame);
  const { rows, layout, onHeight } = useLayout(trace, timeline);
  const [nameShare, setNameShare] = useState(NAME_SHARE.start);

  const currentRow = rowOf(rows, timeline.current) ?? 0;
  const lastCurrent = useRef(0); // a frame begins at its first row
  useEffect(() => {
    // Follow the current row when it moves; not when something else opens or closes above it.
    if (lastCurrent.current === timeline.current) return;
    lastCurrent.current = timeline.current;
    const { current } = frame;
    if (!current) return;
    const top = layout.top(currentRow);
    if (top < current.scrollTop || top + ROW_PX > current.scrollTop + current.clientHeight) {
      current.scrollTop = top - current.clientHeight / 3;
    }
  }, [timeline.current, currentRow, layout]);

  const [first, end] = layout.window(view.top, view.height, MARGIN_ROWS);
  const shown = rows.slice(first, end).map((place, i) => ({ span: at(trace.spans, place), row: first + i }));
  return (
    <div className="waterfall panel" style={{ "--name-width": `${nameShare}%` } as React.CSSProperties}>
      <div className="waterfall-head">
        <span className="muted">Service and operation</span>
        <Ruler window={timeline.window} />
      </div>
      <Divider share={nameShare} onChange={setNameShare} />
      <div
        ref={frame}
        className="waterfall-rows"
        role="treegrid"
        aria-label="Spans"
        aria-rowcount={rows.length}
        aria-activedescendant={`span-${timeline.current}`}
        tabIndex={0}
      >
        <div className="waterfall-height" role="presentation" style={{ height: layout.height }}>
          {shown.map(({ span, row }) => (
            <SpanRow
              key={span.id}
              span={span}
              traceStart={trace.startTime}
              window={timeline.window}
              top={layout.top(row)}
              row={row}
              isCurrent={span.index === timeline.current}
              isCollapsed={timeline.collapsed.has(span.index)}
              isOpen={timeline.open.has(span.index)}
              isMatch={matches.has(span.index)}
              hasFinding={findings.has(span.index)}
              critical={marked.get(span.index) ?? NO_SECTIONS}
              dispatch={dispatch}
            />
          ))}
          {shown
            .filter(({ span }) => timeline.open.has(span.index))
            .map(({ span, row }) => (
              <SpanDetail key={span.id} span={span} trace={trace} critical={critical.get(span.index) ?? NO_SECTIONS}
                top={layout.top(row) + ROW_PX} onHeight={onHeight} />
            ))}
        </div>
      </div>
    </div>
  );
}
