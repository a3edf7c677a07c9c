/** One row of the waterfall: the name in its place of the tree, and the bar in its place of time. */

import { memo } from "react";
import { duration } from "../../shared/time";
import { serviceColour } from "../model/colours";
import type { Section } from "../model/criticalPath";
import { stripOf, stripsOf } from "../model/drawing";
import { endOf, type Interval, type Span } from "../model/trace";
import type { Action } from "./timeline";

/** Past this share of the window, the duration stands before the bar, where there is room. */
const LATE_PERCENT = 75;
const INDENT_PX = 14;
/** A deeper tree keeps its names in sight. */
const INDENT_DEPTH_MAX = 24;

export interface SpanRowProps {
  readonly span: Span;
  readonly traceStart: number;
  readonly window: Interval;
  readonly top: number;
  readonly row: number;
  readonly isCurrent: boolean;
  readonly isCollapsed: boolean;
  readonly isOpen: boolean;
  readonly isMatch: boolean;
  readonly hasFinding: boolean;
  /** The span's part of the critical path; empty if it has none. */
  readonly critical: readonly Section[];
  readonly dispatch: (action: Action) => void;
}

function Bar({ span, traceStart, window, critical }: SpanRowProps) {
  const strip = stripOf({ start: span.start, end: endOf(span) }, window);
  if (!strip) return null;
  const end = strip.left + strip.width;
  const isLate = end > LATE_PERCENT;
  const took = isLate ? { right: `${100 - strip.left}%` } : { left: `${end}%` };
  const events = span.source.logs.map((log) => ({ start: log.timestamp - traceStart, end: log.timestamp - traceStart }));
  return (
    <>
      <span className="bar" style={{ left: `${strip.left}%`, width: `${strip.width}%`, background: serviceColour(span.service) }} />
      {stripsOf(critical, window).map((part) => (
        <span key={part.left} className="critical" style={{ left: `${part.left}%`, width: `${part.width}%` }} />
      ))}
      {stripsOf(events, window, 0.3).map((part) => (
        <span key={part.left} className="event-mark" style={{ left: `${part.left}%` }} />
      ))}
      <span className={`took number ${isLate && strip.left < 12 ? "inside" : ""}`} style={isLate && strip.left < 12 ? { left: `${strip.left}%` } : took}>
        {duration(span.duration)}
      </span>
    </>
  );
}

function labelOf({ span, isCollapsed, hasFinding }: SpanRowProps): string {
  const hidden = span.subtreeEnd - span.index - 1;
  const parts = [`${span.service}: ${span.operation}`, duration(span.duration)];
  if (span.isFailed) parts.push("failed");
  if (isCollapsed) parts.push(`${hidden} spans folded`);
  if (span.warnings.length) parts.push("has warnings");
  if (hasFinding) parts.push("part of a finding");
  return parts.join(", ");
}

export const SpanRow = memo(function SpanRow(props: SpanRowProps) {
  const { span, top, row, isCurrent, isCollapsed, isOpen, isMatch, hasFinding, dispatch } = props;
  const hasChildren = span.children.length > 0;
  const state = `${isCurrent ? " current" : ""}${isMatch ? " match" : ""}${isOpen ? " open" : ""}`;
  return (
    <div
      id={`span-${span.index}`}
      role="row"
      aria-level={span.depth + 1}
      aria-rowindex={row + 1}
      aria-selected={isCurrent}
      aria-label={labelOf(props)}
      {...(hasChildren ? { "aria-expanded": !isCollapsed } : {})}
      className={`span-row${state}`}
      style={{ transform: `translateY(${top}px)` }}
      onClick={() => dispatch({ type: "toggle-open", place: span.index })}
    >
      <div role="gridcell" className="name" title={`${span.service}: ${span.operation}`}>
        <span style={{ width: Math.min(span.depth, INDENT_DEPTH_MAX) * INDENT_PX }} className="indent" />
        <span
          className="fold"
          aria-hidden="true"
          onClick={(event) => {
            event.stopPropagation();
            dispatch(hasChildren ? { type: "toggle-collapsed", place: span.index } : { type: "select", place: span.index });
          }}
        >
          {hasChildren ? (isCollapsed ? "▸" : "▾") : ""}
        </span>
        <span className="swatch" style={{ background: serviceColour(span.service) }} />
        {span.isFailed && <span className="sell mark">✕</span>}
        {span.warnings.length > 0 && <span className="warn mark">!</span>}
        {hasFinding && <span className="warn mark">◆</span>}
        <span className="service-name">{span.service}</span>
        <span className="operation">{span.operation}</span>
        {isCollapsed && <span className="chip">+{span.subtreeEnd - span.index - 1}</span>}
      </div>
      <div role="gridcell" className="lane">
        <Bar {...props} />
      </div>
    </div>
  );
});
