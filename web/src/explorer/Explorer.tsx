/** The frame of all pages: navigation, a field that takes a trace id, and the page that the address names. */

import { type FormEvent, useEffect, useMemo, useState } from "react";
import { EmptyState } from "../shared/states";
import { ThemeSwitch } from "../shared/ThemeSwitch";
import { Toasts, toast } from "../shared/Toasts";
import { AlertsPage } from "./alerts/AlertsPage";
import { ComparePage } from "./compare/ComparePage";
import { WindowsPage } from "./compare/WindowsPage";
import { InsightsPage } from "./insights/InsightsPage";
import { DependenciesPage } from "./map/DependenciesPage";
import { MonitorPage } from "./monitor/MonitorPage";
import { Link, navigate, useAddress } from "./navigation";
import { normalTraceId, type Route, routeOf, tracePath } from "./route";
import { SearchPage } from "./search/SearchPage";
import { TracePage } from "./trace/TracePage";

/** The pages that the bar on top leads to. */
const PAGES: readonly [page: Route["page"], path: string, title: string][] = [
  ["search", "/search", "Search"],
  ["dependencies", "/dependencies", "Map"],
  ["monitor", "/monitor", "Monitor"],
  ["insights", "/insights", "Insights"],
  ["windows", "/compare", "Compare"],
  ["alerts", "/alerts", "Alerts"],
];

function titleOf(route: Route): string {
  if (route.page === "trace") return `Trace ${route.id.slice(0, 8)}`;
  if (route.page === "compare") return "Two traces";
  return PAGES.find(([page]) => page === route.page)?.[2] ?? "Not found";
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
    case "insights":
      return <InsightsPage params={route.params} />;
    case "windows":
      return <WindowsPage params={route.params} />;
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
          {PAGES.map(([page, path, title]) => (
            <Link key={page} to={path} {...(route.page === page ? { "aria-current": "page" as const } : {})}>
              {title}
            </Link>
          ))}
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
