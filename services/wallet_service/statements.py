"""The wallet-service's statements, by the names under which traces show them.

Locks are always taken in one order, so that no two transactions ever wait for each other: first the rows that are to be
made, then accounts by user and asset, then holds by order. A hold is only changed under the lock of its account.
"""

from shared.postgres import Statement

# The accounts that orders need, each once, with whether its user has a wallet at all (state 0); then the holds and bars
# that these orders have already, which is rare: their unit_amount and open_quantity stand under balance and held.
SELECT_FOR_HOLD = Statement(
    "SELECT account",
    """SELECT 0 AS order_id, wanted.user_id, wanted.asset, coalesce(account.balance, 0) AS balance,
              coalesce(account.held, 0) AS held, 0 AS state, cash.user_id IS NOT NULL AS has_wallet
       FROM unnest($1::bigint[], $2::text[]) AS wanted (user_id, asset)
       LEFT JOIN accounts AS account ON account.user_id = wanted.user_id AND account.asset = wanted.asset
       LEFT JOIN accounts AS cash ON cash.user_id = wanted.user_id AND cash.asset = 'USD'
       UNION ALL
       SELECT order_id, user_id, asset, unit_amount, open_quantity, state, true
       FROM holds WHERE order_id = ANY($3::bigint[])""",
)

# What was read may be stale by now: an account that no longer has enough is left alone, with all its orders.
INSERT_HOLDS = Statement(
    "INSERT hold",
    """WITH needed AS (
           SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[]) AS needed (user_id, asset, amount)),
       locked AS MATERIALIZED (
           SELECT accounts.user_id, accounts.asset FROM accounts JOIN needed USING (user_id, asset)
           ORDER BY accounts.user_id, accounts.asset FOR UPDATE OF accounts),
       taken AS (
           UPDATE accounts SET held = accounts.held + needed.amount
           FROM needed JOIN locked USING (user_id, asset)
           WHERE accounts.user_id = needed.user_id AND accounts.asset = needed.asset
             AND accounts.balance - accounts.held >= needed.amount
           RETURNING accounts.user_id, accounts.asset)
       INSERT INTO holds (order_id, user_id, asset, unit_amount, open_quantity, state, created_us)
       SELECT order_id, user_id, asset, unit_amount, quantity, 1, $9
       FROM unnest($4::bigint[], $5::bigint[], $6::text[], $7::bigint[], $8::bigint[])
            AS placed (order_id, user_id, asset, unit_amount, quantity)
       JOIN taken USING (user_id, asset)
       ORDER BY order_id
       RETURNING order_id""",
)

# Whoever holds all accounts of a user knows that no hold of that user comes or goes meanwhile.
LOCK_USERS = Statement(
    "SELECT account",
    """SELECT user_id, asset, balance, held FROM accounts WHERE user_id = ANY($1::bigint[])
       ORDER BY user_id, asset FOR UPDATE""",
)

LOCK_ACCOUNTS = Statement(
    "SELECT account",
    """SELECT accounts.user_id, accounts.asset, accounts.balance, accounts.held
       FROM accounts JOIN unnest($1::bigint[], $2::text[]) AS wanted (user_id, asset) USING (user_id, asset)
       ORDER BY accounts.user_id, accounts.asset FOR UPDATE OF accounts""",
)

INSERT_ACCOUNTS = Statement(
    "INSERT account",
    """INSERT INTO accounts (user_id, asset)
       SELECT user_id, asset FROM unnest($1::bigint[], $2::text[]) AS wanted (user_id, asset)
       ORDER BY user_id, asset
       ON CONFLICT DO NOTHING
       RETURNING user_id, asset""",
)

DELETE_ACCOUNTS = Statement(
    "DELETE account",
    """DELETE FROM accounts USING unnest($1::bigint[], $2::text[]) AS unused (user_id, asset)
       WHERE accounts.user_id = unused.user_id AND accounts.asset = unused.asset
         AND balance = 0 AND held = 0""",
)

SELECT_HOLDS = Statement(
    "SELECT hold",
    "SELECT order_id, user_id, asset, unit_amount, open_quantity, state FROM holds WHERE order_id = ANY($1::bigint[])",
)

INSERT_BARS = Statement(
    "INSERT hold",
    """INSERT INTO holds (order_id, user_id, asset, unit_amount, open_quantity, state, created_us)
       SELECT order_id, user_id, '', 0, 0, 3, $3
       FROM unnest($1::bigint[], $2::bigint[]) AS barred (order_id, user_id)
       ORDER BY order_id""",
)

# Balances, holds and the transfers that tell why, in one statement. Transfer ids count up in the order of the arrays.
WRITE = Statement(
    "INSERT transfer",
    """WITH written AS (
           UPDATE accounts SET balance = account.balance, held = account.held
           FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[])
                AS account (user_id, asset, balance, held)
           WHERE accounts.user_id = account.user_id AND accounts.asset = account.asset),
       shrunk AS (
           UPDATE holds SET unit_amount = hold.unit_amount, open_quantity = hold.open_quantity, state = hold.state
           FROM unnest($5::bigint[], $6::bigint[], $7::bigint[], $8::smallint[])
                AS hold (order_id, unit_amount, open_quantity, state)
           WHERE holds.order_id = hold.order_id)
       INSERT INTO transfers (kind, asset, amount, debit_user, credit_user, debit_balance_after, credit_balance_after,
                              debit_order_id, credit_order_id, trade_id, request_id, time_us)
       SELECT kind, asset, amount, debit_user, credit_user, debit_balance_after, credit_balance_after,
              debit_order_id, credit_order_id, trade_id, request_id, time_us
       FROM unnest($9::text[], $10::text[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[],
                   $16::bigint[], $17::bigint[], $18::bigint[], $19::text[], $20::bigint[]) WITH ORDINALITY
            AS transfer (kind, asset, amount, debit_user, credit_user, debit_balance_after, credit_balance_after,
                         debit_order_id, credit_order_id, trade_id, request_id, time_us, number)
       ORDER BY number""",
)

SELECT_REQUESTS = Statement(
    "SELECT request",
    """SELECT user_id, request_id, asset, amount, other_user
       FROM requests
       JOIN unnest($1::bigint[], $2::text[]) AS wanted (user_id, request_id) USING (user_id, request_id)""",
)

INSERT_REQUESTS = Statement(
    "INSERT request",
    """INSERT INTO requests (user_id, request_id, asset, amount, other_user)
       SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[])""",
)

SELECT_ENTRIES = Statement(
    "SELECT transfer",
    """SELECT transfers.transfer_id, kind, asset, amount, debit_user, credit_user, transfers.time_us,
              coalesce(taken.corrects, 0) AS corrects, coalesce(taking.transfer_id, 0) AS corrected_by
       FROM transfers
       LEFT JOIN corrections AS taken ON taken.transfer_id = transfers.transfer_id
       LEFT JOIN corrections AS taking ON taking.corrects = transfers.transfer_id
       WHERE transfers.transfer_id = ANY($1::bigint[])""",
)

SELECT_CORRECTION = Statement(
    "SELECT correction",
    "SELECT corrects, transfer_id FROM corrections WHERE booked_by = $1 AND request_id = $2",
)

# The counter-entry is the last transfer that this connection has written.
INSERT_CORRECTION = Statement(
    "INSERT correction",
    """INSERT INTO corrections (corrects, transfer_id, booked_by, request_id, reason, time_us, trace_id)
       VALUES ($1, currval(pg_get_serial_sequence('transfers', 'transfer_id')), $2, $3, $4, $5, $6)
       RETURNING transfer_id""",
)

SELECT_CORRECTIONS = Statement(
    "SELECT correction",
    """SELECT transfer_id, corrects, booked_by AS user_id, reason, time_us, trace_id
       FROM corrections WHERE transfer_id < $1 ORDER BY transfer_id DESC LIMIT $2""",
)

SELECT_WALLETS = Statement(
    "SELECT account",
    """SELECT user_id, asset, balance, held FROM accounts WHERE user_id = ANY($1::bigint[])
       ORDER BY user_id, asset""",
)

SELECT_TRANSFERS = Statement(
    "SELECT transfer",
    """SELECT wanted.number, page.*, coalesce(taken.reason, '') AS reason, coalesce(taken.corrects, 0) AS corrects,
              coalesce(taking.transfer_id, 0) AS corrected_by
       FROM unnest($1::bigint[], $2::bigint[], $3::int[]) WITH ORDINALITY AS wanted (user_id, before, row_limit, number)
       CROSS JOIN LATERAL (
           (SELECT transfer_id, kind, asset, -amount AS amount, debit_balance_after AS balance_after,
                   debit_order_id AS order_id, trade_id, time_us,
                   CASE kind WHEN 'transfer' THEN credit_user ELSE 0 END AS other_user_id, request_id
            FROM transfers WHERE debit_user = wanted.user_id AND transfer_id < wanted.before
            ORDER BY transfer_id DESC LIMIT wanted.row_limit)
           UNION ALL
           (SELECT transfer_id, kind, asset, amount, credit_balance_after, credit_order_id, trade_id, time_us,
                   CASE kind WHEN 'transfer' THEN debit_user ELSE 0 END,
                   CASE kind WHEN 'deposit' THEN request_id END
            FROM transfers WHERE credit_user = wanted.user_id AND transfer_id < wanted.before
            ORDER BY transfer_id DESC LIMIT wanted.row_limit)
           ORDER BY transfer_id DESC LIMIT wanted.row_limit) AS page
       LEFT JOIN corrections AS taken ON taken.transfer_id = page.transfer_id
       LEFT JOIN corrections AS taking ON taking.corrects = page.transfer_id
       ORDER BY wanted.number, page.transfer_id DESC, page.amount DESC""",
)

# Ids sort by time: the old ones are together, and those before $1 were looked at already.
DELETE_HOLDS = Statement(
    "DELETE hold",
    """DELETE FROM holds WHERE order_id = ANY (ARRAY(
           SELECT order_id FROM holds WHERE order_id > $1 AND order_id < $2 AND state <> 1 ORDER BY order_id LIMIT $3))
       RETURNING order_id""",
)

EXPORT_TRANSFERS = Statement(
    "SELECT transfer",
    """SELECT page.transfer_id AS transaction_id,
              to_char(timestamp 'epoch' + page.time_us * interval '1 microsecond', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
                  AS time, kind, asset,
              CASE asset WHEN 'USD' THEN round(amount / 10000.0, 4) ELSE amount END AS amount,
              CASE asset WHEN 'USD' THEN round(balance_after / 10000.0, 4) ELSE balance_after END AS balance_after,
              nullif(order_id, 0) AS order_id, nullif(trade_id, 0) AS trade_id, nullif(other_user, 0) AS other_user_id,
              page.request_id, taken.corrects, taking.transfer_id AS corrected_by, taken.reason
       FROM (
           (SELECT transfer_id, time_us, kind, asset, -amount AS amount, debit_balance_after AS balance_after,
                   debit_order_id AS order_id, trade_id,
                   CASE kind WHEN 'transfer' THEN credit_user ELSE 0 END AS other_user, request_id
            FROM transfers WHERE debit_user = $1 AND transfer_id < $2 ORDER BY transfer_id DESC LIMIT $3)
           UNION ALL
           (SELECT transfer_id, time_us, kind, asset, amount, credit_balance_after, credit_order_id, trade_id,
                   CASE kind WHEN 'transfer' THEN debit_user ELSE 0 END,
                   CASE kind WHEN 'deposit' THEN request_id END
            FROM transfers WHERE credit_user = $1 AND transfer_id < $2 ORDER BY transfer_id DESC LIMIT $3)
           ORDER BY transfer_id DESC LIMIT $3) AS page
       LEFT JOIN corrections AS taken ON taken.transfer_id = page.transfer_id
       LEFT JOIN corrections AS taking ON taking.corrects = page.transfer_id
       ORDER BY page.transfer_id DESC, page.amount DESC""",
)

# Found by their ids, which sort by time: an index on the state would have to be written whenever a hold ends.
SELECT_OPEN_HOLDS = Statement(
    "SELECT hold",
    """SELECT order_id, user_id FROM holds
       WHERE order_id >= $1 AND state = 1 AND created_us >= $2 AND created_us < $3
       ORDER BY order_id LIMIT 1000""",
)

SUM_ACCOUNTS = Statement("SELECT account", "SELECT asset, sum(balance) AS total FROM accounts GROUP BY asset")
