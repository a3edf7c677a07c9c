"""The wallet-service's statements, by the names under which traces show them.

Locks are always taken in one order, so that no two transactions ever wait for each other: first the rows that are to be
made, then accounts by user and asset, then holds by order. A hold is only changed under the lock of its account.
"""

from shared.postgres import Statement

# One row per order: its account, whether its user has a wallet at all, and a hold or a bar of the same order.
SELECT_FOR_HOLD = Statement(
    "SELECT account",
    """SELECT account.balance, account.held, cash.user_id IS NOT NULL AS has_wallet,
              hold.user_id AS hold_user, hold.unit_amount, hold.open_quantity, hold.state
       FROM unnest($1::bigint[], $2::bigint[], $3::text[]) WITH ORDINALITY AS wanted (order_id, user_id, asset, number)
       LEFT JOIN accounts AS account ON account.user_id = wanted.user_id AND account.asset = wanted.asset
       LEFT JOIN accounts AS cash ON cash.user_id = wanted.user_id AND cash.asset = 'USD'
       LEFT JOIN holds AS hold ON hold.order_id = wanted.order_id
       ORDER BY wanted.number""",
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

SELECT_FUNDINGS = Statement(
    "SELECT funding",
    """SELECT user_id, request_id, asset, amount
       FROM fundings
       JOIN unnest($1::bigint[], $2::text[]) AS wanted (user_id, request_id) USING (user_id, request_id)""",
)

INSERT_FUNDINGS = Statement(
    "INSERT funding",
    """INSERT INTO fundings (user_id, request_id, asset, amount)
       SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[])""",
)

SELECT_WALLETS = Statement(
    "SELECT account",
    """SELECT user_id, asset, balance, held FROM accounts WHERE user_id = ANY($1::bigint[])
       ORDER BY user_id, asset""",
)

SELECT_TRANSFERS = Statement(
    "SELECT transfer",
    """SELECT wanted.number, page.*
       FROM unnest($1::bigint[], $2::bigint[], $3::int[]) WITH ORDINALITY AS wanted (user_id, before, row_limit, number)
       CROSS JOIN LATERAL (
           (SELECT transfer_id, kind, asset, -amount AS amount, debit_balance_after AS balance_after,
                   debit_order_id AS order_id, trade_id, time_us
            FROM transfers WHERE debit_user = wanted.user_id AND transfer_id < wanted.before
            ORDER BY transfer_id DESC LIMIT wanted.row_limit)
           UNION ALL
           (SELECT transfer_id, kind, asset, amount, credit_balance_after, credit_order_id, trade_id, time_us
            FROM transfers WHERE credit_user = wanted.user_id AND transfer_id < wanted.before
            ORDER BY transfer_id DESC LIMIT wanted.row_limit)
           ORDER BY transfer_id DESC LIMIT wanted.row_limit) AS page
       ORDER BY wanted.number, page.transfer_id DESC""",
)

SELECT_OPEN_HOLDS = Statement(
    "SELECT hold",
    """SELECT order_id, user_id FROM holds WHERE state = 1 AND created_us >= $1 AND created_us < $2
       ORDER BY order_id LIMIT 1000""",
)
