/** A small chart of curves over time. Its points are told under the pointer; a click, or the button with its peak, shows the traces. */

import { type MouseEvent, useState } from "react";
import { shortTime } from "../../shared/time";
import { ticks } from "../model/durations";
import { useWidth } from "../useWidth";
import { type Curve, highestOf, pathOf, peakOf } from "./figures";

const HEIGHT = 110;
const MARGIN = { left: 58, right: 10, top: 10, bottom: 20 };
/** Above the highest point, as a share of it. */
const HEADROOM = 1.1;

export interface Line {
  readonly name: string;
  readonly curve: Curve;
  /** 1 to 3: the colour and the dashes in `explorer.css`. */
  readonly look: 1 | 2 | 3;
}

export interface LineChartProps {
  readonly title: string;
  readonly times_ms: readonly number[];
  /** The last line is the one whose peak is offered. */
  readonly lines: readonly Line[];
  readonly show: (value: number) => string;
  readonly onStep: (step: number) => void;
}

function Key({ line }: { readonly line: Line }) {
  return (
    <span className="row">
      <svg width={20} height={4} aria-hidden="true">
        <path className={`line look-${line.look}`} d="M0 2h20" />
      </svg>
      {line.name}
    </span>
  );
}

export function LineChart({ title, times_ms, lines, show, onStep }: LineChartProps) {
  const [frame, width] = useWidth();
  const [step, setStep] = useState<number | null>(null);
  const highest = highestOf(lines.map((line) => line.curve)) * HEADROOM || 1;
  const room = Math.max(width - MARGIN.left - MARGIN.right, 1);
  const lastStep = Math.max(times_ms.length - 1, 1);
  const x = (at: number) => MARGIN.left + (at / lastStep) * room;
  const y = (value: number) => HEIGHT - MARGIN.bottom - (value / highest) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  const stepAt = (event: MouseEvent<SVGSVGElement>) => {
    const left = event.clientX - event.currentTarget.getBoundingClientRect().left - MARGIN.left;
    return Math.min(Math.max(Math.round((left / room) * lastStep), 0), times_ms.length - 1);
  };
  const timeOf = (at: number) => shortTime(new Date(times_ms[at] ?? 0));
  const last = lines.at(-1);
  const peak = peakOf(last?.curve ?? []);
  const names = lines.length > 1 ? lines.map((line) => <Key key={line.name} line={line} />) : title;
  const told = step === null ? [] : lines.map(({ name, curve }) => `${name} ${show(curve[step] ?? 0)}`);
  const has = step !== null && lines.some(({ curve }) => (curve[step] ?? null) !== null);
  return (
    <figure className="chart">
      <figcaption className="row">
        <span className="grow row muted">{step === null ? names : `${timeOf(step)} · ${has ? told.join(" · ") : "no calls"}`}</span>
        {peak >= 0 && (
          <button type="button" className="link" onClick={() => onStep(peak)}>
            <span className="visually-hidden">{title}: traces of the </span>peak {show(last?.curve[peak] ?? 0)}
            <span className="visually-hidden"> at {timeOf(peak)}</span>
          </button>
        )}
      </figcaption>
      <div ref={frame}>
        {/* The table says the figures in words, and the button leads where a click does. */}
        <svg width={width} height={HEIGHT} aria-hidden="true" onMouseMove={(event) => setStep(stepAt(event))} onMouseLeave={() => setStep(null)}
          onClick={(event) => onStep(stepAt(event))}>
          {ticks(0, highest, 3).map((mark) => (
            <g key={mark}>
              <line className="grid" x1={MARGIN.left} x2={width - MARGIN.right} y1={y(mark)} y2={y(mark)} />
              <text x={MARGIN.left - 6} y={y(mark) + 4} textAnchor="end">
                {show(mark)}
              </text>
            </g>
          ))}
          <text x={MARGIN.left} y={HEIGHT - 5}>
            {timeOf(0)}
          </text>
          <text x={width - MARGIN.right} y={HEIGHT - 5} textAnchor="end">
            {timeOf(times_ms.length - 1)}
          </text>
          {lines.map((line) => (
            <path key={line.name} className={`line look-${line.look}`} d={pathOf(line.curve, x, y)} />
          ))}
          {step !== null && <line className="cursor" x1={x(step)} x2={x(step)} y1={MARGIN.top} y2={HEIGHT - MARGIN.bottom} />}
        </svg>
      </div>
    </figure>
  );
}
