/** The session of each symbol, and the symbols that nobody may trade. */

import { useState } from "react";
import { useStore } from "../../shared/store";
import { EmptyState, ErrorState, Loading } from "../../shared/states";
import { type Column, Table } from "../../shared/Table";
import * as desk from "../desk";
import { words } from "../story";
import { useAsync } from "../useAsync";
import type { Act } from "./act";
import { SESSIONS } from "./admin";
import { RestrictionsForm } from "./Controls";

export function Sessions({ version, act }: { readonly version: number; readonly act: Act }) {
  const symbols = useStore(desk.listed).map((one) => one.symbol);
  const sessions = useAsync(`sessions ${symbols.join()} ${version}`, () => desk.mine().admin.sessions(symbols));
  const restricted = useAsync(`restricted ${version}`, () => desk.mine().admin.restrictions());
  if (sessions.error !== null) return <ErrorState error={sessions.error} onRetry={sessions.again} />;
  if (sessions.value === null) return <Loading label="Reading the sessions" />;
  const columns: readonly Column<{ symbol: string; session: string }>[] = [
    { key: "symbol", title: "Symbol", show: (row) => <strong>{row.symbol}</strong> },
    {
      key: "session",
      title: "Session",
      show: (row) => <SessionChoice key={row.session} symbol={row.symbol} session={row.session} act={act} />,
    },
  ];
  return (
    <div className="columns">
      <Table caption="Sessions" columns={columns} rows={sessions.value} rowKey={(row) => row.symbol} empty={<EmptyState title="Nothing is listed" />} />
      {restricted.value && (
        <div className="body">
          <RestrictionsForm key={restricted.value.join()} path="/admin" whose="Everybody" symbols={restricted.value} act={act} />
        </div>
      )}
    </div>
  );
}

/** Chosen first and set by a press of its own: with the keyboard a list passes over sessions that nobody meant. */
function SessionChoice({ symbol, session, act }: { readonly symbol: string; readonly session: string; readonly act: Act }) {
  const [choice, choose] = useState(session);
  const set = () => act(`${symbol} is ${words(choice.toLowerCase())} now`, () => desk.mine().admin.setSession(symbol, choice));
  return (
    <span className="row changes">
      <select aria-label={`Session of ${symbol}`} value={choice} onChange={(event) => choose(event.target.value)}>
        {SESSIONS.map((one) => (
          <option key={one} value={one}>
            {words(one.toLowerCase())}
          </option>
        ))}
      </select>
      <button type="button" className="small" disabled={choice === session} onClick={() => void set()} aria-label={`Set the session of ${symbol}`}>
        Set
      </button>
    </span>
  );
}
