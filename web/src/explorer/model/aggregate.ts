/**
 * A trace with equal calls put together: spans of the same service and operation under the same parents become one node.
 * The flame graph draws it, and the comparison of two traces lays one such tree over the other.
 */

import { at } from "./lists";
import type { Span, Trace } from "./trace";

export interface CallNode {
  service: string;
  operation: string;
  depth: number;
  count: number;
  failedCount: number;
  /** Sum of the spans' durations, µs. */
  total: number;
  /** Sum of the spans' own times, µs. */
  self: number;
  /** Own time of the node and of all below it, µs: the width in a flame graph. */
  weight: number;
  children: CallNode[];
  /** The longest of its spans, as an example. */
  longest: Span | null;
}

function keyOf(service: string, operation: string): string {
  return `${service}\u0000${operation}`;
}

function emptyNode(service: string, operation: string, depth: number): CallNode {
  return { service, operation, depth, count: 0, failedCount: 0, total: 0, self: 0, weight: 0, children: [], longest: null };
}

/** The calls of a trace; the answer stands for the trace itself, its children are the roots. */
export function aggregateCalls(trace: Trace): CallNode {
  const top = emptyNode("", "", -1);
  const nodes: CallNode[] = [];
  const index = new Map<CallNode, Map<string, CallNode>>();
  const inOrder: CallNode[] = [top];
  for (const span of trace.spans) {
    const parent = span.parent < 0 ? top : at(nodes, span.parent);
    let siblings = index.get(parent);
    if (!siblings) index.set(parent, (siblings = new Map()));
    const key = keyOf(span.service, span.operation);
    let node = siblings.get(key);
    if (!node) {
      siblings.set(key, (node = emptyNode(span.service, span.operation, span.depth)));
      parent.children.push(node);
      inOrder.push(node);
    }
    nodes.push(node);
    node.count++;
    node.total += span.duration;
    node.self += span.selfTime;
    if (span.isFailed) node.failedCount++;
    if (!node.longest || span.duration > node.longest.duration) node.longest = span;
  }
  for (const node of inOrder.reverse()) {
    node.weight = node.self + node.children.reduce((sum, child) => sum + child.weight, 0);
  }
  return top;
}

export interface FlameBox {
  node: CallNode;
  /** Left and width as shares of the whole, 0 to 1. */
  left: number;
  width: number;
  /** Row from the top, 0 for the node that fills the width. */
  row: number;
}

/** The boxes of a flame graph with `focus` as wide as the picture; none narrower than `shareMin`, none below `rowsMax`. */
export function flameBoxes(focus: CallNode, shareMin: number, rowsMax: number): FlameBox[] {
  const boxes: FlameBox[] = [];
  const waiting: FlameBox[] = [{ node: focus, left: 0, width: 1, row: 0 }];
  for (let box = waiting.pop(); box; box = waiting.pop()) {
    boxes.push(box);
    if (box.row + 1 >= rowsMax) continue;
    let { left } = box;
    for (const child of [...box.node.children].sort((a, b) => b.weight - a.weight)) {
      const width = box.node.weight ? (box.width * child.weight) / box.node.weight : 0;
      if (width >= shareMin) waiting.push({ node: child, left, width, row: box.row + 1 });
      left += width;
    }
  }
  return boxes;
}

export interface ComparedCall {
  service: string;
  operation: string;
  depth: number;
  a: CallNode | null;
  b: CallNode | null;
}

/** The calls of two traces side by side, depth first: those of the first in its order, then those that only the second has. */
export function compareCalls(a: CallNode, b: CallNode): ComparedCall[] {
  const rows: ComparedCall[] = [];
  const waiting: [CallNode | null, CallNode | null][] = [[a, b]];
  for (let pair = waiting.pop(); pair; pair = waiting.pop()) {
    const [left, right] = pair;
    const shown = left ?? right;
    if (shown && shown.depth >= 0) {
      rows.push({ service: shown.service, operation: shown.operation, depth: shown.depth, a: left, b: right });
    }
    const rest = new Map((right?.children ?? []).map((child) => [keyOf(child.service, child.operation), child]));
    const pairs: [CallNode | null, CallNode | null][] = [];
    for (const child of left?.children ?? []) {
      const key = keyOf(child.service, child.operation);
      pairs.push([child, rest.get(key) ?? null]);
      rest.delete(key);
    }
    for (const child of rest.values()) pairs.push([null, child]);
    waiting.push(...pairs.reverse());
  }
  return rows;
}
