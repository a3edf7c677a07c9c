/** What administrators see and do: how the exchange does, sessions, users and firms with their limits, and the record. */

import { useState } from "react";
import { Tabs } from "../../shared/Tabs";
import { useAct } from "./act";
import "./exchange.css";
import { Faults } from "./Faults";
import { Firms } from "./Firms";
import { Overview } from "./Overview";
import { RecordTab } from "./RecordTab";
import { Sessions } from "./Sessions";
import { Users } from "./Users";

const TABS = [
  { key: "overview", title: "Overview" },
  { key: "sessions", title: "Sessions" },
  { key: "users", title: "Users and limits" },
  { key: "firms", title: "Firms" },
  { key: "record", title: "Record" },
  { key: "faults", title: "Faults" },
];

export function ExchangePage() {
  const [tab, setTab] = useState("overview");
  const { act, version } = useAct();
  return (
    <main className="exchange" id="exchange-page" tabIndex={-1}>
      <h1 className="visually-hidden">Exchange</h1>
      <section className="panel" aria-label="Exchange">
        <Tabs label="Exchange" tabs={TABS} selected={tab} onSelect={setTab}>
          {tab === "overview" && <Overview />}
          {tab === "sessions" && <Sessions act={act} version={version} />}
          {tab === "users" && <Users act={act} version={version} />}
          {tab === "firms" && <Firms act={act} version={version} />}
          {tab === "record" && <RecordTab version={version} />}
          {tab === "faults" && <Faults act={act} version={version} />}
        </Tabs>
      </section>
    </main>
  );
}
