/** The whole trace in small. Dragging over it shows that stretch of time; the keys + − 0 and Shift with arrows do the same. */

import { type PointerEvent, useEffect, useRef, useState } from "react";
import { duration } from "../../shared/time";
import { token, useTheme } from "../../shared/theme";
import { colourPlace } from "../model/colours";
import { miniatureOf, stripOf } from "../model/drawing";
import type { Interval, Trace } from "../model/trace";
import type { Action } from "./timeline";

const HEIGHT_PX = 56;
/** A shorter drag is a click that slipped. */
const DRAG_MIN_PX = 4;

function draw(canvas: HTMLCanvasElement, trace: Trace): void {
  const scale = window.devicePixelRatio;
  const width = canvas.clientWidth * scale;
  const height = HEIGHT_PX * scale;
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  if (!context) return;
  const colours = new Map(trace.services.map(([service]) => [service, token(`service-${colourPlace(service)}`)]));
  const barHeight = Math.min(Math.max((height / trace.spans.length) * 0.8, 1), 6 * scale);
  for (const { service, left, right, top } of miniatureOf(trace, width, height, scale)) {
    context.fillStyle = colours.get(service) ?? "gray";
    context.fillRect(left, top, right - left, barHeight);
  }
}

export interface MinimapProps {
  readonly trace: Trace;
  readonly window: Interval;
  readonly dispatch: (action: Action) => void;
}

export function Minimap({ trace, window: shown, dispatch }: MinimapProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const theme = useTheme();
  const [drag, setDrag] = useState<Interval | null>(null);
  useEffect(() => {
    const { current } = canvas;
    if (!current) return undefined;
    const observer = new ResizeObserver(() => draw(current, trace));
    observer.observe(current);
    return () => observer.disconnect();
  }, [trace, theme]);

  const timeAt = (event: PointerEvent<HTMLDivElement>) => {
    const box = event.currentTarget.getBoundingClientRect();
    return (Math.min(Math.max(event.clientX - box.left, 0), box.width) / box.width) * trace.duration;
  };
  const begin = (event: PointerEvent<HTMLDivElement>) => {
    event.currentTarget.setPointerCapture(event.pointerId);
    setDrag({ start: timeAt(event), end: timeAt(event) });
  };
  const finish = (event: PointerEvent<HTMLDivElement>) => {
    if (!drag) return;
    const [start, end] = [Math.min(drag.start, drag.end), Math.max(drag.start, drag.end)];
    setDrag(null);
    const px = ((end - start) / Math.max(trace.duration, 1)) * event.currentTarget.clientWidth;
    if (px >= DRAG_MIN_PX) dispatch({ type: "show", window: { start, end } });
  };
  const whole = { start: 0, end: Math.max(trace.duration, 1) };
  const marked = drag ? { start: Math.min(drag.start, drag.end), end: Math.max(drag.start, drag.end) } : shown;
  const strip = stripOf(marked, whole) ?? { left: 0, width: 100 };
  const isZoomed = shown.start > 0 || shown.end < whole.end;
  return (
    <div className="minimap">
      <div className="minimap-picture" onPointerDown={begin} onPointerMove={(event) => drag && setDrag({ ...drag, end: timeAt(event) })}
        onPointerUp={finish} onPointerCancel={() => setDrag(null)} onDoubleClick={() => dispatch({ type: "reset-zoom" })}>
        <canvas ref={canvas} aria-hidden="true" style={{ height: HEIGHT_PX }} />
        <span className="minimap-mask" style={{ left: 0, width: `${strip.left}%` }} />
        <span className="minimap-mask" style={{ left: `${strip.left + strip.width}%`, right: 0 }} />
        {drag && <span className="minimap-drag" style={{ left: `${strip.left}%`, width: `${strip.width}%` }} />}
      </div>
      <div className="row minimap-bar">
        <span className="grow muted" role="status">
          {isZoomed ? `Shows ${duration(shown.start)} to ${duration(shown.end)}` : "Drag over the picture to zoom in"}
        </span>
        <button type="button" className="small" aria-label="Zoom in" onClick={() => dispatch({ type: "zoom", direction: 1 })}>
          +
        </button>
        <button type="button" className="small" aria-label="Zoom out" disabled={!isZoomed} onClick={() => dispatch({ type: "zoom", direction: -1 })}>
          −
        </button>
        <button type="button" className="small" disabled={!isZoomed} onClick={() => dispatch({ type: "reset-zoom" })}>
          Whole trace
        </button>
      </div>
    </div>
  );
}
