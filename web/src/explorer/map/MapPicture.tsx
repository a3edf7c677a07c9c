/**
 * The drawn map: services as boxes with their figures, calls as arrows whose weight grows with their number, red where
 * calls fail. A box and an arrow lead to their traces.
 */

import { useCallback, useMemo } from "react";
import { type ArrowText, GraphPicture } from "../graph/GraphPicture";
import { figuresText, type GraphEdge, type GraphNode, type Measure, measureText, nodeText } from "./graph";
import type { ServiceMap } from "./layout";

const GRID = { box: { width: 184, height: 46 }, step: { x: 300, y: 66 }, margin: 28 };
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
  const most = useMemo(() => map.calls.reduce((count, { link }) => Math.max(count, link.calls), 1), [map]);
  const arrowTextOf = useCallback(
    (edge: GraphEdge): ArrowText => ({
      label: `${edge.parent} calls ${edge.child}: ${figuresText(edge)}`,
      figure: measureText(edge, measure),
      weight: Math.log1p(edge.calls) / Math.log1p(most),
      look: edge.error_rate >= FAILING ? "failing" : "",
    }),
    [measure, most],
  );
  const boxOf = (service: string) => {
    const figures: GraphNode = nodes.get(service) ?? { service };
    const text = nodeText(figures, map.calls.map((call) => call.link).filter((link) => link.child === service));
    return { service, more: "", lines: [{ text: service }, { text, look: figures.errors ? ("sell" as const) : ("muted" as const) }] };
  };
  return (
    <GraphPicture label="Map of the services; the table beneath says the same" map={map} grid={GRID} boxOf={boxOf} arrowTextOf={arrowTextOf}
      onBox={onService} onArrow={onEdge} />
  );
}
