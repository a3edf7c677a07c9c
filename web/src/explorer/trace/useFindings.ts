/** The findings of a trace: what they are, which one is chosen, and which spans they mark. */

import { useCallback, useMemo, useState } from "react";
import { fetchAnalysis } from "../api";
import { type Finding, placesOf } from "../model/analysis";
import type { Trace } from "../model/trace";
import { useLoaded } from "../useLoaded";

const NONE: ReadonlySet<number> = new Set();

/** `onChosen` is given the first of the spans that a finding is about, when it is chosen. */
export function useFindings(trace: Trace, onChosen: (place: number) => void) {
  const analysis = useLoaded(useCallback((signal: AbortSignal) => fetchAnalysis(trace.id, signal), [trace.id]));
  const [chosen, setChosen] = useState<Finding | null>(null);
  const all = useMemo(
    () => new Set(analysis.data?.findings.flatMap((finding) => placesOf(trace, finding))),
    [trace, analysis.data],
  );
  const marked = useMemo(() => (chosen ? new Set(placesOf(trace, chosen)) : NONE), [trace, chosen]);
  const onChoose = (finding: Finding | null) => {
    setChosen(finding);
    const [first] = finding ? placesOf(trace, finding) : [];
    if (first !== undefined) onChosen(first);
  };
  return { analysis, chosen, onChoose, all, marked };
}
