/** Traces for tests, made from short descriptions or from a seed. */

import type { JaegerSpan, JaegerTrace } from "./jaeger";

export interface Brief {
  id: string;
  parent?: string;
  service?: string;
  name?: string;
  start: number;
  duration: number;
  failed?: boolean;
  tags?: Record<string, unknown>;
}

/** Start of every trace made here, µs since 1970. */
export const START = 1_700_000_000_000_000;

export function jaegerTrace(briefs: readonly Brief[], id = "00000000000000aa"): JaegerTrace {
  const services = [...new Set(briefs.map((brief) => brief.service ?? "service"))];
  const spans = briefs.map((brief): JaegerSpan => {
    const tags = Object.entries({ ...brief.tags, ...(brief.failed ? { error: true } : {}) });
    return {
      traceID: id,
      spanID: brief.id,
      operationName: brief.name ?? brief.id,
      references: brief.parent ? [{ refType: "CHILD_OF", traceID: id, spanID: brief.parent }] : [],
      startTime: START + brief.start,
      duration: brief.duration,
      tags: tags.map(([key, value]) => ({ key, value })),
      logs: [],
      processID: `p${services.indexOf(brief.service ?? "service")}`,
      warnings: null,
    };
  });
  return { traceID: id, spans, processes: Object.fromEntries(services.map((serviceName, i) => [`p${i}`, { serviceName, tags: [] }])) };
}

/** Numbers from 0 to 1 from a seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 4294967296;
  };
}

/** A tree of spans whose children begin within or after their parents, sent in any order. */
export function randomTrace(seed: number, size: number): JaegerTrace {
  const random = randomFrom(seed);
  const below = (limit: number) => Math.floor(random() * limit);
  const briefs: Brief[] = [{ id: "s0", start: 0, duration: 1000 + below(1000) }];
  for (let i = 1; i < size; i++) {
    const parent = briefs[below(briefs.length)];
    if (!parent) continue;
    const start = parent.start + below(parent.duration + 200);
    briefs.push({ id: `s${i}`, parent: parent.id, service: `service-${below(4)}`, name: `call-${below(5)}`, start, duration: below(600), failed: random() < 0.1 });
  }
  return jaegerTrace(briefs.sort(() => random() - 0.5));
}
