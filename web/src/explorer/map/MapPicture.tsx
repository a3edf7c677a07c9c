/** The drawn map: services as boxes in columns, calls as arrows whose weight grows with their number. */

import { useState } from "react";
import { serviceColour } from "../model/colours";
import type { DependencyLink } from "../model/jaeger";
import type { MapNode, ServiceMap } from "./layout";

const BOX = { width: 168, height: 46 };
const STEP = { x: 270, y: 74 };
const MARGIN = 28;

interface Point {
  x: number;
  y: number;
}

/** The middle of a node's box. */
function placeOf(node: MapNode, map: ServiceMap): Point {
  return { x: MARGIN + BOX.width / 2 + node.column * STEP.x, y: MARGIN + BOX.height / 2 + ((map.rows - 1) / 2 + node.row) * STEP.y };
}

/** An arrow from the side of one box to the side of another: forward from right to left, back over the top. */
function pathOf(from: MapNode, to: MapNode, map: ServiceMap): { path: string; label: Point } {
  const [a, b] = [placeOf(from, map), placeOf(to, map)];
  const isForward = to.column > from.column;
  const start = { x: a.x + BOX.width / 2, y: a.y };
  const end = { x: b.x - BOX.width / 2 - 6, y: b.y };
  if (isForward) {
    const bend = (end.x - start.x) / 2;
    return {
      path: `M${start.x},${start.y} C${start.x + bend},${start.y} ${end.x - bend},${end.y} ${end.x},${end.y}`,
      label: { x: start.x + (end.x - start.x) * 0.62, y: start.y + (end.y - start.y) * 0.68 - 5 },
    };
  }
  const [top, under] = [a.y - BOX.height / 2, b.y + BOX.height / 2 + 6];
  const isUpward = b.y < a.y;
  const from_ = { x: a.x - 20, y: isUpward ? top : a.y + BOX.height / 2 };
  const to_ = { x: b.x + 20, y: isUpward ? under : b.y - BOX.height / 2 - 6 };
  const middle = (from_.y + to_.y) / 2;
  return {
    path: `M${from_.x},${from_.y} C${from_.x},${middle} ${to_.x},${middle} ${to_.x},${to_.y}`,
    label: { x: (from_.x + to_.x) / 2, y: middle - 4 },
  };
}

function compact(count: number): string {
  return count.toLocaleString("en", { notation: "compact", maximumSignificantDigits: 3 });
}

export interface MapPictureProps {
  readonly map: ServiceMap;
  readonly onService: (service: string) => void;
}

export function MapPicture({ map, onService }: MapPictureProps) {
  const [pointed, setPointed] = useState("");
  const width = MARGIN * 2 + BOX.width + (map.columns - 1) * STEP.x;
  const height = MARGIN * 2 + BOX.height + (map.rows - 1) * STEP.y;
  const most = map.links.reduce((count, link) => Math.max(count, link.callCount), 1);
  const isNear = (link: DependencyLink) => !pointed || link.parent === pointed || link.child === pointed;
  const drawn = map.links.flatMap((link) => {
    const [from, to] = [map.nodes.get(link.parent), map.nodes.get(link.child)];
    return from && to && from !== to ? [{ link, ...pathOf(from, to, map) }] : [];
  });
  return (
    <div className="map" tabIndex={0} role="region" aria-label="Map of the services; the table beneath says the same">
      <svg width={width} height={height} viewBox={`0 0 ${width} ${height}`} role="group" aria-label="Services and their calls">
        <defs>
          <marker id="arrow" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="7" markerHeight="7" markerUnits="userSpaceOnUse" orient="auto">
            <path d="M0,0 L8,4 L0,8 z" />
          </marker>
        </defs>
        {drawn.map(({ link, path }) => (
          <path key={`${link.parent} ${link.child}`} className={`call ${isNear(link) ? "" : "far"}`} d={path} markerEnd="url(#arrow)"
            strokeWidth={1 + 3 * (Math.log1p(link.callCount) / Math.log1p(most))} />
        ))}
        {drawn.map(({ link, label }) => (
          <text key={`${link.parent} ${link.child}`} className={`call-count ${isNear(link) ? "" : "far"}`} x={label.x} y={label.y}>
            {compact(link.callCount)}
          </text>
        ))}
        {[...map.nodes.values()].map((node) => {
          const { x, y } = placeOf(node, map);
          return (
            <g key={node.service} className="map-node" role="link" tabIndex={0} transform={`translate(${x - BOX.width / 2},${y - BOX.height / 2})`}
              aria-label={`${node.service}: called ${node.callsIn} times, calls ${node.callsOut} times; search its traces`}
              onClick={() => onService(node.service)} onKeyDown={(event) => event.key === "Enter" && onService(node.service)}
              onPointerEnter={() => setPointed(node.service)} onPointerLeave={() => setPointed("")}
              onFocus={() => setPointed(node.service)} onBlur={() => setPointed("")}>
              <rect width={BOX.width} height={BOX.height} rx={7} />
              <rect className="map-colour" width={5} height={BOX.height} rx={2} style={{ fill: serviceColour(node.service) }} />
              <text x={16} y={19}>{node.service}</text>
              <text x={16} y={36} className="muted">{`${compact(node.callsIn)} in, ${compact(node.callsOut)} out`}</text>
            </g>
          );
        })}
      </svg>
    </div>
  );
}
