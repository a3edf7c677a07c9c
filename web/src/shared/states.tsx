/** What stands where data is not: nothing there yet, on its way, or failed. */

import type { ReactNode } from "react";
import { RequestError } from "./http";

export function EmptyState({ title, children }: { readonly title: string; readonly children?: ReactNode }) {
  return (
    <div className="empty">
      <strong>{title}</strong>
      {children && <span>{children}</span>}
    </div>
  );
}

export function Loading({ label, lines = 3 }: { readonly label: string; readonly lines?: number }) {
  return (
    <div role="status" style={{ padding: "4px 12px" }}>
      <span className="visually-hidden">{label}</span>
      {Array.from({ length: lines }, (_, index) => (
        <div key={index} className="skeleton" style={{ width: `${90 - (index % 3) * 18}%` }} />
      ))}
    </div>
  );
}

export interface ErrorStateProps {
  readonly error: unknown;
  readonly onRetry?: () => void;
  /** Shows the trace of the failure; left out where the page has no way to show one. */
  readonly onTrace?: (traceId: string) => void;
}

/** An error in a sentence, with its trace and a way to try again. */
export function ErrorState({ error, onRetry, onTrace }: ErrorStateProps) {
  const text = error instanceof Error ? error.message : String(error);
  const traceId = error instanceof RequestError ? error.traceId : "";
  return (
    <div className="notice bad" role="alert">
      <div>{text}</div>
      <div className="row">
        {onRetry && (
          <button type="button" className="small" onClick={onRetry}>
            Try again
          </button>
        )}
        {traceId && onTrace && (
          <button type="button" className="link" onClick={() => onTrace(traceId)}>
            What happened
          </button>
        )}
        {traceId && <code className="muted">trace {traceId.slice(0, 12)}</code>}
      </div>
    </div>
  );
}
