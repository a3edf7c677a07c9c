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

ADD_TO_DAYS = """
    INSERT INTO days
    SELECT user_id, day, symbol, trade_count, maker_count, bought_quantity::numeric, bought_value::numeric,
           sold_quantity::numeric, sold_value::numeric, realised::numeric, fees::numeric
    FROM unnest({}::bigint[], {}::integer[], {}::text[], {}::bigint[], {}::bigint[], {}::text[], {}::text[],
                {}::text[], {}::text[], {}::text[], {}::text[])
         AS new (user_id, day, symbol, trade_count, maker_count, bought_quantity, bought_value,
                 sold_quantity, sold_value, realised, fees)
    ORDER BY user_id, day, symbol
    ON CONFLICT (user_id, day, symbol) DO UPDATE SET
        trade_count = days.trade_count + excluded.trade_count,
        maker_count = days.maker_count + excluded.maker_count,
        bought_quantity = days.bought_quantity + excluded.bought_quantity,
        bought_value = days.bought_value + excluded.bought_value,
        sold_quantity = days.sold_quantity + excluded.sold_quantity,
        sold_value = days.sold_value + excluded.sold_value,
        realised = days.realised + excluded.realised,
        fees = days.fees + excluded.fees"""

ADD_DAYS = Statement("INSERT day", ADD_TO_DAYS.format(*(f"${n}" for n in range(1, 12))))

ADD_TO_DAYS_TOO = ADD_TO_DAYS.format(*(f"${n}" for n in range(20, 31)))

WRITE_TRADES = Statement(
    "INSERT trade",
    f"""WITH held AS (
           UPDATE holdings
           SET quantity = new.quantity, cost = new.cost::numeric, realised = new.realised::numeric, owed = new.owed
           FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::bigint[])
                AS new (user_id, symbol, quantity, cost, realised, owed)
           WHERE holdings.user_id = new.user_id AND holdings.symbol = new.symbol
       ), priced AS (
           INSERT INTO last_prices (symbol, price)
           SELECT symbol, price FROM unnest($7::text[], $8::bigint[]) AS new (symbol, price) ORDER BY symbol
           ON CONFLICT (symbol) DO UPDATE SET price = excluded.price
       ), summed AS (
           {ADD_TO_DAYS_TOO}
       )
       INSERT INTO trades (user_id, trade_id, role, order_id, symbol, side, price, quantity, realised, time_us, fee)
       SELECT user_id, trade_id, role, order_id, symbol, side, price, quantity, realised::numeric, time_us, fee
       FROM unnest($9::bigint[], $10::bigint[], $11::text[], $12::bigint[], $13::text[], $14::smallint[],
                   $15::bigint[], $16::bigint[], $17::text[], $18::bigint[], $19::bigint[])
            AS new (user_id, trade_id, role, order_id, symbol, side, price, quantity, realised, time_us, fee)""",  # noqa: S608
)

ADD_STATISTICS = Statement(
    "INSERT statistics",
    """INSERT INTO statistics
       SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS new (user_id, orders, rejected)
       ORDER BY user_id
       ON CONFLICT (user_id) DO UPDATE SET
           order_count = statistics.order_count + excluded.order_count,
           rejected_count = statistics.rejected_count + excluded.rejected_count""",
)

SELECT_TRADES = Statement(
    "SELECT trade",
    """SELECT query.number, found.*
       FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::int[]) WITH ORDINALITY
            AS query (user_id, symbol, before, most, number),
       LATERAL (SELECT trade_id, order_id, symbol, side, price, quantity, role, realised::text, time_us, fee
                FROM trades
                WHERE user_id = query.user_id AND trade_id < query.before
                      AND (query.symbol = '' OR symbol = query.symbol)
                ORDER BY trade_id DESC, role LIMIT query.most) AS found
       ORDER BY query.number, found.trade_id DESC, found.role""",
)

SELECT_POSITIONS = Statement(
    "SELECT holding",
    """SELECT query.number, holdings.symbol, quantity - owed AS quantity, cost::text, realised::text,
              coalesce(last_prices.price, 0) AS last_price,
              (SELECT coalesce(sum(fees), 0)::text FROM days
               WHERE days.user_id = holdings.user_id AND days.symbol = holdings.symbol) AS fees
       FROM unnest($1::bigint[], $2::text[]) WITH ORDINALITY AS query (user_id, symbol, number)
       JOIN holdings ON holdings.user_id = query.user_id AND (query.symbol = '' OR holdings.symbol = query.symbol)
       LEFT JOIN last_prices ON last_prices.symbol = holdings.symbol
       ORDER BY query.number, holdings.symbol""",
)

SELECT_STATISTICS = Statement(
    "SELECT statistics",
    """SELECT user_id, coalesce(order_count, 0) AS order_count, coalesce(rejected_count, 0) AS rejected_count, days.*
       FROM unnest($1::bigint[]) AS query (user_id)
       LEFT JOIN statistics USING (user_id)
       CROSS JOIN LATERAL (
           SELECT coalesce(sum(trade_count), 0)::bigint AS trade_count,
                  coalesce(sum(maker_count), 0)::bigint AS maker_count,
                  coalesce(sum(bought_value), 0)::text AS bought_value,
                  coalesce(sum(sold_value), 0)::text AS sold_value,
                  coalesce(sum(bought_quantity), 0)::text AS bought_quantity,
                  coalesce(sum(sold_quantity), 0)::text AS sold_quantity,
                  coalesce(sum(fees), 0)::text AS fees
           FROM days WHERE days.user_id = query.user_id) AS days""",
)

SELECT_DAYS = Statement(
    "SELECT day",
    """SELECT day, symbol, trade_count, maker_count, bought_quantity::text, bought_value::text, sold_quantity::text,
              sold_value::text, realised::text, fees::text
       FROM days WHERE user_id = $1 AND day BETWEEN $2 AND $3 ORDER BY day DESC, symbol""",
)

EXPORT_TRADES = Statement(
    "SELECT trade",
    """SELECT trade_id, order_id, symbol, CASE side WHEN 1 THEN 'BUY' ELSE 'SELL' END AS side,
              round(price / 10000.0, 4) AS price, quantity, round(price::numeric * quantity / 10000, 4) AS value, role,
              round(realised / 10000, 4) AS realised, round(fee / 10000.0, 4) AS fee,
              to_char(timestamp 'epoch' + time_us * interval '1 microsecond', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS time
       FROM trades WHERE user_id = $1 AND trade_id < $2 AND ($3 = '' OR symbol = $3)
       ORDER BY trade_id DESC, role LIMIT $4""",
)
