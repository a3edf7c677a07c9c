"""The order-manager's statements, by the names under which traces show them."""

from shared.postgres import Statement

# Orders and the events that tell of them in one statement, so that one round trip and one flush do for the batch. The
# row of outbox_head is locked until the commit, which keeps the events' numbers gapless and in order.
INSERT = Statement(
    "INSERT order",
    """WITH given AS (
           SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::smallint[], $6::smallint[],
                                $7::smallint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::text[], $12::text[],
                                $13::bytea[]) WITH ORDINALITY
           AS new (order_id, user_id, client_order_id, symbol, side, order_type, time_in_force, price, quantity,
                   created_us, trace_id, options, payload, number)),
       inserted AS (
           INSERT INTO orders (order_id, user_id, client_order_id, symbol, side, order_type, time_in_force, price,
                               quantity, status, created_us, updated_us, trace_id, options)
           SELECT order_id, user_id, nullif(client_order_id, ''), symbol, side, order_type, time_in_force, price,
                  quantity, 'PENDING_NEW', created_us, created_us, trace_id, nullif(options, '')::jsonb
           FROM given ON CONFLICT DO NOTHING RETURNING order_id),
       head AS (UPDATE outbox_head SET seq = seq + (SELECT count(*) FROM inserted) RETURNING seq),
       numbered AS (
           SELECT order_id, payload,
                  head.seq - (SELECT count(*) FROM inserted) + row_number() OVER (ORDER BY number) AS seq
           FROM inserted JOIN given USING (order_id) CROSS JOIN head),
       events AS (INSERT INTO outbox (seq, payload) SELECT seq, payload FROM numbered)
       SELECT order_id, seq FROM numbered ORDER BY seq""",
)

SELECT = Statement("SELECT order", "SELECT * FROM orders WHERE order_id = ANY($1::bigint[])")

SELECT_BY_CLIENT = Statement(
    "SELECT order",
    """SELECT orders.* FROM orders JOIN unnest($1::bigint[], $2::text[]) AS wanted (user_id, client_order_id)
       USING (user_id, client_order_id)""",
)

SELECT_PAGE = Statement(
    "SELECT orders",
    """SELECT wanted.number, found.*
       FROM unnest($1::int[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::int[])
            AS wanted (number, user_id, symbol, status, before, row_limit)
       CROSS JOIN LATERAL (
           SELECT * FROM orders
           WHERE orders.user_id = wanted.user_id AND orders.quantity > 0
             AND (wanted.before = 0 OR orders.order_id < wanted.before)
             AND (wanted.symbol = '' OR orders.symbol = wanted.symbol)
             AND (wanted.status = '' OR orders.status = ANY(string_to_array(wanted.status, ',')))
           ORDER BY orders.order_id DESC LIMIT wanted.row_limit) AS found
       ORDER BY wanted.number, found.order_id DESC""",
)

# For the fault MISSING_INDEX: no index knows the sum; the table is read so often that it has four million rows.
SELECT_PAGE_UNINDEXED = Statement(
    "SELECT orders",
    SELECT_PAGE.sql.replace("orders.user_id = wanted.user_id", "orders.user_id + 0 = wanted.user_id").replace(
        "ORDER BY wanted.number",
        """WHERE 0 <= (SELECT count(*) FROM orders AS year
                       CROSS JOIN generate_series(1, 4000000 / (SELECT count(*) + 1 FROM orders)) AS again
                       WHERE year.user_id + again % 1 = $2[1])
       ORDER BY wanted.number""",
    ),
)

SELECT_FILLS = Statement(
    "SELECT executions",
    """SELECT order_id, trade_id, price, quantity, time_us, fee FROM executions
       WHERE order_id = ANY($1::bigint[]) ORDER BY order_id, trade_id""",
)

# A tombstone (quantity 0) keeps the id of an order that was given up before it came.
BURY = Statement(
    "INSERT tombstone",
    """WITH gone AS (
           INSERT INTO orders (order_id, user_id, symbol, side, order_type, time_in_force, price, quantity, status,
                               reason, created_us, updated_us, trace_id)
           SELECT order_id, user_id, '', 0, 0, 0, 0, 0, 'REJECTED', 'abandoned', $3, $3, ''
           FROM unnest($1::bigint[], $2::bigint[]) AS lost (order_id, user_id)
           ORDER BY order_id
           ON CONFLICT (order_id) DO NOTHING
           RETURNING order_id)
       SELECT order_id FROM gone
       UNION SELECT order_id FROM orders WHERE order_id = ANY($1::bigint[]) AND status = 'REJECTED'""",
)

FAIL = Statement(
    "UPDATE order",
    """UPDATE orders SET status = 'REJECTED', reason = failed.reason, updated_us = $3
       FROM unnest($1::bigint[], $2::text[]) AS failed (order_id, reason)
       WHERE orders.order_id = failed.order_id AND orders.status = 'PENDING_NEW'
       RETURNING orders.order_id, orders.user_id, orders.symbol, orders.side""",
)

SELECT_PENDING = Statement(
    "SELECT order",
    """SELECT order_id, user_id FROM orders WHERE order_id >= $1 AND status = 'PENDING_NEW' AND created_us < $2
       ORDER BY order_id LIMIT 1000""",
)

APPLY = Statement(
    "UPDATE order",
    """UPDATE orders SET filled_quantity = orders.filled_quantity + change.filled_quantity,
                         filled_value = orders.filled_value + change.filled_value,
                         decremented_quantity = orders.decremented_quantity + change.decremented_quantity,
                         status = coalesce(nullif(change.status, ''), orders.status), reason = change.reason,
                         updated_us = change.updated_us, price = coalesce(nullif(change.price, 0), orders.price),
                         quantity = coalesce(nullif(change.quantity, 0), orders.quantity),
                         triggered = orders.triggered OR change.triggered
       FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::bigint[],
                   $8::bigint[], $9::bigint[], $10::boolean[])
            AS change (order_id, filled_quantity, filled_value, decremented_quantity, status, reason, updated_us,
                       price, quantity, triggered)
       WHERE orders.order_id = change.order_id
       RETURNING orders.order_id""",
)

INSERT_EXECUTIONS = Statement(
    "INSERT execution",
    """INSERT INTO executions (trade_id, order_id, side, price, quantity, time_us, fee)
       SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::bigint[], $5::bigint[], $6::bigint[],
                            $7::bigint[])""",
)
