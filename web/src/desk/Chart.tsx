/** Candles and volume, drawn by TradingView's lightweight-charts; the newest candle goes on with each trade. */

import {
  CandlestickSeries, ColorType, createChart, HistogramSeries, type IChartApi, type ISeriesApi, type UTCTimestamp,
} from "lightweight-charts";
import { useEffect, useRef, useState } from "react";
import { useStore } from "../shared/store";
import { EmptyState, ErrorState } from "../shared/states";
import { token, useTheme } from "../shared/theme";
import { candles } from "./api";
import { type Bar, barFrom, type Interval, INTERVALS_S, withTrade } from "./candles";
import * as desk from "./desk";
import { useAsync } from "./useAsync";

const BARS_MAX = 500;
/** Live candles are our own sum; now and then the exchange's own replace them. */
const REREAD_MS = 30_000;

export function Chart({ symbol }: { readonly symbol: string }) {
  const [interval, choose] = useState<Interval>("1m");
  const instrument = useStore(desk.listed).find((one) => one.symbol === symbol);
  return (
    <section className="panel chart" aria-label="Chart">
      <header>
        <h2>{symbol || "Chart"}</h2>
        <span className="muted grow company">{instrument?.name}</span>
        <div className="row" role="group" aria-label="Interval">
          {(Object.keys(INTERVALS_S) as Interval[]).map((key) => (
            <button key={key} type="button" className="small" aria-pressed={key === interval} onClick={() => choose(key)}>
              {key}
            </button>
          ))}
        </div>
      </header>
      {symbol && <Candles key={`${symbol} ${interval}`} symbol={symbol} interval={interval} tick={instrument?.tick_size ?? "0.01"} />}
    </section>
  );
}

interface Drawing {
  readonly chart: IChartApi;
  readonly prices: ISeriesApi<"Candlestick">;
  readonly volumes: ISeriesApi<"Histogram">;
}

interface CandlesProps {
  readonly symbol: string;
  readonly interval: Interval;
  readonly tick: string;
}

function Candles({ symbol, interval, tick }: CandlesProps) {
  const frame = useRef<HTMLDivElement>(null);
  const drawing = useRef<Drawing | null>(null);
  const lastBar = useRef<Bar | null>(null);
  const lastTrade = useRef(0n);
  const theme = useTheme();
  const round = useRereads();
  const read = useAsync(`${symbol} ${interval} ${round}`, (signal) => candles(symbol, interval, BARS_MAX, signal));
  const trades = useStore(desk.trades);

  useEffect(() => {
    if (frame.current === null) return;
    drawing.current = draw(frame.current, Number(tick));
    return () => {
      drawing.current?.chart.remove();
      drawing.current = null;
    };
  }, [tick]);

  useEffect(() => {
    if (drawing.current !== null) paint(drawing.current, interval === "1s");
  }, [theme, tick, interval]);

  useEffect(() => {
    if (read.value === null || drawing.current === null) return;
    const bars = read.value.map(barFrom);
    const first = lastBar.current === null;
    drawing.current.prices.setData(bars.map(candleOf));
    drawing.current.volumes.setData(bars.map(volumeOf));
    if (first) drawing.current.chart.timeScale().setVisibleLogicalRange({ from: bars.length - 90, to: bars.length + 4 });
    lastBar.current = bars[bars.length - 1] ?? null;
    // What the tape has shown by now is in these candles; only later trades are added.
    lastTrade.current = BigInt(desk.trades.get()[0]?.trade_id ?? 0);
  }, [read.value, theme, tick]);

  useEffect(() => {
    if (drawing.current === null || read.value === null) return;
    for (const trade of [...trades].reverse()) {
      if (BigInt(trade.trade_id) <= lastTrade.current) continue;
      lastTrade.current = BigInt(trade.trade_id);
      const bar = withTrade(lastBar.current, trade, INTERVALS_S[interval]);
      if (bar === null) continue;
      lastBar.current = bar;
      drawing.current.prices.update(candleOf(bar));
      drawing.current.volumes.update(volumeOf(bar));
    }
  }, [trades, interval, read.value]);

  const close = lastBar.current?.close;
  return (
    <>
      {read.error !== null && <ErrorState error={read.error} onRetry={read.again} />}
      <div className="canvas" ref={frame} role="img" aria-label={`Candles of ${symbol}, ${interval} each${close ? `, last ${close}` : ""}`} />
      {read.value?.length === 0 && trades.length === 0 && (
        <div className="over">
          <EmptyState title="No trades yet">The first one draws the first candle.</EmptyState>
        </div>
      )}
    </>
  );
}

/** Counts up when the candles are to be read anew: after a lost connection, and now and then. */
function useRereads(): string {
  const healed = useStore(desk.healed);
  const [round, setRound] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => document.hidden || setRound((was) => was + 1), REREAD_MS);
    return () => clearInterval(timer);
  }, []);
  return `${healed}.${round}`;
}

function draw(frame: HTMLElement, tick: number): Drawing {
  const chart = createChart(frame, {
    autoSize: true,
    // The library would bring its logo in with a style of its own, which our policy forbids: the page's foot names it.
    layout: { attributionLogo: false },
    rightPriceScale: { borderVisible: false },
    timeScale: { borderVisible: false, timeVisible: true, secondsVisible: false },
  });
  const decimals = Math.max(2, Math.round(-Math.log10(tick)));
  const prices = chart.addSeries(CandlestickSeries, {
    borderVisible: false,
    priceFormat: { type: "price", precision: decimals, minMove: tick },
  });
  const volumes = chart.addSeries(HistogramSeries, { priceFormat: { type: "volume" }, priceScaleId: "volume", lastValueVisible: false, priceLineVisible: false });
  volumes.priceScale().applyOptions({ scaleMargins: { top: 0.82, bottom: 0 } });
  return { chart, prices, volumes };
}

function paint({ chart, prices, volumes }: Drawing, seconds: boolean): void {
  const [up, down, line] = [token("buy"), token("sell"), token("line")];
  chart.applyOptions({
    layout: { background: { type: ColorType.Solid, color: token("panel") }, textColor: token("muted"), fontFamily: token("font") },
    timeScale: { secondsVisible: seconds },
    grid: { vertLines: { color: line }, horzLines: { color: line } },
  });
  prices.applyOptions({ upColor: up, downColor: down, wickUpColor: up, wickDownColor: down });
  volumes.applyOptions({ color: token("line") });
}

function candleOf(bar: Bar) {
  return { time: localSeconds(bar.time), open: bar.open, high: bar.high, low: bar.low, close: bar.close };
}

function volumeOf(bar: Bar) {
  return { time: localSeconds(bar.time), value: bar.volume };
}

/** The library writes its times in UTC: shifted, so that they read in the zone of the reader. */
function localSeconds(time: number): UTCTimestamp {
  return (time - new Date(time * 1000).getTimezoneOffset() * 60) as UTCTimestamp;
}
