/** Where the time of a trace went: equal calls put together, each as wide as its own time and that of all beneath it. */

import { type CSSProperties, useMemo, useState } from "react";
import { duration } from "../../shared/time";
import { aggregateCalls, type CallNode, type FlameBox, flameBoxes } from "../model/aggregate";
import { serviceColour } from "../model/colours";
import type { Trace } from "../model/trace";
import { useWidth } from "../useWidth";

const ROW_PX = 25;
const SHARE_MIN = 0.002;
const ROWS_MAX = 120;
/** Narrower boxes cannot be pressed (WCAG 2.2, 2.5.8): press what is above them, and they grow. */
const TARGET_PX_MIN = 24;

function textOf(node: CallNode): string {
  if (node.depth < 0) return "whole trace";
  const failed = node.failedCount ? `, ${node.failedCount} failed` : "";
  const calls = node.count === 1 ? "1 call" : `${node.count} calls`;
  return `${node.service}: ${node.operation}, ${calls}${failed}, ${duration(node.total)} in all, own time ${duration(node.self)}`;
}

interface BoxProps {
  readonly box: FlameBox;
  /** Whether it is wide enough to be pressed. */
  readonly isTarget: boolean;
  readonly onFocus: (node: CallNode) => void;
  readonly onPoint: (node: CallNode) => void;
}

function Box({ box: { node, left, width, row }, isTarget, onFocus, onPoint }: BoxProps) {
  const colour = node.depth >= 0 ? { "--service": serviceColour(node.service) } : {};
  const style = { left: `${100 * left}%`, width: `${100 * width}%`, top: row * ROW_PX, ...colour } as CSSProperties;
  const text = textOf(node);
  if (!isTarget) return <span className="flame-box" style={style} title={text} onPointerEnter={() => onPoint(node)} />;
  return (
    <button type="button" className="flame-box" style={style} title={text} aria-label={text} onClick={() => onFocus(node)}
      onPointerEnter={() => onPoint(node)} onFocus={() => onPoint(node)}>
      {node.depth >= 0 ? `${node.service}: ${node.operation}` : "whole trace"}
    </button>
  );
}

export function FlameGraph({ trace }: { readonly trace: Trace }) {
  const top = useMemo(() => aggregateCalls(trace), [trace]);
  const [frame, width] = useWidth();
  const [focus, setFocus] = useState<CallNode>(top);
  const [pointed, setPointed] = useState<CallNode>(top);
  const boxes = useMemo(() => flameBoxes(focus, SHARE_MIN, ROWS_MAX), [focus]);
  const rows = boxes.reduce((most, box) => Math.max(most, box.row + 1), 0);
  return (
    <div className="panel">
      <header>
        <span className="grow" role="status">
          {textOf(pointed)}
        </span>
        <button type="button" className="small" disabled={focus === top} onClick={() => setFocus(top)}>
          Whole trace
        </button>
      </header>
      <div className="flame" ref={frame} style={{ height: rows * ROW_PX }}>
        {boxes.map((box, place) => (
          <Box key={place} box={box} isTarget={box.width * width >= TARGET_PX_MIN} onFocus={setFocus} onPoint={setPointed} />
        ))}
      </div>
      <p className="muted flame-note">
        A box is as wide as the time that was spent in it and beneath it, work side by side counted twice. Press a box to give it the whole width; narrow ones grow with the box above them.
      </p>
    </div>
  );
}
