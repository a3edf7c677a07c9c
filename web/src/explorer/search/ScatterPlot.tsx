/** The found traces as points: when they began against how long they took, as large as they have spans, failures marked. */

import { duration, markTime } from "../../shared/time";
import { ticks } from "../model/durations";
import { navigate } from "../navigation";
import { tracePath } from "../route";
import { useWidth } from "../useWidth";
import type { TraceSummary } from "./summary";

const HEIGHT = 190;
const MARGIN = { left: 64, right: 16, top: 12, bottom: 26 };

function range(values: number[]): [number, number] {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return high > low ? [low, high] : [low - 500_000, high + 500_000];
}

export function ScatterPlot({ traces }: { readonly traces: readonly TraceSummary[] }) {
  const [frame, width] = useWidth();
  const [first, last] = range(traces.map((trace) => trace.startTime));
  const longest = Math.max(...traces.map((trace) => trace.duration), 1) * 1.08;
  const x = (time: number) => MARGIN.left + ((time - first) / (last - first)) * (width - MARGIN.left - MARGIN.right);
  const y = (took: number) => HEIGHT - MARGIN.bottom - (took / longest) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  const times = ticks(first, last, Math.max(Math.floor(width / 140), 2));
  return (
    <div ref={frame} className="scatter">
      {/* The list below says the same in words, so the picture is hidden from screen readers and left out of the tab order. */}
      <svg width={width} height={HEIGHT} aria-hidden="true">
        {ticks(0, longest, 4).map((mark) => (
          <g key={mark}>
            <line className="grid" x1={MARGIN.left} x2={width - MARGIN.right} y1={y(mark)} y2={y(mark)} />
            <text x={MARGIN.left - 8} y={y(mark) + 4} textAnchor="end">
              {duration(mark)}
            </text>
          </g>
        ))}
        {times.map((mark) => (
          <text key={mark} x={Math.min(Math.max(x(mark), MARGIN.left + 20), width - 40)} y={HEIGHT - 8} textAnchor="middle">
            {markTime(mark, (times[1] ?? Infinity) - (times[0] ?? 0))}
          </text>
        ))}
        {traces.map((trace) => (
          <circle key={trace.id} cx={x(trace.startTime)} cy={y(trace.duration)} r={3 + Math.min(Math.sqrt(trace.spanCount), 9)}
            className={trace.failedCount ? "failed" : ""} onClick={() => navigate(tracePath(trace.id))}>
            <title>{`${trace.service}: ${trace.operation}\n${duration(trace.duration)}, ${trace.spanCount} spans, ${trace.failedCount} failed`}</title>
          </circle>
        ))}
      </svg>
    </div>
  );
}
