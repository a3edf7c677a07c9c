/** Alerts: what is wrong now, what was, and what is kept quiet; each with traces that show what it is about. */

import { useEffect, useState } from "react";
import { type Column, Table } from "../../shared/Table";
import { EmptyState, ErrorState, Loading } from "../../shared/states";
import { duration, shortTime } from "../../shared/time";
import { toast } from "../../shared/Toasts";
import { ServiceName } from "../ServiceName";
import { TraceLinks } from "../TraceLinks";
import { useLoaded } from "../useLoaded";
import { type Alert, endSilence, fetchAlerts, measureName, scopeOf, type Silence, valueOf } from "./alerts";
import { SilenceDialog } from "./SilenceDialog";

/** As often as the backend judges its rules. */
const AGAIN_MS = 15_000;

function State({ alert }: { readonly alert: Alert }) {
  const look = alert.silenced ? "" : alert.state === "firing" ? "sell" : "warn";
  return <span className={`chip ${look}`}>{alert.silenced ? `${alert.state}, silenced` : alert.state}</span>;
}

const when = (time_ms: number) => <time dateTime={new Date(time_ms).toISOString()}>{shortTime(new Date(time_ms))}</time>;

const COMMON: readonly Column<Alert>[] = [
  { key: "rule", title: "Rule", show: (alert) => alert.rule, order: (alert) => alert.rule },
  { key: "severity", title: "Severity", show: (alert) => alert.severity, order: (alert) => alert.severity },
  { key: "service", title: "Service", show: (alert) => <ServiceName service={alert.service} />, order: (alert) => alert.service },
  { key: "operation", title: "Operation", show: (alert) => alert.operation ?? "", order: (alert) => alert.operation ?? "" },
];
const valueColumn = (title: string): Column<Alert> => ({
  key: "value", title, number: true, show: (alert) => (
    <>
      <strong>{valueOf(alert.measure, alert.value)}</strong>{" "}
      <span className="muted">
        {measureName(alert.measure)}, limit {valueOf(alert.measure, alert.threshold)}
      </span>
    </>
  ),
});
const TRACES: Column<Alert> = { key: "traces", title: "Example traces", show: (alert) => <TraceLinks ids={alert.trace_ids} /> };

function currentColumns(onSilence: (alert: Alert) => void): Column<Alert>[] {
  return [
    { key: "state", title: "State", show: (alert) => <State alert={alert} />, order: (alert) => alert.state },
    ...COMMON,
    valueColumn("Value"),
    { key: "since", title: "Since", show: (alert) => when(alert.since_ms), order: (alert) => alert.since_ms },
    TRACES,
    {
      key: "silence", title: <span className="visually-hidden">Silence</span>, show: (alert) =>
        !alert.silenced && (
          <button type="button" className="small" aria-label={`Keep quiet: ${alert.summary}`} onClick={() => onSilence(alert)}>
            Keep quiet
          </button>
        ),
    },
  ];
}

const HISTORY_COLUMNS: readonly Column<Alert>[] = [
  ...COMMON,
  valueColumn("At the end"),
  { key: "fired", title: "Fired", show: (alert) => when(alert.fired_ms ?? alert.since_ms), order: (alert) => alert.fired_ms ?? alert.since_ms },
  { key: "lasted", title: "Lasted", number: true, show: (alert) => duration(lastedOf(alert) * 1000), order: lastedOf },
  TRACES,
];

function lastedOf(alert: Alert): number {
  return Math.max((alert.resolved_ms ?? Date.now()) - (alert.fired_ms ?? alert.since_ms), 0);
}

function silenceColumns(onEnd: (silence: Silence) => void): Column<Silence>[] {
  return [
    { key: "scope", title: "Quiet", show: scopeOf, order: scopeOf },
    { key: "until", title: "Until", show: (one) => when(one.until_ms), order: (one) => one.until_ms },
    { key: "comment", title: "Why", show: (one) => one.comment },
    {
      key: "end", title: <span className="visually-hidden">End</span>, show: (one) => (
        <button type="button" className="small" aria-label={`End the silence of ${scopeOf(one)}`} onClick={() => onEnd(one)}>
          End it
        </button>
      ),
    },
  ];
}

export function AlertsPage() {
  const loaded = useLoaded(fetchAlerts);
  const [chosen, setChosen] = useState<Alert | null>(null);
  const { again, state } = loaded;
  useEffect(() => {
    if (state === "loading") return undefined;
    const timer = setTimeout(again, AGAIN_MS);
    return () => clearTimeout(timer);
  }, [state, again]);
  const end = async (one: Silence) => {
    try {
      await endSilence(one.id);
      toast("good", `No longer quiet: ${scopeOf(one)}`);
    } catch (error) {
      toast("bad", error instanceof Error ? error.message : String(error));
    }
    again();
  };
  const alerts = loaded.data;
  return (
    <div className="page">
      <div className="row">
        <h1 className="grow">Alerts</h1>
        <button type="button" onClick={again}>
          Refresh
        </button>
      </div>
      {loaded.state === "failed" && <ErrorState error={loaded.error} onRetry={again} />}
      {!alerts && loaded.state === "loading" && <Loading label="Loading the alerts" lines={8} />}
      {alerts && (
        <>
          <section className="panel" aria-labelledby="now">
            <header>
              <h2 id="now">Now</h2>
            </header>
            <Table caption="Alerts now" columns={currentColumns(setChosen)} rows={alerts.current} rowKey={(alert) => alert.id}
              empty={<EmptyState title="All is well">No rule is broken, and none is about to be.</EmptyState>} />
          </section>
          {alerts.silences.length > 0 && (
            <section className="panel" aria-labelledby="silences">
              <header>
                <h2 id="silences">Kept quiet</h2>
              </header>
              <Table caption="Silences" columns={silenceColumns(end)} rows={alerts.silences} rowKey={(one) => one.id} empty={null} />
            </section>
          )}
          <section className="panel" aria-labelledby="history">
            <header>
              <h2 id="history">History</h2>
            </header>
            <Table caption="Alerts that are over" columns={HISTORY_COLUMNS} rows={alerts.history}
              rowKey={(alert) => `${alert.id} ${alert.fired_ms ?? alert.since_ms}`}
              empty={<EmptyState title="No alert has ended yet">What fires is kept here once it is over.</EmptyState>} />
          </section>
        </>
      )}
      {chosen && (
        <SilenceDialog alert={chosen} onClose={() => setChosen(null)}
          onDone={() => {
            setChosen(null);
            toast("good", "Kept quiet");
            again();
          }}
        />
      )}
    </div>
  );
}
