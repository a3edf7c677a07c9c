/** Alerts as the backend tells them (`/api/alerts`), and what can be asked of it about them. */

import { duration } from "../../shared/time";
import { ask } from "../ask";
import { percent, rate } from "../monitor/figures";

export interface Alert {
  id: string;
  rule: string;
  severity: string;
  service: string;
  /** Null where the rule is about services as a whole. */
  operation: string | null;
  state: "pending" | "firing" | "resolved";
  silenced: boolean;
  summary: string;
  measure: string;
  value: number;
  threshold: number;
  /** All times in ms since 1970; null for what has not happened. */
  since_ms: number;
  fired_ms: number | null;
  resolved_ms: number | null;
  trace_ids: string[];
}

export interface Silence {
  id: string;
  until_ms: number;
  rule: string;
  service: string;
  operation: string;
  comment: string;
}

/** What is to be kept quiet; empty fields match anything. */
export interface NewSilence {
  minutes: number;
  rule: string;
  service: string;
  operation: string;
  comment: string;
}

export interface Alerts {
  current: Alert[];
  history: Alert[];
  silences: Silence[];
}

export async function fetchAlerts(signal: AbortSignal): Promise<Alerts> {
  const [current, history, silences] = await Promise.all([
    ask("/api/alerts", { signal }) as Promise<{ alerts: Alert[] }>,
    ask("/api/alerts/history?limit=100", { signal }) as Promise<{ alerts: Alert[] }>,
    ask("/api/alerts/silences", { signal }) as Promise<{ silences: Silence[] }>,
  ]);
  return { current: current.alerts, history: history.alerts, silences: silences.silences };
}

export async function silence(wanted: NewSilence): Promise<void> {
  await ask("/api/alerts/silences", { method: "POST", body: wanted });
}

export async function endSilence(id: string): Promise<void> {
  await ask(`/api/alerts/silences/${encodeURIComponent(id)}`, { method: "DELETE" });
}

/** A value in the unit that its measure ends in: `p95_ms`, `silent_s`, `error_rate`, `rate_per_s`, `lost_share`. */
export function valueOf(measure: string, value: number): string {
  if (measure.endsWith("_per_s")) return rate(value);
  if (measure.endsWith("_ms")) return duration(value * 1000);
  if (measure.endsWith("_s")) return duration(value * 1e6);
  return percent(value);
}

const MEASURES: Readonly<Record<string, string>> = { error_rate: "errors", rate_per_s: "calls", silent_s: "silent", lost_share: "spans lost" };

/** What a rule measures, in words that stand behind the value. */
export function measureName(measure: string): string {
  return MEASURES[measure] ?? measure.replace(/_ms$/, "");
}

/** What a silence keeps quiet, in words. */
export function scopeOf({ rule, service, operation }: Pick<Silence, "rule" | "service" | "operation">): string {
  const parts = [rule, service, operation].filter(Boolean);
  return parts.length ? parts.join(" · ") : "everything";
}
