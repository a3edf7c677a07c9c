/** The service graph (`/api/service-graph`): services and the calls between them, with their figures over a window. */

import { ask } from "../ask";
import { duration } from "../../shared/time";
import { type CallFigures, percent, rate } from "../monitor/figures";
import { EMPTY_QUERY, type SearchQuery } from "../search/query";
import { apiWindow, searchWindow, type TimeWindow } from "../window";

/** Figures of the calls that a service answers; one that only calls has none. */
export type GraphNode = { service: string } & Partial<CallFigures>;

export interface GraphEdge extends CallFigures {
  parent: string;
  child: string;
}

export interface ServiceGraph {
  nodes: GraphNode[];
  edges: GraphEdge[];
}

export async function fetchGraph(window: TimeWindow, signal: AbortSignal): Promise<ServiceGraph> {
  return (await ask(`/api/service-graph?${new URLSearchParams(apiWindow(window))}`, { signal })) as ServiceGraph;
}

export const MEASURES = ["rate", "errors", "p95"] as const;
export type Measure = (typeof MEASURES)[number];
export const MEASURE_NAMES: Readonly<Record<Measure, string>> = { rate: "Rate", errors: "Errors", p95: "p95" };

export function measureText(figures: CallFigures, measure: Measure): string {
  if (measure === "rate") return rate(figures.rate_per_s);
  return measure === "errors" ? percent(figures.error_rate) : duration(figures.p95_ms * 1000);
}

export function figuresText(figures: CallFigures): string {
  return MEASURES.map((measure) => measureText(figures, measure)).join(" · ");
}

/** What a service's box says. Of one that has no server spans it is known only how often others call it. */
export function nodeText(node: GraphNode, callsOfIt: readonly GraphEdge[]): string {
  if (node.calls) return figuresText(node as CallFigures);
  if (!callsOfIt.length) return "only calls others";
  return `${rate(callsOfIt.reduce((sum, edge) => sum + edge.rate_per_s, 0))} from others`;
}

/** A name in the backend's query language. */
export function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, "\\$&")}"`;
}

export function tracesOfService(service: string, window: TimeWindow): SearchQuery {
  return { ...EMPTY_QUERY, service, ...searchWindow(window) };
}

/** The traces in which both take part; with `onlyFailed`, those in which something failed in the one that is called. */
export function tracesOfEdge({ parent, child }: GraphEdge, window: TimeWindow, onlyFailed = false): SearchQuery {
  const q = `trace.service = ${quoted(parent)}`;
  return { ...EMPTY_QUERY, q, service: child, tags: onlyFailed ? { error: "true" } : {}, ...searchWindow(window) };
}
