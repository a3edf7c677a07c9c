/** The bar on top: the name, the connection, the way to the traces, the colours, who is signed in. */

import { useStore } from "../shared/store";
import { ThemeSwitch } from "../shared/ThemeSwitch";
import * as desk from "./desk";
import { explorerUrl } from "./explorer";
import type { Connection } from "./feed";

const STATES: Readonly<Record<Connection, string>> = {
  live: "Live",
  connecting: "Connecting…",
  lost: "Connection lost. Trying again…",
};

export function Header() {
  const user = useStore(desk.user);
  const connection = useStore(desk.connection);
  const view = useStore(desk.view);
  const traces = explorerUrl();
  const here = (of: typeof view) => (view === of ? { "aria-current": "page" as const } : {});
  return (
    <header className="top">
      <strong className="name">
        <span aria-hidden="true" className="mark" /> Outcry
      </strong>
      <span className={`connection ${connection}`} role="status">
        <span aria-hidden="true" className="dot" />
        {STATES[connection]}
      </span>
      {user?.roles.includes("admin") && (
        <nav className="row pages" aria-label="Pages">
          <a href="#desk" {...here("desk")}>
            Desk
          </a>
          <a href="#exchange" {...here("exchange")}>
            Exchange
          </a>
        </nav>
      )}
      <span className="grow" />
      <nav className="row" aria-label="Elsewhere">
        {traces && <a href={traces}>Traces</a>}
        <a href="/docs">API</a>
      </nav>
      <ThemeSwitch />
      {user && (
        <span className="row">
          <span className="muted who">{user.username}</span>
          <button type="button" className="small" onClick={() => void desk.signOut()}>
            Sign out
          </button>
        </span>
      )}
    </header>
  );
}
