"""market-data's SQL: trades and candles, written per batch, read per query."""

from collections.abc import Mapping, Sequence

from opentelemetry.trace import Span

from services.market_data.candles import CandleSum, base_interval, end_of
from services.market_data.tape import RECENT, Tape
from services.market_data.window import MINUTE_S, MINUTES
from shared.connections import Connection
from shared.contracts.events import EXECUTIONS
from shared.contracts.market import INTERVALS_S, Candle, MarketQuery, PublicTrade
from shared.postgres import Statement

DAY_S = 86_400

INSERT_TRADES = Statement(
    "INSERT trades",
    """INSERT INTO trades (symbol, trade_id, price, quantity, side, time_us)
       SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::smallint[], $6::bigint[])""",
)

UPSERT_CANDLES = Statement(
    "INSERT candles",
    """INSERT INTO candles (symbol, interval_s, start_s, open, high, low, close, volume, trade_count)
       SELECT * FROM unnest($1::text[], $2::integer[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[],
                            $7::bigint[], $8::bigint[], $9::bigint[])
       ON CONFLICT (symbol, interval_s, start_s) DO UPDATE SET
           high = greatest(candles.high, excluded.high),
           low = least(candles.low, excluded.low),
           close = excluded.close,
           volume = candles.volume + excluded.volume,
           trade_count = candles.trade_count + excluded.trade_count""",
)

SELECT_TRADES = Statement(
    "SELECT trades",
    """SELECT query.number, trade.*
       FROM unnest($1::text[], $2::bigint[], $3::integer[]) WITH ORDINALITY AS query (symbol, before, rows, number)
       CROSS JOIN LATERAL (
           SELECT trade_id, symbol, price, quantity, side, time_us FROM trades
           WHERE trades.symbol = query.symbol AND (query.before = 0 OR trade_id < query.before)
           ORDER BY trade_id DESC LIMIT query.rows
       ) AS trade
       ORDER BY query.number, trade.trade_id DESC""",
)

# The newest stored candles are read, one interval's worth more than can be needed, so that the oldest candle that is
# put together from them is whole. Without that bound the whole history would be read for the last hundred.
SELECT_CANDLES = Statement(
    "SELECT candles",
    """SELECT query.number, candle.*
       FROM unnest($1::text[], $2::bigint[], $3::integer[], $4::integer[], $5::integer[])
           WITH ORDINALITY AS query (symbol, until_s, rows, interval_s, base_s, number)
       CROSS JOIN LATERAL (
           SELECT start_s - start_s % query.interval_s AS start_s,
                  (array_agg(open ORDER BY start_s))[1] AS open, max(high) AS high, min(low) AS low,
                  (array_agg(close ORDER BY start_s DESC))[1] AS close,
                  sum(volume)::bigint AS volume, sum(trade_count)::bigint AS trade_count
           FROM (
               SELECT * FROM candles
               WHERE symbol = query.symbol AND candles.interval_s = query.base_s
                 AND start_s < query.until_s
               ORDER BY start_s DESC LIMIT (query.rows + 1) * (query.interval_s / query.base_s)
           ) AS stored
           GROUP BY 1 ORDER BY 1 DESC LIMIT query.rows
       ) AS candle
       ORDER BY query.number, candle.start_s""",
)

DAY_VOLUMES = """
    SELECT symbol, (SELECT coalesce(sum(volume), 0)::bigint FROM candles
                    WHERE candles.symbol = asked.symbol AND interval_s = 3600 AND start_s >= $2)
    FROM unnest($1::text[]) AS asked (symbol)"""

# For the fault CACHE_STAMPEDE. The history here is short: the sleep stands for a long one.
SELECT_DAY = Statement(
    "SELECT candles",
    """SELECT symbol, max(high) AS high, min(low) AS low, sum(volume) AS volume
       FROM pg_sleep(0.15) LEFT JOIN candles ON interval_s = 3600 GROUP BY symbol""",
)

TRADES_AT_ONCE = 1000
"""Per symbol, so that no statement keeps those waiting who follow the market."""

# A symbol's trades are in the order of their ids, the oldest first: nothing is looked at that stays.
DELETE_TRADES = """
    DELETE FROM trades USING (
        SELECT asked.symbol, oldest.trade_id
        FROM unnest($1::text[]) AS asked (symbol)
        CROSS JOIN LATERAL (
            SELECT trade_id, time_us FROM trades
            WHERE trades.symbol = asked.symbol ORDER BY trade_id LIMIT $3) AS oldest
        WHERE oldest.time_us < $2
          AND oldest.trade_id < (SELECT max(trade_id) FROM trades WHERE trades.symbol = asked.symbol)) AS old
    WHERE trades.symbol = old.symbol AND trades.trade_id = old.trade_id"""


async def record(
    connection: Connection,
    spans: Sequence[Span],
    trades: Sequence[PublicTrade],
    candles: Mapping[tuple[str, int, int], CandleSum],
) -> None:
    """Writes trades and the candles they make up, in the caller's transaction."""
    await INSERT_TRADES.fetch(
        connection,
        spans,
        [trade.symbol for trade in trades],
        [trade.trade_id for trade in trades],
        [trade.price for trade in trades],
        [trade.quantity for trade in trades],
        [trade.side for trade in trades],
        [trade.time_us for trade in trades],
    )
    rows = sorted(candles.items())
    await UPSERT_CANDLES.fetch(
        connection,
        spans,
        [symbol for (symbol, _, _), _ in rows],
        [interval_s for (_, interval_s, _), _ in rows],
        [start_s for (_, _, start_s), _ in rows],
        [candle.open for _, candle in rows],
        [candle.high for _, candle in rows],
        [candle.low for _, candle in rows],
        [candle.close for _, candle in rows],
        [candle.volume for _, candle in rows],
        [candle.trade_count for _, candle in rows],
    )


async def select_trades(
    connection: Connection, spans: Sequence[Span], queries: Sequence[MarketQuery]
) -> list[list[PublicTrade]]:
    """Each query's trades, newest first."""
    rows = await SELECT_TRADES.fetch(
        connection,
        spans,
        [query.symbol for query in queries],
        [query.before for query in queries],
        [query.limit for query in queries],
    )
    found: list[list[PublicTrade]] = [[] for _ in queries]
    for row in rows:
        number, *values = row.values()
        found[number - 1].append(PublicTrade(**dict(zip(PublicTrade.__struct_fields__, values, strict=True))))
    return found


async def select_candles(
    connection: Connection, spans: Sequence[Span], queries: Sequence[MarketQuery]
) -> list[list[Candle]]:
    """Each query's candles, oldest first."""
    rows = await SELECT_CANDLES.fetch(
        connection,
        spans,
        [query.symbol for query in queries],
        [end_of(query.before, query.interval_s) for query in queries],
        [query.limit for query in queries],
        [query.interval_s for query in queries],
        [base_interval(query.interval_s) for query in queries],
    )
    found: list[list[Candle]] = [[] for _ in queries]
    for row in rows:
        number, *values = row.values()
        found[number - 1].append(Candle(**dict(zip(Candle.__struct_fields__, values, strict=True))))
    return found


async def load_tapes(connection: Connection, symbols: Sequence[str], now_s: int) -> tuple[int, dict[str, Tape]]:
    """The last event written here, and each symbol's tape up to that, in the caller's transaction."""
    seq = await connection.fetchval("SELECT seq FROM positions WHERE stream = $1", EXECUTIONS.name)
    day = now_s // DAY_S
    volumes = {row[0]: row[1] for row in await connection.fetch(DAY_VOLUMES, symbols, day * DAY_S)}
    recent = await select_trades(connection, (), [MarketQuery(symbol=symbol, limit=RECENT) for symbol in symbols])
    asked = [MarketQuery(symbol=symbol, interval_s=MINUTE_S, limit=MINUTES) for symbol in symbols]
    for symbol in symbols:
        asked += [MarketQuery(symbol=symbol, interval_s=seconds, limit=1) for seconds in INTERVALS_S.values()]
    candles = iter(await select_candles(connection, (), asked))
    minutes = [next(candles) for _ in symbols]
    tapes = {}
    for symbol, trades, day_minutes in zip(symbols, recent, minutes, strict=True):
        current = {interval: newest[0] for interval in INTERVALS_S if (newest := next(candles))}
        tapes[symbol] = Tape(day, volumes[symbol], trades[::-1], day_minutes, current)
    return int(seq or 0), tapes


async def add_events(connection: Connection, recorded: Sequence[tuple[int, str]]) -> None:
    """Adds lines of the record, each with its day, in the caller's transaction. No span: the trace has its events."""
    await connection.executemany("INSERT INTO events (day, lines) VALUES ($1, $2)", recorded)


async def has_events(connection: Connection, day: int) -> bool:
    """Whether anything is recorded of a day."""
    return bool(await connection.fetchval("SELECT EXISTS (SELECT FROM events WHERE day = $1)", day))


async def forget_events(connection: Connection, before_day: int) -> None:
    """Deletes the record of days before this one."""
    await connection.execute("DELETE FROM events WHERE day < $1", before_day)


async def forget_trades(connection: Connection, symbols: Sequence[str], before_s: int) -> None:
    """Deletes trades from before this time, a few at a time; each symbol's last one stays, for its price."""
    while int((await connection.execute(DELETE_TRADES, symbols, before_s * 1_000_000, TRADES_AT_ONCE)).split()[1]):
        pass


async def forget_seconds(connection: Connection, symbols: Sequence[str], before_s: int) -> None:
    """Deletes one-second candles from before this time: nobody looks at them after a day."""
    await connection.execute(
        "DELETE FROM candles WHERE symbol = ANY($1::text[]) AND interval_s = 1 AND start_s < $2", symbols, before_s
    )
