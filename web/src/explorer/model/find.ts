/** Finding spans by a piece of text: in names, ids, tags, events and the resource, whatever the case. */

import type { KeyValue } from "./jaeger";
import type { Span, Trace } from "./trace";

function tagsHave(tags: KeyValue[], text: string): boolean {
  return tags.some(({ key, value }) => `${key}=${String(value)}`.toLowerCase().includes(text));
}

function spanHas(span: Span, text: string): boolean {
  return (
    `${span.service} ${span.operation}`.toLowerCase().includes(text) ||
    span.id.includes(text) ||
    tagsHave(span.source.tags, text) ||
    span.source.logs.some((log) => tagsHave(log.fields, text)) ||
    tagsHave(span.process.tags, text)
  );
}

/** The places of the spans that have the text, in order; none for an empty text. */
export function findSpans(trace: Trace, text: string): number[] {
  const wanted = text.trim().toLowerCase();
  return wanted ? trace.spans.filter((span) => spanHas(span, wanted)).map((span) => span.index) : [];
}

/** The match after (or before) a place, beginning anew at the end; -1 without matches. */
export function nextMatch(matches: number[], place: number, direction: 1 | -1): number {
  if (direction > 0) return matches.find((match) => match > place) ?? matches[0] ?? -1;
  return matches.findLast((match) => match < place) ?? matches.at(-1) ?? -1;
}
