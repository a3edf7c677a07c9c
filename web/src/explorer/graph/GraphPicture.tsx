/**
 * A drawn graph: boxes, and arrows between them with their figures. Boxes and arrows take the focus and are pressed with
 * Enter: each box is followed by the arrows that leave it, as one would read them.
 */

import "./graph.css";
import { type KeyboardEvent, useEffect, useId, useMemo, useRef, useState } from "react";
import { serviceColour } from "../model/colours";
import type { Link, ServiceMap } from "../map/layout";
import { push } from "../model/lists";
import { type Arrow, arrowOf, type Grid, pointOf, sizeOf } from "./arrows";

export interface BoxText {
  readonly service: string;
  /** What a screen reader says after the lines, and the pointer shows with them. */
  readonly more: string;
  readonly lines: readonly { readonly text: string; readonly look?: "muted" | "sell" }[];
  /** Classes: "match", "critical". */
  readonly look?: string;
}

export interface ArrowText {
  readonly label: string;
  readonly figure: string;
  /** 0 to 1: how thick. */
  readonly weight: number;
  /** Classes: "failing", "critical", "crowded". */
  readonly look: string;
}

export interface GraphPictureProps<L extends Link> {
  readonly label: string;
  readonly map: ServiceMap<L>;
  readonly grid: Grid;
  readonly boxOf: (name: string) => BoxText;
  readonly arrowTextOf: (link: L) => ArrowText;
  readonly onBox: (name: string) => void;
  readonly onArrow: (link: L) => void;
}

const LINE_PX = 16;

function pressed(act: () => void) {
  return (event: KeyboardEvent) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    act();
  };
}

/** The text, or as much of it as has room; the whole stands in the label. */
function fitted(text: string, width: number, pxPerLetter: number): string {
  const letters = Math.floor(width / pxPerLetter);
  return text.length <= letters ? text : `${text.slice(0, letters - 1)}…`;
}

function linesIn(text: BoxText, width: number): string[] {
  return text.lines.map(({ text: line, look }) => fitted(line, width - 20, look ? 6.2 : 7.3));
}

/** The name of a box: what stands in it, so that speaking what one sees presses it; then what had no room. */
function boxLabel(text: BoxText, lines: readonly string[]): string {
  const cut = text.lines.filter((line, i) => line.text !== lines[i]).map((line) => line.text);
  return [lines.join(" "), ...cut, text.more].filter(Boolean).join(", ");
}

interface BoxProps {
  readonly text: BoxText;
  readonly lines: readonly string[];
  readonly label: string;
  readonly grid: Grid;
}

function Box({ text, lines, label, grid: { box } }: BoxProps) {
  const top = (box.height - lines.length * LINE_PX) / 2 + 12;
  return (
    <>
      <title>{label}</title>
      <rect width={box.width} height={box.height} rx={7} />
      <rect className="graph-colour" width={5} height={box.height} rx={2} style={{ fill: serviceColour(text.service) }} />
      {lines.map((line, i) => (
        <text key={i} x={14} y={top + i * LINE_PX} className={text.lines[i]?.look ?? ""}>
          {`${line} `}
        </text>
      ))}
    </>
  );
}

interface DrawnArrow<L extends Link> extends Arrow {
  readonly key: string;
  readonly link: L;
  readonly text: ArrowText;
}

interface ArrowsProps<L extends Link> {
  readonly arrows: readonly DrawnArrow<L>[];
  /** The box that is pointed at; arrows of others step back. */
  readonly pointed: string;
  readonly onArrow: (link: L) => void;
}

/** What one sees of the arrows, beneath the boxes. What takes the focus stands with the box that an arrow leaves. */
function Arrows<L extends Link>({ arrows, pointed, onArrow }: ArrowsProps<L>) {
  const marker = useId();
  const lookOf = ({ link, text }: DrawnArrow<L>) => `${pointed && link.parent !== pointed && link.child !== pointed ? "far" : ""} ${text.look}`;
  const markerOf = ({ text }: DrawnArrow<L>) => `url(#${marker}${["failing", "critical"].find((look) => text.look.includes(look)) ?? ""})`;
  return (
    <g aria-hidden="true">
      <defs>
        {["", "failing", "critical"].map((look) => (
          <marker key={look} id={`${marker}${look}`} className={look} viewBox="0 0 8 8" refX="6" refY="4" markerWidth="7" markerHeight="7"
            markerUnits="userSpaceOnUse" orient="auto">
            <path d="M0,0 L8,4 L0,8 z" />
          </marker>
        ))}
      </defs>
      {arrows.map((arrow) => (
        <path key={arrow.key} className={`arrow ${lookOf(arrow)}`} d={arrow.path} strokeWidth={1 + 3 * arrow.text.weight} markerEnd={markerOf(arrow)} />
      ))}
      {arrows.map((arrow) => (
        <text key={arrow.key} className={`arrow-figure ${lookOf(arrow)}`} x={arrow.label.x} y={arrow.label.y} onClick={() => onArrow(arrow.link)}>
          {arrow.text.figure}
        </text>
      ))}
    </g>
  );
}

export function GraphPicture<L extends Link>({ label, map, grid, boxOf, arrowTextOf, onBox, onArrow }: GraphPictureProps<L>) {
  const [pointed, setPointed] = useState("");
  const frame = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // What begins it is seen first, also where the picture is higher than its frame.
    const [first] = map.nodes.values();
    if (first && frame.current) frame.current.scrollTop = pointOf(first, map.rows, grid).y - frame.current.clientHeight / 2;
  }, [map, grid]);
  const { width, height } = sizeOf(map, grid);
  const arrows: readonly DrawnArrow<L>[] = useMemo(
    () =>
      map.calls.flatMap((call) => {
        const arrow = arrowOf(call, map, grid);
        return arrow ? [{ ...arrow, link: call.link, key: `${call.link.parent} ${call.link.child}`, text: arrowTextOf(call.link) }] : [];
      }),
    [map, grid, arrowTextOf],
  );
  const leaving = useMemo(() => {
    const byBox = new Map<string, DrawnArrow<L>[]>();
    for (const arrow of arrows) push(byBox, arrow.link.parent, arrow);
    return byBox;
  }, [arrows]);
  return (
    <div ref={frame} className="graph" tabIndex={0} role="region" aria-label={label}>
      <svg width={width} height={height} viewBox={`0 0 ${width} ${height}`} role="group" aria-label={label}>
        <Arrows arrows={arrows} pointed={pointed} onArrow={onArrow} />
        {[...map.nodes.values()].map((node) => {
          const { x, y } = pointOf(node, map.rows, grid);
          const text = boxOf(node.service);
          const lines = linesIn(text, grid.box.width);
          const name = boxLabel(text, lines);
          const point = () => setPointed(node.service);
          const leave = () => setPointed("");
          return (
            <g key={node.service}>
              <g className={`graph-box ${text.look ?? ""}`} role="link" aria-label={name} tabIndex={0}
                transform={`translate(${x - grid.box.width / 2},${y - grid.box.height / 2})`} onClick={() => onBox(node.service)}
                onKeyDown={pressed(() => onBox(node.service))} onPointerEnter={point} onPointerLeave={leave} onFocus={point} onBlur={leave}>
                <Box text={text} lines={lines} label={name} grid={grid} />
              </g>
              {leaving.get(node.service)?.map((arrow) => (
                <g key={arrow.key} className="arrow-target" role="link" aria-label={arrow.text.label} tabIndex={0} onClick={() => onArrow(arrow.link)}
                  onKeyDown={pressed(() => onArrow(arrow.link))}>
                  <title>{arrow.text.label}</title>
                  <path className="arrow-shown" d={arrow.path} />
                  <path className="arrow-wide" d={arrow.path} />
                </g>
              ))}
            </g>
          );
        })}
      </svg>
    </div>
  );
}
