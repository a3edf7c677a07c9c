/** What administrators see and do: health of the services, sessions of the symbols, the kill switch, who did what. */

import { type FormEvent, useState } from "react";
import { Field } from "../shared/Field";
import { RequestError } from "../shared/http";
import { useStore } from "../shared/store";
import { EmptyState, ErrorState, Loading } from "../shared/states";
import { type Column, Table } from "../shared/Table";
import { toast } from "../shared/Toasts";
import { type AdminAction, detailText, SESSIONS } from "./admin";
import * as desk from "./desk";
import { Paged } from "./history";
import { When } from "./orderColumns";
import { words } from "./story";
import { useAsync } from "./useAsync";

const LOOK_AGAIN_MS = 1000;

export function AdminTab() {
  const [done, setDone] = useState(0);
  /** Does something and shows what has changed by it. */
  const act = async (what: string, change: () => Promise<unknown>): Promise<void> => {
    try {
      await change();
      toast("good", `${what}.`);
    } catch (error) {
      const traceId = error instanceof RequestError ? error.traceId : "";
      const action = { label: "What happened", run: () => desk.shownStory.set({ traceId }) };
      toast("bad", error instanceof Error ? error.message : String(error), traceId ? action : undefined);
    } finally {
      setDone((was) => was + 1);
      // Market data follows the engine's event a moment later than its answer: a second look sees it.
      setTimeout(() => setDone((was) => was + 1), LOOK_AGAIN_MS);
    }
  };
  return (
    <div className="cash">
      <div>
        <Health version={done} />
        <Sessions version={done} act={act} />
        <KillSwitch act={act} />
      </div>
      <div className="statement">
        <Paged
          caption="Actions of administrators, newest first"
          columns={ACTIONS}
          rowKey={(action: AdminAction) => String(action.event)}
          read={(cursor) => desk.mine().admin.actions(cursor)}
          version={done}
          empty={{ title: "Nothing was done yet", text: "What administrators do to the market is recorded here." }}
        />
      </div>
    </div>
  );
}

type Act = (what: string, change: () => Promise<unknown>) => Promise<void>;

const ACTIONS: readonly Column<AdminAction>[] = [
  { key: "time", title: "Time", show: (action) => <When iso={action.time} /> },
  { key: "who", title: "Who", show: (action) => `user ${action.user_id}` },
  { key: "what", title: "What", show: (action) => words(action.action) },
  { key: "symbol", title: "Symbol", show: (action) => action.symbol ?? "–" },
  { key: "detail", title: "Detail", show: (action) => <span className="wraps">{detailText(action.detail)}</span> },
  {
    key: "way",
    title: <span className="visually-hidden">Trace</span>,
    show: (action) =>
      action.trace_id && (
        <button type="button" className="link" onClick={() => desk.shownStory.set({ traceId: action.trace_id })} aria-label={`Its way: ${words(action.action)} at ${action.time}`}>
          Its way
        </button>
      ),
  },
];

function Health({ version }: { readonly version: number }) {
  const health = useAsync(`health ${version}`, () => desk.mine().admin.health());
  if (health.error !== null) return <ErrorState error={health.error} onRetry={health.again} />;
  if (health.value === null) return <Loading label="Asking the services" lines={1} />;
  return (
    <ul className="health" aria-label="Services">
      {Object.entries(health.value).map(([name, state]) => (
        <li key={name} className={`chip ${state === "ok" ? "buy" : "sell"}`} title={state}>
          {name}: {state === "ok" ? "ok" : "not ready"}
        </li>
      ))}
    </ul>
  );
}

function Sessions({ version, act }: { readonly version: number; readonly act: Act }) {
  const symbols = useStore(desk.listed).map((one) => one.symbol);
  const sessions = useAsync(`sessions ${symbols.join()} ${version}`, () => desk.mine().admin.sessions(symbols));
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
    <Table caption="Sessions" columns={columns} rows={sessions.value} rowKey={(row) => row.symbol} empty={<EmptyState title="Nothing is listed" />} />
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

function KillSwitch({ act }: { readonly act: Act }) {
  const [userId, setUserId] = useState("");
  const valid = /^[1-9]\d{0,18}$/.test(userId.trim());
  const block = (blocked: boolean) =>
    act(blocked ? `User ${userId} is blocked and has no orders` : `User ${userId} may trade again`, () => desk.mine().admin.block(userId.trim(), blocked));
  return (
    <form className="body stack" aria-label="Kill switch" onSubmit={(event: FormEvent) => event.preventDefault()}>
      <Field label="Kill switch: id of a user" hint="Cancels all orders of the account and refuses new ones.">
        {(attributes) => <input {...attributes} inputMode="numeric" autoComplete="off" value={userId} onChange={(event) => setUserId(event.target.value)} />}
      </Field>
      <div className="row">
        <button type="button" disabled={!valid} onClick={() => void block(true)}>
          Block
        </button>
        <button type="button" disabled={!valid} onClick={() => void block(false)}>
          Let in again
        </button>
      </div>
    </form>
  );
}
