/** One trace: its header, what was found in it, and the trace in one of its views, which stands in the address. */

import "./trace.css";
import { useEffect, useMemo, useReducer, useRef, useState } from "react";
import { Tabs } from "../../shared/Tabs";
import { criticalPath, type Section, sectionsBySpan } from "../model/criticalPath";
import type { Trace } from "../model/trace";
import { changeParams } from "../navigation";
import { Findings } from "./Findings";
import { FlameGraph } from "./FlameGraph";
import { FindBar, useFind } from "./find";
import { Minimap } from "./Minimap";
import { SpanTable } from "./SpanTable";
import { StatisticsView } from "./StatisticsView";
import { ShortcutCard, useShortcuts } from "./shortcuts";
import { TraceGraph } from "./TraceGraph";
import { TraceHeader } from "./TraceHeader";
import { type Action, changeTimeline, initialTimeline } from "./timeline";
import { useFindings } from "./useFindings";
import { Waterfall } from "./Waterfall";

const NOTHING_MARKED: ReadonlyMap<number, readonly Section[]> = new Map();
const NONE: ReadonlySet<number> = new Set();
const VIEWS = [
  { key: "waterfall", title: "Waterfall" },
  { key: "graph", title: "Graph" },
  { key: "flame", title: "Flame graph" },
  { key: "statistics", title: "Statistics" },
  { key: "table", title: "Spans" },
];
/** The views in which the critical path is marked, and those in which spans can be found. */
const WITH_PATH = ["waterfall", "graph"];
const WITH_FIND = ["waterfall", "graph", "table"];

function showView(key: string): void {
  changeParams({ view: key === "waterfall" ? "" : key });
}

function FoldButtons({ dispatch }: { readonly dispatch: (action: Action) => void }) {
  const buttons: readonly [text: string, action: Action][] = [
    ["Fold all", { type: "collapse-all" }],
    ["Unfold one level", { type: "expand-one-level" }],
    ["Unfold all", { type: "expand-all" }],
  ];
  return buttons.map(([text, action]) => (
    <button key={text} type="button" className="small" onClick={() => dispatch(action)}>
      {text}
    </button>
  ));
}

export function TraceView({ trace, params }: { readonly trace: Trace; readonly params: URLSearchParams }) {
  const [timeline, dispatch] = useReducer(
    (state: ReturnType<typeof initialTimeline>, action: Action) => changeTimeline(trace, state, action),
    trace,
    initialTimeline,
  );
  const critical = useMemo(() => sectionsBySpan(criticalPath(trace)), [trace]);
  const [isCritical, setCritical] = useState(true);
  const [shown, setShown] = useState(NONE);
  const [isHelp, setHelp] = useState(false);
  const view = VIEWS.find(({ key }) => key === params.get("view"))?.key ?? "waterfall";
  const input = useRef<HTMLInputElement>(null);
  const picture = useRef<HTMLDivElement>(null);
  const inWaterfall = (action: Action, places: ReadonlySet<number> = NONE) => {
    showView("waterfall");
    setShown(places);
    dispatch(action);
  };
  const finding = useFind(trace, params.get("uiFind") ?? "", timeline.current, dispatch, inWaterfall);
  const findings = useFindings(trace, (place) => inWaterfall({ type: "go", place }));
  const matches = useMemo(() => new Set([...finding.matches, ...findings.marked, ...shown]), [finding.matches, findings.marked, shown]);
  useEffect(() => {
    if (findings.chosen) picture.current?.scrollIntoView({ block: "nearest" });
  }, [findings.chosen]);
  useShortcuts({
    timeline: view === "waterfall" ? timeline : null,
    dispatch,
    nextMatch: finding.onNext,
    focusFind: () => input.current?.focus(),
    toggleCritical: () => setCritical((before) => !before),
    showView: (place) => VIEWS[place] && showView(VIEWS[place].key),
    showHelp: () => setHelp(true),
  });
  return (
    <div className="page trace-page">
      <TraceHeader trace={trace} isArchived={findings.analysis.data?.archived ?? false} onHelp={() => setHelp(true)} />
      <Findings analysis={findings.analysis} chosen={findings.chosen} onChoose={findings.onChoose} />
      <Tabs label="Views of the trace" tabs={VIEWS} selected={view} onSelect={showView} className="views">
        {view === "waterfall" && <Minimap trace={trace} window={timeline.window} dispatch={dispatch} />}
        {WITH_FIND.includes(view) && (
          <div className="row view-tools">
            <FindBar {...finding} input={input} />
            <span className="grow" />
            {WITH_PATH.includes(view) && (
              <label className="row">
                <input type="checkbox" checked={isCritical} onChange={(event) => setCritical(event.target.checked)} /> Critical path
              </label>
            )}
            {view === "waterfall" && <FoldButtons dispatch={dispatch} />}
          </div>
        )}
        {view === "flame" && <FlameGraph trace={trace} />}
        {view === "statistics" && <StatisticsView trace={trace} />}
        {view === "graph" && (
          <TraceGraph trace={trace} critical={critical} isCritical={isCritical} matches={matches}
            onShow={(places, place) => inWaterfall({ type: "go", place }, new Set(places))} />
        )}
        {view === "table" && (
          <SpanTable trace={trace} params={params} critical={critical} found={finding.text ? finding.places : null}
            onShow={(place) => inWaterfall({ type: "open", place })} />
        )}
        {view === "waterfall" && (
          <div ref={picture}>
            <Waterfall trace={trace} timeline={timeline} dispatch={dispatch} matches={matches} findings={findings.all}
              marked={isCritical ? critical : NOTHING_MARKED} critical={critical} />
          </div>
        )}
      </Tabs>
      {isHelp && <ShortcutCard onClose={() => setHelp(false)} />}
    </div>
  );
}
