/** The keys of the trace page, and the card that lists them. */

import { useEffect } from "react";
import { Dialog } from "../../shared/Dialog";
import type { Action, Timeline } from "./timeline";

export interface KeyTarget {
  /** Null where another view is shown: its keys are its own. */
  readonly timeline: Timeline | null;
  readonly dispatch: (action: Action) => void;
  readonly nextMatch: (direction: 1 | -1) => void;
  readonly focusFind: () => void;
  readonly toggleCritical: () => void;
  /** Shows the view that stands at a place in the tabs. */
  readonly showView: (place: number) => void;
  readonly showHelp: () => void;
}

const LIST: readonly [keys: string, what: string][] = [
  ["↑ ↓ or k j", "The span above, beneath"],
  ["← →", "Fold, unfold; or go to the parent, the first child"],
  ["Enter", "Open or close the span's details"],
  ["[ ]", "Fold all, unfold all"],
  ["l", "Unfold one level"],
  ["/ or f", "Find in the trace"],
  ["n, Shift n", "Next match, match before"],
  ["+ − 0", "Zoom in, out, the whole trace"],
  ["Shift ← →", "Move the window of time"],
  ["c", "Show or hide the critical path"],
  ["1 to 5", "Waterfall, graph, flame graph, statistics, spans"],
  ["?", "This card"],
];

function actionOf(event: KeyboardEvent, { timeline }: KeyTarget): Action | null {
  if (!timeline) return null;
  if (event.shiftKey && event.key === "ArrowLeft") return { type: "pan", direction: -1 };
  if (event.shiftKey && event.key === "ArrowRight") return { type: "pan", direction: 1 };
  switch (event.key) {
    case "ArrowDown":
    case "j":
      return { type: "move", step: 1 };
    case "ArrowUp":
    case "k":
      return { type: "move", step: -1 };
    case "ArrowLeft":
      return { type: "left" };
    case "ArrowRight":
      return { type: "right" };
    case "Enter":
      return { type: "toggle-open", place: timeline.current };
    case "[":
      return { type: "collapse-all" };
    case "]":
      return { type: "expand-all" };
    case "l":
      return { type: "expand-one-level" };
    case "+":
    case "=":
      return { type: "zoom", direction: 1 };
    case "-":
      return { type: "zoom", direction: -1 };
    case "0":
      return { type: "reset-zoom" };
    default:
      return null;
  }
}

function otherOf(event: KeyboardEvent, target: KeyTarget): (() => void) | null {
  switch (event.key) {
    case "n":
      return () => target.nextMatch(1);
    case "N":
      return () => target.nextMatch(-1);
    case "/":
    case "f":
      return target.focusFind;
    case "c":
      return target.toggleCritical;
    case "1":
    case "2":
    case "3":
    case "4":
    case "5":
      return () => target.showView(Number(event.key) - 1);
    case "?":
      return target.showHelp;
    default:
      return null;
  }
}

/** Keys belong to a control that has the focus and uses them itself. */
function isTaken(event: KeyboardEvent): boolean {
  const element = event.target instanceof Element ? event.target : null;
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return true;
  if (element?.closest("input, select, textarea, dialog, [contenteditable]")) return true;
  return event.key === "Enter" && element?.closest("a, button, summary") != null;
}

export function useShortcuts(target: KeyTarget): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (isTaken(event)) return;
      const action = actionOf(event, target);
      const run = action ? () => target.dispatch(action) : otherOf(event, target);
      if (!run) return;
      event.preventDefault();
      run();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [target]);
}

export function ShortcutCard({ onClose }: { readonly onClose: () => void }) {
  return (
    <Dialog title="Keys" onClose={onClose}>
      <dl className="shortcuts">
        {LIST.map(([keys, what]) => (
          <div key={keys}>
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
