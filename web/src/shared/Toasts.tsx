/** Short messages in the corner, announced to screen readers. They go by themselves unless the pointer is on them. */

import { type ReactNode, useEffect, useState, useSyncExternalStore } from "react";

export interface Toast {
  readonly id: number;
  readonly kind: "good" | "bad" | "plain";
  readonly text: ReactNode;
  readonly action?: { readonly label: string; readonly run: () => void };
}

const SHOWN_MAX = 4;
const STAYS_MS = { good: 5000, plain: 6000, bad: 12_000 };

let toasts: readonly Toast[] = [];
let lastId = 0;
const listeners = new Set<() => void>();

function show(next: readonly Toast[]): void {
  toasts = next;
  for (const listener of listeners) listener();
}

/** Shows a message; the oldest gives way where there are too many. */
export function toast(kind: Toast["kind"], text: ReactNode, action?: Toast["action"]): void {
  lastId += 1;
  show([...toasts, { id: lastId, kind, text, ...(action ? { action } : {}) }].slice(-SHOWN_MAX));
}

export function Toasts() {
  const shown = useSyncExternalStore((listener) => (listeners.add(listener), () => listeners.delete(listener)), () => toasts);
  return (
    <div className="toasts" role="status" aria-live="polite" aria-label="Messages">
      {shown.map((one) => (
        <One key={one.id} toast={one} />
      ))}
    </div>
  );
}

function One({ toast: one }: { readonly toast: Toast }) {
  const [held, setHeld] = useState(false);
  const close = () => show(toasts.filter((other) => other.id !== one.id));
  useEffect(() => {
    if (held) return;
    const timer = setTimeout(() => show(toasts.filter((other) => other.id !== one.id)), STAYS_MS[one.kind]);
    return () => clearTimeout(timer);
  }, [held, one]);
  const hold = { onPointerEnter: () => setHeld(true), onPointerLeave: () => setHeld(false), onFocus: () => setHeld(true) };
  return (
    <div className={`toast ${one.kind}`} {...hold} onBlur={() => setHeld(false)}>
      <div className="grow">{one.text}</div>
      {one.action && (
        <button type="button" className="link" onClick={() => (one.action?.run(), close())}>
          {one.action.label}
        </button>
      )}
      <button type="button" className="plain small" aria-label="Dismiss" onClick={close}>
        ✕
      </button>
    </div>
  );
}
