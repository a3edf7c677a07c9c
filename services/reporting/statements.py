"""Reporting's SQL. Sums of money travel as text: PostgreSQL's numeric on one side, Python's int on the other.

Each statement takes its rows in the order of their keys, so that the three streams, which are followed at the same
time, never wait for each other in a circle.
"""

from shared.postgres import Statement

ENSURE_HOLDINGS = Statement(
    "INSERT holding",
    """INSERT INTO holdings (user_id, symbol)
       SELECT user_id, symbol FROM unnest($1::bigint[], $2::text[]) AS wanted (user_id, symbol)
       WHERE NOT EXISTS (SELECT FROM holdings AS known
                         WHERE known.user_id = wanted.user_id AND known.symbol = wanted.symbol)
       ORDER BY user_id, symbol
       ON CONFLICT DO NOTHING""",
)

LOCK_HOLDINGS = Statement(
    "SELECT holding",
    """SELECT user_id, symbol, quantity, cost::text, realised::text, owed
       FROM holdings JOIN unnest($1::bigint[], $2::text[]) AS wanted (user_id, symbol) USING (user_id, symbol)
       ORDER BY user_id, symbol
       FOR UPDATE OF holdings""",
)

WRITE_HOLDINGS = Statement(
    "UPDATE holding",
    """UPDATE holdings
       SET quantity = new.quantity, cost = new.cost::numeric, realised = new.realised::numeric, owed = new.owed
       FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::bigint[])
            AS new (user_id, symbol, quantity, cost, realised, owed)
       WHERE holdings.user_id = new.user_id AND holdings.symbol = new.symbol""",
)

WRITE_TRADES = Statement(
    "INSERT trade",
    """WITH held AS (
           UPDATE holdings
           SET quantity = new.quantity, cost = new.cost::numeric, realised = new.realised::numeric, owed = new.owed
           FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::bigint[])
                AS new (user_id, symbol, quantity, cost, realised, owed)
           WHERE holdings.user_id = new.user_id AND holdings.symbol = new.symbol
       ), priced AS (
           INSERT INTO last_prices (symbol, price)
           SELECT symbol, price FROM unnest($7::text[], $8::bigint[]) AS new (symbol, price) ORDER BY symbol
           ON CONFLICT (symbol) DO UPDATE SET price = excluded.price
       )
       INSERT INTO trades (user_id, trade_id, role, order_id, symbol, side, price, quantity, realised, time_us)
       SELECT user_id, trade_id, role, order_id, symbol, side, price, quantity, realised::numeric, time_us
       FROM unnest($9::bigint[], $10::bigint[], $11::text[], $12::bigint[], $13::text[], $14::smallint[],
                   $15::bigint[], $16::bigint[], $17::text[], $18::bigint[])
            AS new (user_id, trade_id, role, order_id, symbol, side, price, quantity, realised, time_us)""",
)

ADD_STATISTICS = Statement(
    "INSERT statistics",
    """INSERT INTO statistics
       SELECT user_id, orders, rejected, trades, maker_trades,
              bought::numeric, sold::numeric, bought_shares, sold_shares
       FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[],
                   $6::text[], $7::text[], $8::bigint[], $9::bigint[])
            AS new (user_id, orders, rejected, trades, maker_trades, bought, sold, bought_shares, sold_shares)
       ORDER BY user_id
       ON CONFLICT (user_id) DO UPDATE SET
           order_count = statistics.order_count + excluded.order_count,
           rejected_count = statistics.rejected_count + excluded.rejected_count,
           trade_count = statistics.trade_count + excluded.trade_count,
           maker_count = statistics.maker_count + excluded.maker_count,
           bought_value = statistics.bought_value + excluded.bought_value,
           sold_value = statistics.sold_value + excluded.sold_value,
           bought_quantity = statistics.bought_quantity + excluded.bought_quantity,
           sold_quantity = statistics.sold_quantity + excluded.sold_quantity""",
)

SELECT_TRADES = Statement(
    "SELECT trade",
    """SELECT query.number, found.*
       FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::int[]) WITH ORDINALITY
            AS query (user_id, symbol, before, most, number),
       LATERAL (SELECT trade_id, order_id, symbol, side, price, quantity, role, realised::text, time_us
                FROM trades
                WHERE user_id = query.user_id AND trade_id < query.before
                      AND (query.symbol = '' OR symbol = query.symbol)
                ORDER BY trade_id DESC, role LIMIT query.most) AS found
       ORDER BY query.number, found.trade_id DESC, found.role""",
)

SELECT_POSITIONS = Statement(
    "SELECT holding",
    """SELECT query.number, holdings.symbol, quantity - owed AS quantity, cost::text, realised::text,
              coalesce(last_prices.price, 0) AS last_price
       FROM unnest($1::bigint[], $2::text[]) WITH ORDINALITY AS query (user_id, symbol, number)
       JOIN holdings ON holdings.user_id = query.user_id AND (query.symbol = '' OR holdings.symbol = query.symbol)
       LEFT JOIN last_prices ON last_prices.symbol = holdings.symbol
       ORDER BY query.number, holdings.symbol""",
)

SELECT_STATISTICS = Statement(
    "SELECT statistics",
    """SELECT user_id, order_count, rejected_count, trade_count, maker_count, bought_value::text, sold_value::text,
              bought_quantity::text, sold_quantity::text
       FROM statistics WHERE user_id = ANY($1::bigint[])""",
)
