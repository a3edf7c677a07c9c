/**
 * The critical path: the stretches of spans that together made the root take as long as it did.
 *
 * Found as in Jaeger, from the end backwards: until its last child ended, a span's time is its own; before that, the time
 * is the child's, and before the child began, that of whichever child had ended last by then (two that overlap did not wait for each other: only the later one counts). What starts after its parent
 * has ended (the work that events set off) holds nobody up and is not on the path.
 */

import { at } from "./lists";
import { endOf, type Span, type Trace } from "./trace";

/** µs since the start of the trace that were spent in this span and in none of its children. */
export interface Section {
  span: number;
  start: number;
  end: number;
}

interface Frame {
  span: Span;
  /** Children that may have held the span up, with their ends cut at the span's own: the one that ended last stands last. */
  children: { child: Span; end: number }[];
  /** The time before this is still to be attributed. */
  until: number;
  /** Where the span's time begins to count: at its start, or its parent's if that is later. */
  from: number;
}

function openFrame(trace: Trace, span: Span, from: number, until: number): Frame {
  const children = span.children
    .map((place) => at(trace.spans, place))
    .map((child) => ({ child, end: Math.min(endOf(child), until) }))
    .filter(({ child, end }) => child.start < until && end > from)
    .sort((a, b) => a.end - b.end || a.child.start - b.child.start);
  return { span, children, until, from };
}

/** The critical path of the trace's first root, the sections by start. */
export function criticalPath(trace: Trace): Section[] {
  const sections: Section[] = [];
  const add = (span: Span, start: number, end: number) => {
    if (end > start) sections.push({ span: span.index, start, end });
  };
  const { root } = trace;
  const frames = [openFrame(trace, root, root.start, endOf(root))];
  for (let frame = frames.at(-1); frame; frame = frames.at(-1)) {
    const last = frame.children.pop();
    if (!last) {
      add(frame.span, frame.from, frame.until);
      frames.pop();
    } else if (last.end <= frame.until) {
      add(frame.span, last.end, frame.until);
      frame.until = Math.max(last.child.start, frame.from);
      frames.push(openFrame(trace, last.child, frame.until, last.end));
    }
  }
  return sections.reverse();
}

/** The sections by span, for drawing. */
export function sectionsBySpan(sections: Section[]): Map<number, Section[]> {
  const bySpan = new Map<number, Section[]>();
  for (const section of sections) {
    const before = bySpan.get(section.span);
    if (before) before.push(section);
    else bySpan.set(section.span, [section]);
  }
  return bySpan;
}
