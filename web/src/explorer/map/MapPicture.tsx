/**
 * The drawn map: services as boxes with their figures, calls as arrows whose weight grows with their number, red where
 * calls fail. A box and an arrow lead to their traces; the table beneath leads there by keyboard, too.
 */

import { useState } from "react";
import { serviceColour } from "../model/colours";
import { figuresText, type GraphEdge, type GraphNode, type Measure, measureText, nodeText } from "./graph";
import type { MapCall, Place, ServiceMap } from "./layout";

const BOX = { width: 184, height: 46 };
const STEP = { x: 300, y: 66 };
const MARGIN = 28;

interface Point {
  x: number;
  y: number;
}

/** The middle of a place. */
function pointOf(place: Place, map: ServiceMap<GraphEdge>): Point {
  return { x: MARGIN + BOX.width / 2 + place.column * STEP.x, y: MARGIN + BOX.height / 2 + ((map.rows - 1) / 2 + place.row) * STEP.y };
}

/** From point to point in bends that leave and arrive level. */
function curve(points: readonly Point[]): string {
  return points
    .map(({ x, y }, i) => {
      const before = points[i - 1];
      if (!before) return `M${x},${y}`;
      const middle = (before.x + x) / 2;
      return `C${middle},${before.y} ${middle},${y} ${x},${y}`;
    })
    .join(" ");
}

/** An arrow to the right, past the boxes between. Its figure stands before its end, where arrows have parted. */
function forwardPath(from: Point, via: readonly Point[], to: Point): { path: string; label: Point } {
  const start = { x: from.x + BOX.width / 2, y: from.y };
  const end = { x: to.x - BOX.width / 2 - 6, y: to.y };
  const past = via.flatMap(({ x, y }) => [
    { x: x - BOX.width / 2, y },
    { x: x + BOX.width / 2, y },
  ]);
  const last = past.at(-1) ?? start;
  return { path: curve([start, ...past, end]), label: { x: last.x + (end.x - last.x) * 0.66, y: last.y + (end.y - last.y) * 0.74 - 5 } };
}

/** An arrow within a column or to the left: up or down between the boxes. */
function backPath(from: Point, to: Point): { path: string; label: Point } {
  const direction = to.y < from.y ? -1 : 1;
  const start = { x: from.x - 20, y: from.y + (direction * BOX.height) / 2 };
  const end = { x: to.x + 20, y: to.y - direction * (BOX.height / 2 + 6) };
  const middle = (start.y + end.y) / 2;
  return {
    path: `M${start.x},${start.y} C${start.x},${middle} ${end.x},${middle} ${end.x},${end.y}`,
    label: { x: (start.x + end.x) / 2, y: middle - 4 },
  };
}

function pathOf({ link, via }: MapCall<GraphEdge>, map: ServiceMap<GraphEdge>): { path: string; label: Point } | null {
  const [from, to] = [map.nodes.get(link.parent), map.nodes.get(link.child)];
  if (!from || !to) return null;
  const [start, end] = [pointOf(from, map), pointOf(to, map)];
  if (to.column <= from.column) return backPath(start, end);
  return forwardPath(start, via.map((place) => pointOf(place, map)), end);
}

/** From this share of errors on an arrow is red. */
const FAILING = 0.01;

export interface MapPictureProps {
  readonly map: ServiceMap<GraphEdge>;
  readonly nodes: ReadonlyMap<string, GraphNode>;
  readonly measure: Measure;
  readonly onService: (service: string) => void;
  readonly onEdge: (edge: GraphEdge) => void;
}

export function MapPicture({ map, nodes, measure, onService, onEdge }: MapPictureProps) {
  const [pointed, setPointed] = useState("");
  const width = MARGIN * 2 + BOX.width + (map.columns - 1) * STEP.x;
  const height = MARGIN * 2 + BOX.height + (map.rows - 1) * STEP.y;
  const most = map.calls.reduce((count, { link }) => Math.max(count, link.calls), 1);
  const isNear = (link: GraphEdge) => !pointed || link.parent === pointed || link.child === pointed;
  const drawn = map.calls.flatMap((call) => {
    const way = pathOf(call, map);
    return way ? [{ link: call.link, key: `${call.link.parent} ${call.link.child}`, ...way }] : [];
  });
  const look = (link: GraphEdge) => `${isNear(link) ? "" : "far"} ${link.error_rate >= FAILING ? "failing" : ""}`;
  return (
    <div className="map" tabIndex={0} role="region" aria-label="Map of the services; the table beneath says the same">
      <svg width={width} height={height} viewBox={`0 0 ${width} ${height}`} role="group" aria-label="Services and their calls">
        <defs>
          <marker id="arrow" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="7" markerHeight="7" markerUnits="userSpaceOnUse" orient="auto">
            <path d="M0,0 L8,4 L0,8 z" />
          </marker>
        </defs>
        {drawn.map(({ link, key, path }) => (
          <g key={key} className="map-edge" onClick={() => onEdge(link)}>
            <title>{`${link.parent} calls ${link.child}: ${figuresText(link)}`}</title>
            <path className={`call ${look(link)}`} d={path} markerEnd="url(#arrow)" strokeWidth={1 + 3 * (Math.log1p(link.calls) / Math.log1p(most))} />
            <path className="call-target" d={path} />
          </g>
        ))}
        {drawn.map(({ link, key, label }) => (
          <text key={key} className={`call-count ${look(link)}`} x={label.x} y={label.y} onClick={() => onEdge(link)}>
            {measureText(link, measure)}
          </text>
        ))}
        {[...map.nodes.values()].map((node) => {
          const { x, y } = pointOf(node, map);
          const figures: GraphNode = nodes.get(node.service) ?? { service: node.service };
          const text = nodeText(figures, map.calls.map((call) => call.link).filter((link) => link.child === node.service));
          return (
            <g key={node.service} className="map-node" role="link" tabIndex={0} transform={`translate(${x - BOX.width / 2},${y - BOX.height / 2})`}
              onClick={() => onService(node.service)} onKeyDown={(event) => event.key === "Enter" && onService(node.service)}
              onPointerEnter={() => setPointed(node.service)} onPointerLeave={() => setPointed("")}
              onFocus={() => setPointed(node.service)} onBlur={() => setPointed("")}>
              <rect width={BOX.width} height={BOX.height} rx={7} />
              <rect className="map-colour" width={5} height={BOX.height} rx={2} style={{ fill: serviceColour(node.service) }} />
              <text x={16} y={19}>{`${node.service} `}</text>
              <text x={16} y={36} className={figures.errors ? "sell" : "muted"}>{text}</text>
            </g>
          );
        })}
      </svg>
    </div>
  );
}
