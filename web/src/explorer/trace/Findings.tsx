/** What the backend has found in a trace, on top of it. A finding that is pressed marks its spans and goes to the first. */

import { useState } from "react";
import { ErrorState } from "../../shared/states";
import { duration } from "../../shared/time";
import { type Analysis, type Finding, titleOf } from "../model/analysis";
import { ServiceName } from "../ServiceName";
import type { Loaded } from "../useLoaded";

/** The dearest; the others on request. */
const SHOWN_FIRST = 4;

export interface FindingsProps {
  readonly analysis: Loaded<Analysis | null> & { readonly again: () => void };
  readonly chosen: Finding | null;
  readonly onChoose: (finding: Finding | null) => void;
}

function FindingRow({ finding, isChosen, onClick }: { readonly finding: Finding; readonly isChosen: boolean; readonly onClick: () => void }) {
  const spans = finding.span_ids.length;
  return (
    <li>
      <button type="button" className="finding" aria-pressed={isChosen} onClick={onClick}>
        <span className={`chip ${finding.kind === "error" ? "sell" : "warn"}`}>{titleOf(finding.kind)}</span>
        <span className="grow">
          {finding.summary}
          <span className="row muted">
            <ServiceName service={finding.service} /> {finding.operation} · {spans === 1 ? "1 span" : `${spans} spans`}
          </span>
        </span>
        {finding.cost_ms > 0 && (
          <span className="number">
            <strong>{duration(finding.cost_ms * 1000)}</strong> <span className="muted">cost</span>
          </span>
        )}
      </button>
    </li>
  );
}

export function Findings({ analysis, chosen, onChoose }: FindingsProps) {
  const [isWhole, setWhole] = useState(false);
  if (analysis.state === "failed") return <ErrorState error={analysis.error} onRetry={analysis.again} />;
  if (analysis.state === "loading") {
    return (
      <p className="muted" role="status">
        Looking for what stands out…
      </p>
    );
  }
  if (!analysis.data) return null;
  const { findings } = analysis.data;
  if (!findings.length) return <p className="muted">Nothing stands out: no error, no retry, no wait that could be saved.</p>;
  const shown = isWhole ? findings : findings.slice(0, SHOWN_FIRST);
  return (
    <section className="panel findings" aria-labelledby="findings">
      <header>
        <h2 id="findings" className="grow">
          {findings.length === 1 ? "1 finding" : `${findings.length} findings`}
        </h2>
        {findings.length > SHOWN_FIRST && (
          <button type="button" className="small" aria-expanded={isWhole} onClick={() => setWhole(!isWhole)}>
            {isWhole ? `The dearest ${SHOWN_FIRST}` : `All ${findings.length}`}
          </button>
        )}
      </header>
      <ul>
        {shown.map((finding) => (
          <FindingRow key={`${finding.kind} ${finding.span_ids[0]} ${finding.summary}`} finding={finding} isChosen={finding === chosen}
            onClick={() => onChoose(finding === chosen ? null : finding)} />
        ))}
      </ul>
    </section>
  );
}
