/** The desk as a whole: which panel stands where. */

import { useStore } from "../shared/store";
import { Toasts } from "../shared/Toasts";
import { AccountPanel } from "./AccountPanel";
import { Chart } from "./Chart";
import * as desk from "./desk";
import { Header } from "./Header";
import { Ladder } from "./Ladder";
import { StoryDialog } from "./StoryDialog";
import { SignIn } from "./SignIn";
import { Tape } from "./Tape";
import { TicketPanel } from "./TicketPanel";
import { WatchList } from "./WatchList";

export function App() {
  const user = useStore(desk.user);
  const symbol = useStore(desk.symbol);
  const story = useStore(desk.shownStory);
  return (
    <>
      <a className="skip" href="#ticket">
        Skip to the order ticket
      </a>
      <Header />
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
