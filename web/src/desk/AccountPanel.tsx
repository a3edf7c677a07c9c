/** What is one's own: open orders, positions, fills, history, cash, notifications. */

import { useState } from "react";
import { useStore } from "../shared/store";
import { EmptyState, ErrorState, Loading } from "../shared/states";
import { Tabs } from "../shared/Tabs";
import { CashTab } from "./CashTab";
import * as desk from "./desk";
import { FillsTab, HistoryTab } from "./history";
import { NoticesTab } from "./NoticesTab";
import { OpenOrdersTab } from "./OpenOrdersTab";
import { PositionsTab } from "./PositionsTab";

export function AccountPanel() {
  const user = useStore(desk.user);
  const holdings = useStore(desk.holdings);
  const error = useStore(desk.holdingsError);
  const unread = useStore(desk.unread);
  const [tab, setTab] = useState("open");
  const tabs = [
    { key: "open", title: `Open orders${holdings?.orders.length ? ` (${holdings.orders.length})` : ""}` },
    { key: "positions", title: "Positions" },
    { key: "fills", title: "Fills" },
    { key: "history", title: "History" },
    { key: "cash", title: "Cash" },
    { key: "notices", title: unread ? `Notifications (${unread} new)` : "Notifications" },
  ];
  return (
    <section className="panel account" aria-label="Account">
      <Tabs label="Account" tabs={tabs} selected={tabs.some((one) => one.key === tab) ? tab : "open"} onSelect={setTab} className="fills">
        {!user ? (
          <EmptyState title="Nobody is signed in">Sign in to see your orders, positions and cash.</EmptyState>
        ) : (
          <>
            {error !== null && <ErrorState error={error} onRetry={() => void desk.look()} onTrace={(traceId) => desk.shownStory.set({ traceId })} />}
            {holdings === null && error === null ? <Loading label="Reading your account" /> : holdings && <Shown tab={tab} holdings={holdings} />}
          </>
        )}
      </Tabs>
    </section>
  );
}

function Shown({ tab, holdings }: { readonly tab: string; readonly holdings: desk.Holdings }) {
  switch (tab) {
    case "positions":
      return <PositionsTab holdings={holdings} />;
    case "fills":
      return <FillsTab holdings={holdings} />;
    case "history":
      return <HistoryTab holdings={holdings} />;
    case "cash":
      return <CashTab holdings={holdings} />;
    case "notices":
      return <NoticesTab />;
    default:
      return <OpenOrdersTab holdings={holdings} />;
  }
}
