/** A trace as a graph of what called what, with the critical path marked. A box or an arrow leads to its spans. */

import { useCallback, useMemo } from "react";
import { duration } from "../../shared/time";
import { type ArrowText, type BoxText, GraphPicture } from "../graph/GraphPicture";
import { layoutMap } from "../map/layout";
import { type CallGroup, callGraph, type GroupCall, largestGroups } from "../model/callGraph";
import type { Section } from "../model/criticalPath";
import type { Trace } from "../model/trace";

const GRID = { box: { width: 214, height: 66 }, step: { x: 292, y: 84 }, margin: 20 };
/** Among more arrows than these their figures hide each other; the labels say them still. */
const FIGURES_MAX = 60;
/** More boxes than anybody can look through. */
const GROUPS_MAX = 200;

export interface TraceGraphProps {
  readonly trace: Trace;
  readonly critical: ReadonlyMap<number, readonly Section[]>;
  /** Whether the critical path is marked. */
  readonly isCritical: boolean;
  /** Spans that stand out. */
  readonly matches: ReadonlySet<number>;
  /** Shows these spans, of which there is one at least, and goes to the given one. */
  readonly onShow: (places: readonly number[], place: number) => void;
}

function counted(count: number, one: string): string {
  return count === 1 ? `1 ${one}` : `${count.toLocaleString("en")} ${one}s`;
}

function boxText(group: CallGroup, isCritical: boolean, isMatch: boolean): BoxText {
  const calls = group.spans.length === 1 ? "" : `${group.spans.length.toLocaleString("en")}× · `;
  const more = [
    counted(group.spans.length, "span"),
    ...(group.failedCount ? [`${group.failedCount} failed`] : []),
    ...(group.critical > 0 ? [`${duration(group.critical)} on the critical path`] : []),
  ];
  return {
    more: more.join(", "),
    service: group.service,
    lines: [
      { text: group.operation },
      { text: group.service, look: "muted" },
      { text: `${calls}${duration(group.total)} · own ${duration(group.self)}${group.failedCount ? ` · ✕ ${group.failedCount}` : ""}`, look: group.failedCount ? "sell" : "muted" },
    ],
    look: `${isCritical && group.critical > 0 ? "critical" : ""} ${isMatch ? "match" : ""}`,
  };
}

export function TraceGraph({ trace, critical, isCritical, matches, onShow }: TraceGraphProps) {
  const whole = useMemo(() => callGraph(trace, critical), [trace, critical]);
  const { groups, calls } = useMemo(() => largestGroups(whole, GROUPS_MAX), [whole]);
  const map = useMemo(() => layoutMap(calls, [...groups.keys()]), [groups, calls]);
  const most = useMemo(() => calls.reduce((count, { spans }) => Math.max(count, spans.length), 1), [calls]);
  const isCrowded = calls.length > FIGURES_MAX;
  const arrowTextOf = useCallback(
    ({ parent, child, spans, failedCount, isCritical: isOnPath }: GroupCall): ArrowText => {
      const [from, to] = [groups.get(parent), groups.get(child)];
      const failed = failedCount ? `, ${failedCount} failed` : "";
      return {
        label: `${from?.service}: ${from?.operation} calls ${to?.service}: ${to?.operation}, ${counted(spans.length, "time")}${failed}${isOnPath ? ", on the critical path" : ""}`,
        figure: isCrowded ? "" : `${spans.length === 1 ? "" : `${spans.length.toLocaleString("en")}×`}${failedCount ? ` ✕ ${failedCount}` : ""}`,
        weight: isCrowded || most === 1 ? 0.3 : Math.log1p(spans.length) / Math.log1p(most),
        look: `${isCrowded ? "crowded" : ""} ${failedCount ? "failing" : isCritical && isOnPath ? "critical" : ""}`,
      };
    },
    [groups, most, isCrowded, isCritical],
  );
  const boxOf = (key: string): BoxText => {
    const group = groups.get(key);
    if (!group) throw new RangeError(`no group ${key}`);
    return boxText(group, isCritical, group.spans.some((place) => matches.has(place)));
  };
  const onBox = (key: string) => {
    const group = groups.get(key);
    if (group) onShow(group.spans, group.longest.index);
  };
  return (
    <div className="panel">
      <p className="muted view-note">
        A box is an operation of a service with all its spans, an arrow its calls{isCritical ? "; blue is what the critical path goes through" : ""}. Press one to see
        its spans in the waterfall.
        {groups.size < whole.groups.size && ` Shown are the ${GROUPS_MAX} of ${whole.groups.size.toLocaleString("en")} operations that took longest.`}
      </p>
      <GraphPicture label="Graph of the trace" map={map} grid={GRID} boxOf={boxOf} arrowTextOf={arrowTextOf} onBox={onBox}
        onArrow={(call) => onShow(call.spans, call.spans[0] ?? 0)} />
    </div>
  );
}
