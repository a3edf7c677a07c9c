/** One trace: its header, what was found in it, and the trace as a waterfall, a flame graph or a table of figures. */

import "./trace.css";
import { type RefObject, useCallback, useEffect, useMemo, useReducer, useRef, useState } from "react";
import { RequestError } from "../../shared/http";
import { EmptyState, ErrorState, Loading } from "../../shared/states";
import { Tabs } from "../../shared/Tabs";
import { fetchTrace } from "../api";
import { criticalPath, type Section, sectionsBySpan } from "../model/criticalPath";
import { findSpans, nextMatch } from "../model/find";
import type { Trace } from "../model/trace";
import { Link, navigate } from "../navigation";
import { normalTraceId, tracePath } from "../route";
import { useLoaded } from "../useLoaded";
import { Findings } from "./Findings";
import { FlameGraph } from "./FlameGraph";
import { Minimap } from "./Minimap";
import { StatisticsView } from "./StatisticsView";
import { ShortcutCard, useShortcuts } from "./shortcuts";
import { TraceHeader } from "./TraceHeader";
import { type Action, changeTimeline, initialTimeline } from "./timeline";
import { useFindings } from "./useFindings";
import { Waterfall } from "./Waterfall";

const NOTHING_MARKED: ReadonlyMap<number, readonly Section[]> = new Map();
const VIEWS = [
  { key: "waterfall", title: "Waterfall" },
  { key: "flame", title: "Flame graph" },
  { key: "statistics", title: "Statistics" },
];

export function TracePage({ id, params }: { readonly id: string; readonly params: URLSearchParams }) {
  const wanted = normalTraceId(id);
  const loaded = useLoaded(useCallback((signal: AbortSignal) => fetchTrace(wanted ?? id, signal), [wanted, id]));
  if (loaded.state === "failed") {
    if (!(loaded.error instanceof RequestError) || loaded.error.status !== 404) {
      return <ErrorState error={loaded.error} onRetry={loaded.again} />;
    }
    return (
      <>
        <h1 className="visually-hidden">Trace {id}</h1>
        <EmptyState title="There is no such trace">
          {id} is not stored here: not yet, no more, or never. Spans can be found a second after they came.{" "}
        <button type="button" className="link" onClick={loaded.again}>
          Look again
        </button>{" "}
        <Link to="/search">Search</Link>
        </EmptyState>
      </>
    );
  }
  if (!loaded.data) return <Loading label="Loading the trace" lines={12} />;
  return <TraceView trace={loaded.data} find={params.get("uiFind") ?? ""} />;
}

interface FindProps {
  readonly text: string;
  readonly count: number;
  readonly place: number;
  readonly input: RefObject<HTMLInputElement | null>;
  readonly onText: (text: string) => void;
  readonly onNext: (direction: 1 | -1) => void;
}

function FindBar({ text, count, place, input, onText, onNext }: FindProps) {
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

/** Finding in a trace: the text stands in the address, and the first time it is there, the page goes to what it finds. */
function useFind(trace: Trace, text: string, current: number, dispatch: (action: Action) => void) {
  const places = useMemo(() => findSpans(trace, text), [trace, text]);
  const matches = useMemo(() => new Set(places), [places]);
  const arrived = useRef(false);
  useEffect(() => {
    if (arrived.current) return;
    arrived.current = true;
    const linked = trace.placeById.get(text) ?? places[0];
    if (linked === undefined) return;
    dispatch({ type: "go", place: linked });
    if (trace.placeById.has(text)) dispatch({ type: "toggle-open", place: linked });
  }, [trace, text, places, dispatch]);
  const onText = (next: string) => navigate(tracePath(trace.id, next), { replace: true });
  const onNext = (direction: 1 | -1) => {
    const place = nextMatch(places, current, direction);
    if (place >= 0) dispatch({ type: "go", place });
  };
  return { matches, onText, onNext, count: places.length, place: places.indexOf(current) + 1 };
}

function TraceView({ trace, find }: { readonly trace: Trace; readonly find: string }) {
  const [timeline, dispatch] = useReducer(
    (state: ReturnType<typeof initialTimeline>, action: Action) => changeTimeline(trace, state, action),
    trace,
    initialTimeline,
  );
  const critical = useMemo(() => sectionsBySpan(criticalPath(trace)), [trace]);
  const [isCritical, setCritical] = useState(true);
  const [view, setView] = useState("waterfall");
  const [isHelp, setHelp] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const finding = useFind(trace, find, timeline.current, dispatch);
  const picture = useRef<HTMLDivElement>(null);
  const findings = useFindings(trace, (place) => {
    setView("waterfall");
    dispatch({ type: "go", place });
  });
  const matches = useMemo(() => new Set([...finding.matches, ...findings.marked]), [finding.matches, findings.marked]);
  useEffect(() => {
    if (findings.chosen) picture.current?.scrollIntoView({ block: "nearest" });
  }, [findings.chosen]);
  useShortcuts({
    timeline,
    dispatch,
    nextMatch: finding.onNext,
    focusFind: () => input.current?.focus(),
    toggleCritical: () => setCritical((before) => !before),
    showHelp: () => setHelp(true),
  });
  return (
    <div className="page trace-page">
      <TraceHeader trace={trace} isArchived={findings.analysis.data?.archived ?? false} onHelp={() => setHelp(true)} />
      <Findings analysis={findings.analysis} chosen={findings.chosen} onChoose={findings.onChoose} />
      <Tabs label="Views of the trace" tabs={VIEWS} selected={view} onSelect={setView} className="views">
        {view === "flame" && <FlameGraph trace={trace} />}
        {view === "statistics" && <StatisticsView trace={trace} />}
        {view === "waterfall" && (
          <>
            <Minimap trace={trace} window={timeline.window} dispatch={dispatch} />
            <div className="row waterfall-tools">
              <FindBar {...finding} text={find} input={input} />
              <span className="grow" />
              <label className="row">
                <input type="checkbox" checked={isCritical} onChange={(event) => setCritical(event.target.checked)} /> Critical path
              </label>
              <button type="button" className="small" onClick={() => dispatch({ type: "collapse-all" })}>
                Fold all
              </button>
              <button type="button" className="small" onClick={() => dispatch({ type: "expand-one-level" })}>
                Unfold one level
              </button>
              <button type="button" className="small" onClick={() => dispatch({ type: "expand-all" })}>
                Unfold all
              </button>
            </div>
            <div ref={picture}>
              <Waterfall trace={trace} timeline={timeline} dispatch={dispatch} matches={matches} findings={findings.all}
                marked={isCritical ? critical : NOTHING_MARKED} critical={critical} />
            </div>
          </>
        )}
      </Tabs>
      {isHelp && <ShortcutCard onClose={() => setHelp(false)} />}
    </div>
  );
}
