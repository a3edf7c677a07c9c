/** Choosing the time that a page shows: how long, and until when. */

import type { ReactNode } from "react";
import { MomentInput } from "./MomentInput";
import { LOOKBACKS } from "./search/query";
import type { TimeWindow } from "./window";

/** How long: the usual lengths, and the one that is chosen where it is another. */
export function LengthSelect({ lookback, isNow, label = "Time", onChange }: {
  readonly lookback: string;
  /** Whether it ends now. */
  readonly isNow: boolean;
  readonly label?: string;
  readonly onChange: (lookback: string) => void;
}) {
  const lengths = LOOKBACKS.some(([value]) => value === lookback) ? LOOKBACKS : [...LOOKBACKS, [lookback, `Last ${lookback}`] as const];
  return (
    <select aria-label={label} className="narrow" value={lookback} onChange={(event) => onChange(event.target.value)}>
      {lengths.map(([value, text]) => (
        <option key={value} value={value}>
          {isNow ? text : text.replace("Last", "The")}
        </option>
      ))}
    </select>
  );
}

export interface WindowFieldsProps {
  readonly window: TimeWindow;
  readonly onChange: (window: TimeWindow) => void;
  readonly onAgain: () => void;
  /** What else is chosen, before the button that asks again. */
  readonly children?: ReactNode;
}

export function WindowFields({ window, onChange, onAgain, children }: WindowFieldsProps) {
  const { lookback, end_ms } = window;
  const isNow = end_ms === null;
  return (
    <>
      <LengthSelect lookback={lookback} isNow={isNow} onChange={(next) => onChange({ ...window, lookback: next })} />
      <select aria-label="Until" className="narrow" value={isNow ? "now" : "then"}
        onChange={(event) => onChange({ ...window, end_ms: event.target.value === "now" ? null : Date.now() })}>
        <option value="now">until now</option>
        <option value="then">until …</option>
      </select>
      {!isNow && (
        <span className="moment">
          <MomentInput aria-label="End of the time" us={end_ms * 1000} onChange={(us) => us !== null && onChange({ ...window, end_ms: us / 1000 })} />
        </span>
      )}
      {children}
      <button type="button" onClick={onAgain}>
        Refresh
      </button>
    </>
  );
}
