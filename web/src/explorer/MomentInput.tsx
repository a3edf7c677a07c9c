/** A field for a moment, in the reader's zone to the second. */

import type { FieldAttributes } from "../shared/Field";

/** The text of a `datetime-local` field for µs since 1970, and back. */
export function momentText(us: number | null): string {
  if (us === null) return "";
  const date = new Date(us / 1000);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

export function momentFromText(text: string): number | null {
  const ms = new Date(text).getTime();
  return Number.isNaN(ms) ? null : ms * 1000;
}

export interface MomentInputProps extends Partial<FieldAttributes> {
  /** µs since 1970. */
  readonly us: number | null;
  readonly onChange: (us: number | null) => void;
  readonly "aria-label"?: string;
}

export function MomentInput({ us, onChange, ...attributes }: MomentInputProps) {
  return <input {...attributes} type="datetime-local" step={1} value={momentText(us)} onChange={(event) => onChange(momentFromText(event.target.value))} />;
}
