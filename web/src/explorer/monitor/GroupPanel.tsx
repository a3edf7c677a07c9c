/** A service or an operation in the monitor: its figures over the window, and its three charts. */

import { duration } from "../../shared/time";
import { Link, navigate } from "../navigation";
import { searchPath } from "../route";
import { queryToUrl } from "../search/query";
import { ServiceName } from "../ServiceName";
import { type Figures, type Group, monitorPath, type MonitorQuery, percent, rate, tracesOfStep } from "./figures";
import { LineChart } from "./LineChart";

export interface GroupPanelProps {
  readonly group: Group;
  readonly figures: Figures;
  readonly query: MonitorQuery;
}

const showMs = (value_ms: number) => duration(value_ms * 1000);

export function GroupPanel({ group, figures, query }: GroupPanelProps) {
  const { times_ms, step_ms } = figures;
  const open = (onlyFailed: boolean) => (step: number) =>
    navigate(searchPath(queryToUrl(tracesOfStep(group, times_ms[step] ?? 0, step_ms, onlyFailed))));
  const { series } = group;
  return (
    <section className="panel monitor-group" aria-label={group.operation ? `${group.service}: ${group.operation}` : group.service}>
      <header className="row">
        <h2 className="grow">
          {group.operation ?? (
            <Link to={monitorPath({ ...query, service: group.service })}>
              <ServiceName service={group.service} />
            </Link>
          )}
        </h2>
        <span className="number muted">
          {group.calls.toLocaleString("en")} calls · {rate(group.rate_per_s)} ·{" "}
          <span className={group.error_rate > 0 ? "sell" : ""}>{percent(group.error_rate)} errors</span> · p95 {showMs(group.p95_ms)}
        </span>
      </header>
      <div className="charts">
        <LineChart title="Calls" times_ms={times_ms} show={rate} onStep={open(false)}
          lines={[{ name: "calls", curve: series.rate_per_s, look: 1 }]} />
        <LineChart title="Errors" times_ms={times_ms} show={percent} onStep={open(true)}
          lines={[{ name: "errors", curve: series.error_rate, look: 3 }]} />
        <LineChart title="p50, p95, p99" times_ms={times_ms} show={showMs} onStep={open(false)}
          lines={[{ name: "p50", curve: series.p50_ms, look: 1 }, { name: "p95", curve: series.p95_ms, look: 2 }, { name: "p99", curve: series.p99_ms, look: 3 }]} />
      </div>
    </section>
  );
}
