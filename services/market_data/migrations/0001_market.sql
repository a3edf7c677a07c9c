-- What everybody may know about the market: trades and candles. Books are not stored, the engine has them.

CREATE TABLE positions (stream text PRIMARY KEY, seq bigint NOT NULL);

CREATE TABLE trades (
    symbol text NOT NULL,
    trade_id bigint NOT NULL,
    price bigint NOT NULL CHECK (price > 0),
    quantity bigint NOT NULL CHECK (quantity > 0),
    side smallint NOT NULL CHECK (side IN (1, 2)),  -- the taker's
    time_us bigint NOT NULL,
    PRIMARY KEY (symbol, trade_id)
);

-- The newest candle of a symbol and interval is written again and again: room in the page keeps that cheap.
CREATE TABLE candles (
    symbol text NOT NULL,
    interval_s integer NOT NULL,
    start_s bigint NOT NULL,
    open bigint NOT NULL,
    high bigint NOT NULL,
    low bigint NOT NULL,
    close bigint NOT NULL,
    volume bigint NOT NULL,
    trade_count bigint NOT NULL,
    PRIMARY KEY (symbol, interval_s, start_s)
) WITH (fillfactor = 50);
