-- What each trade cost its user, and each user's days (days since 1970, UTC) by symbol: sums that reports read at once.
ALTER TABLE trades ADD COLUMN fee bigint NOT NULL DEFAULT 0;

CREATE TABLE days (
    user_id bigint NOT NULL,
    day integer NOT NULL,
    symbol text NOT NULL,
    trade_count bigint NOT NULL,
    maker_count bigint NOT NULL,
    bought_quantity numeric NOT NULL,
    bought_value numeric NOT NULL,
    sold_quantity numeric NOT NULL,
    sold_value numeric NOT NULL,
    realised numeric NOT NULL,
    fees numeric NOT NULL,
    PRIMARY KEY (user_id, day, symbol)
) WITH (fillfactor = 50);

INSERT INTO days
SELECT user_id, time_us / 86400000000, symbol, count(*), count(*) FILTER (WHERE role = 'maker'),
       coalesce(sum(quantity) FILTER (WHERE side = 1), 0), coalesce(sum(price::numeric * quantity) FILTER (WHERE side = 1), 0),
       coalesce(sum(quantity) FILTER (WHERE side = 2), 0), coalesce(sum(price::numeric * quantity) FILTER (WHERE side = 2), 0),
       sum(realised), sum(fee)
FROM trades GROUP BY 1, 2, 3;

-- The days have the rest.
ALTER TABLE statistics
    DROP COLUMN trade_count, DROP COLUMN maker_count, DROP COLUMN bought_value, DROP COLUMN sold_value,
    DROP COLUMN bought_quantity, DROP COLUMN sold_quantity;
