/** The desk as a whole: which panel stands where. */

import { useStore } from "../shared/store";
import { Toasts } from "../shared/Toasts";
import { AccountPanel } from "./AccountPanel";
import { Chart } from "./Chart";
import * as desk from "./desk";
import { ExchangePage } from "./exchange/ExchangePage";
import { Header } from "./Header";
import { Ladder } from "./Ladder";
import { StoryDialog } from "./StoryDialog";
import { SignIn } from "./SignIn";
import { Tape } from "./Tape";
import { TicketPanel } from "./TicketPanel";
import type { User } from "./types";
import { WatchList } from "./WatchList";

export function App() {
  const user = useStore(desk.user);
  const symbol = useStore(desk.symbol);
  const story = useStore(desk.shownStory);
  const isExchange = useStore(desk.view) === "exchange" && user?.roles.includes("admin");
  return (
    <>
      <a className="skip" href={isExchange ? "#exchange-page" : "#ticket"}>
        Skip to {isExchange ? "the page" : "the order ticket"}
      </a>
      <Header />
      {isExchange ? <ExchangePage /> : <Desk symbol={symbol} user={user} />}
      <footer className="foot muted">
        Charts by{" "}
        <a href="https://www.tradingview.com/" rel="noopener noreferrer" target="_blank">
          TradingView
        </a>{" "}
        Lightweight Charts™
      </footer>
      {story && <StoryDialog key={`${story.orderId ?? ""}${story.traceId ?? ""}`} {...story} />}
      <Toasts />
    </>
  );
}

function Desk({ symbol, user }: { readonly symbol: string; readonly user: User | null | undefined }) {
  return (
    <main className="desk">
      <h1 className="visually-hidden">Trading desk</h1>
      <WatchList />
      <Chart symbol={symbol} />
      <Ladder />
      <section className="panel ticket" id="ticket" aria-label={user ? "Order ticket" : "Sign in"} tabIndex={-1}>
        {user ? <TicketPanel key={symbol} /> : <SignIn checking={user === undefined} />}
      </section>
      <AccountPanel />
      <Tape />
    </main>
  );
}
