/** Finding spans in a trace by a piece of text. */

import { type RefObject, useEffect, useMemo, useRef } from "react";
import { findSpans, nextMatch } from "../model/find";
import type { Trace } from "../model/trace";
import { changeParams } from "../navigation";
import type { Action } from "./timeline";

interface FindProps {
  readonly text: string;
  readonly count: number;
  readonly place: number;
  readonly input: RefObject<HTMLInputElement | null>;
  readonly onText: (text: string) => void;
  readonly onNext: (direction: 1 | -1) => void;
}

export function FindBar({ text, count, place, input, onText, onNext }: FindProps) {
  return (
    <form className="row find" role="search" aria-label="Find in the trace" onSubmit={(event) => (event.preventDefault(), onNext(1))}>
      <input ref={input} aria-label="Find in the trace" placeholder="Find: name, id, tag=value" value={text} spellCheck={false}
        onChange={(event) => onText(event.target.value)} />
      <span className="muted number" role="status">
        {text && (count ? `${place || "–"} of ${count}` : "no match")}
      </span>
      <button type="button" className="small" aria-label="Match before" disabled={!count} onClick={() => onNext(-1)}>
        ↑
      </button>
      <button type="button" className="small" aria-label="Next match" disabled={!count} onClick={() => onNext(1)}>
        ↓
      </button>
    </form>
  );
}

/**
 * Finding in a trace: the text stands in the address, and the first time it is there, the page goes to what it finds.
 *
 * @param inWaterfall goes to a span in the waterfall, whatever view is shown
 */
export function useFind(
  trace: Trace,
  text: string,
  current: number,
  dispatch: (action: Action) => void,
  inWaterfall: (action: Action) => void,
) {
  const places = useMemo(() => findSpans(trace, text), [trace, text]);
  const matches = useMemo(() => new Set(places), [places]);
  const arrived = useRef(false);
  useEffect(() => {
    if (arrived.current) return;
    arrived.current = true;
    const linked = trace.placeById.get(text) ?? places[0];
    if (linked === undefined) return;
    dispatch({ type: trace.placeById.has(text) ? "open" : "go", place: linked });
  }, [trace, text, places, dispatch]);
  const onText = (next: string) => changeParams({ uiFind: next });
  const onNext = (direction: 1 | -1) => {
    const place = nextMatch(places, current, direction);
    if (place >= 0) inWaterfall({ type: "go", place });
  };
  return { text, places, matches, onText, onNext, count: places.length, place: places.indexOf(current) + 1 };
}
