/** The frame of all pages: navigation, a field that takes a trace id, and the page that the address names. */

import { type FormEvent, useEffect, useMemo, useState } from "react";
import { EmptyState } from "../shared/states";
import { ThemeSwitch } from "../shared/ThemeSwitch";
import { Toasts, toast } from "../shared/Toasts";
import { AlertsPage } from "./alerts/AlertsPage";
import { ComparePage } from "./compare/ComparePage";
import { DependenciesPage } from "./map/DependenciesPage";
import { MonitorPage } from "./monitor/MonitorPage";
import { Link, navigate, useAddress } from "./navigation";
import { normalTraceId, type Route, routeOf, tracePath } from "./route";
import { SearchPage } from "./search/SearchPage";
import { TracePage } from "./trace/TracePage";

function titleOf(route: Route): string {
  if (route.page === "trace") return `Trace ${route.id.slice(0, 8)}`;
  return { search: "Search", compare: "Compare", dependencies: "Dependencies", monitor: "Monitor", alerts: "Alerts", unknown: "Not found" }[route.page];
}

function Page({ route }: { readonly route: Route }) {
  switch (route.page) {
    case "search":
      return <SearchPage params={route.params} />;
    case "trace":
      return <TracePage key={route.id} id={route.id} params={route.params} />;
    case "compare":
      return <ComparePage a={route.a} b={route.b} />;
    case "dependencies":
      return <DependenciesPage params={route.params} />;
    case "monitor":
      return <MonitorPage params={route.params} />;
    case "alerts":
      return <AlertsPage />;
    case "unknown":
      return (
        <EmptyState title="There is no such page">
          {route.path} is none of ours. <Link to="/search">Search for traces</Link>
        </EmptyState>
      );
  }
}

function TraceIdField() {
  const [text, setText] = useState("");
  const go = (event: FormEvent) => {
    event.preventDefault();
    const id = normalTraceId(text);
    if (id) navigate(tracePath(id));
    else toast("bad", "A trace id has 1 to 32 hexadecimal digits.");
  };
  return (
    <form className="go-to-trace" role="search" aria-label="Open a trace" onSubmit={go}>
      <input aria-label="Trace id" placeholder="Trace id" value={text} onChange={(event) => setText(event.target.value)} spellCheck={false} />
      <button type="submit">Open</button>
    </form>
  );
}

export function Explorer() {
  const address = useAddress();
  const route = useMemo(() => {
    const [path = "/", query = ""] = address.split("?", 2);
    return routeOf(path, new URLSearchParams(query));
  }, [address]);
  useEffect(() => {
    document.title = `${titleOf(route)} · trace explorer`;
  }, [route]);
  const current = (page: Route["page"]) => (route.page === page ? { "aria-current": "page" as const } : {});
  return (
    <div className="explorer">
      <a className="skip" href="#content">
        Skip to the page
      </a>
      <header className="top">
        <Link to="/search" className="brand">
          Traces
        </Link>
        <nav aria-label="Pages">
          <Link to="/search" {...current("search")}>
            Search
          </Link>
          <Link to="/dependencies" {...current("dependencies")}>
            Dependencies
          </Link>
          <Link to="/monitor" {...current("monitor")}>
            Monitor
          </Link>
          <Link to="/alerts" {...current("alerts")}>
            Alerts
          </Link>
        </nav>
        <TraceIdField />
        <ThemeSwitch />
      </header>
      <main id="content" tabIndex={-1}>
        <Page route={route} />
      </main>
      <Toasts />
    </div>
  );
}
