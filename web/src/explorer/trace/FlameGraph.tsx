/** Where the time of a trace went: equal calls put together, each as wide as its own time and that of all beneath it. */

import { useMemo, useState } from "react";
import { duration } from "../../shared/time";
import { aggregateCalls, type CallNode, flameBoxes } from "../model/aggregate";
import { serviceColour } from "../model/colours";
import type { Trace } from "../model/trace";

const ROW_PX = 24;
const SHARE_MIN = 0.002;
const ROWS_MAX = 120;

function textOf(node: CallNode): string {
  if (node.depth < 0) return "whole trace";
  const failed = node.failedCount ? `, ${node.failedCount} failed` : "";
  const calls = node.count === 1 ? "1 call" : `${node.count} calls`;
  return `${node.service}: ${node.operation}, ${calls}${failed}, ${duration(node.total)} in all, own time ${duration(node.self)}`;
}

export function FlameGraph({ trace }: { readonly trace: Trace }) {
  const top = useMemo(() => aggregateCalls(trace), [trace]);
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
      <div className="flame" style={{ height: rows * ROW_PX }}>
        {boxes.map(({ node, left, width, row }, place) => (
          <button
            key={place}
            type="button"
            title={textOf(node)}
            aria-label={textOf(node)}
            style={
              {
              left: `${100 * left}%`,
              width: `${100 * width}%`,
              top: row * ROW_PX,
              ...(node.depth >= 0 ? { "--service": serviceColour(node.service) } : {}),
              } as React.CSSProperties
            }
            onClick={() => setFocus(node)}
            onPointerEnter={() => setPointed(node)}
            onFocus={() => setPointed(node)}
          >
            {node.depth >= 0 ? `${node.service}: ${node.operation}` : "whole trace"}
          </button>
        ))}
      </div>
      <p className="muted flame-note">
        A box is as wide as the time that was spent in it and beneath it, work side by side counted twice. Press a box to give it the whole width.
      </p>
    </div>
  );
}
