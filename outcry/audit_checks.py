"""What the audit asks the database: each check is a promise and the SQL that finds whatever breaks it.

All run in one snapshot over the schemas of all services. A check that compares services is only meaningful once each of
them has followed its streams to the end in that snapshot.
"""

from dataclasses import dataclass

from shared.contracts.events import EXECUTIONS, FUNDS, ORDER_EVENTS

STREAMS = (EXECUTIONS, ORDER_EVENTS, FUNDS)

IN_FLIGHT_S = 20
"""How old a half-done order may be and still count as under way: the gateway's sweeper has settled it by then."""


@dataclass(frozen=True)
class Check:
    """``sql`` answers one line of text, with figures, for each thing that breaks the ``promise``."""

    promise: str
    sql: str
    across_services: bool = True


def positions_sql() -> str:
    """Rows (stream, consumer, head, position): how far each consumer has followed each stream."""
    rows = [
        f"""SELECT '{stream.name}' AS stream, '{consumer}' AS consumer,
                   (SELECT seq FROM {_schema(stream.publisher)}.outbox_head) AS head,
                   coalesce((SELECT max(seq) FROM {_schema(consumer)}.positions WHERE stream = '{stream.name}'), 0)
                       AS position"""  # noqa: S608 - names of our own contracts
        for stream in STREAMS
        for consumer in sorted(stream.consumers)
    ]
    return " UNION ALL ".join(rows)


def _schema(service: str) -> str:
    return service.replace("-", "_")


# The last event of each shard's engine.
ENGINE_HEADS = "SELECT shards FROM matching_engine.outbox_head"

# Orders that a gateway is just placing or undoing: their hold comes before them, and goes after them.
IN_FLIGHT = f"""
    SELECT count(*) FROM wallet_service.holds AS hold LEFT JOIN order_manager.orders USING (order_id)
    WHERE hold.state = 1 AND (orders.order_id IS NULL OR orders.status = 'REJECTED')
      AND greatest(hold.created_us, orders.updated_us)
          > extract(epoch FROM clock_timestamp()) * 1000000 - {IN_FLIGHT_S * 1_000_000}"""  # noqa: S608

OPEN_ORDERS = """
    SELECT symbol, order_id, user_id, side, price, quantity - filled_quantity - decremented_quantity AS open_quantity
    FROM order_manager.orders WHERE status IN ('OPEN', 'PARTIALLY_FILLED')"""

_TRADES = """
    trades AS (
        SELECT buy.trade_id, buy.price, buy.quantity, buyer.symbol, buy.order_id AS buy_order,
               sell.order_id AS sell_order, buyer.user_id AS buyer, seller.user_id AS seller
        FROM order_manager.executions AS buy
        JOIN order_manager.executions AS sell USING (trade_id)
        JOIN order_manager.orders AS buyer ON buyer.order_id = buy.order_id
        JOIN order_manager.orders AS seller ON seller.order_id = sell.order_id
        WHERE buy.side = 1 AND sell.side = 2)"""

CHECKS = (
    Check(
        "Per asset, all accounts together are zero: users own what came in from outside",
        """SELECT format('%s: the accounts sum to %s', asset, sum(balance)) AS finding
           FROM wallet_service.accounts GROUP BY asset HAVING sum(balance) <> 0""",
        across_services=False,
    ),
    Check(
        "Nobody owes, and nobody has promised more than they own",
        """SELECT format('user %s, %s: balance %s, held %s', user_id, asset, balance, held) AS finding
           FROM wallet_service.accounts WHERE user_id <> 0 AND (balance < 0 OR held < 0 OR balance < held)""",
        across_services=False,
    ),
    Check(
        "What an account holds is the sum of its open holds",
        """SELECT format('user %s, %s: held %s, open holds %s', user_id, asset, account.held, open.held) AS finding
           FROM wallet_service.accounts AS account
           FULL JOIN (SELECT user_id, asset, sum(unit_amount::numeric * open_quantity) AS held
                      FROM wallet_service.holds WHERE state = 1 GROUP BY user_id, asset) AS open USING (user_id, asset)
           WHERE account.held IS NULL OR account.held <> coalesce(open.held, 0)""",
        across_services=False,
    ),
    Check(
        "Every balance is explained by its transfers, and so is each balance on the way to it",
        """WITH moves AS (
               SELECT credit_user AS user_id, asset, amount, credit_balance_after AS balance, transfer_id, 1 AS entry
               FROM wallet_service.transfers
               UNION ALL
               SELECT debit_user, asset, -amount, debit_balance_after, transfer_id, 0 FROM wallet_service.transfers),
           runs AS (
               SELECT *, sum(amount) OVER (PARTITION BY user_id, asset ORDER BY transfer_id, entry) AS summed
               FROM moves)
           SELECT format('user %s, %s, transfer %s: balance after it %s, sum up to it %s',
                         user_id, asset, transfer_id, balance, summed) AS finding
           FROM runs WHERE balance <> summed
           UNION ALL
           SELECT format('user %s, %s: balance %s, transfers sum to %s', user_id, asset, balance, summed)
           FROM wallet_service.accounts
           FULL JOIN (SELECT user_id, asset, sum(amount) AS summed FROM moves GROUP BY user_id, asset) AS total
           USING (user_id, asset) WHERE balance IS NULL OR balance <> coalesce(summed, 0)""",
        across_services=False,
    ),
    Check(
        "Assets come in by deposits, go out by withdrawals, and by corrections of these",
        """SELECT format('transfer %s: a %s from user %s to user %s', transfer_id, kind, debit_user, credit_user)
                  AS finding
           FROM wallet_service.transfers
           WHERE CASE kind WHEN 'deposit' THEN debit_user <> 0 OR credit_user = 0
                           WHEN 'withdrawal' THEN credit_user <> 0 OR debit_user = 0
                           WHEN 'correction' THEN debit_user = credit_user
                           WHEN 'transfer' THEN debit_user = credit_user OR 0 IN (debit_user, credit_user)
                           WHEN 'fee' THEN debit_user = credit_user OR 0 IN (debit_user, credit_user)
                           WHEN 'trade' THEN 0 IN (debit_user, credit_user)
                           ELSE true END""",
        across_services=False,
    ),
    Check(
        "Every deposit, withdrawal and transfer was asked for, and every request was carried out once",
        """WITH asked AS (SELECT user_id, request_id, asset, amount, other_user FROM wallet_service.requests),
           moved AS (
               SELECT CASE kind WHEN 'deposit' THEN credit_user ELSE debit_user END AS user_id, request_id, asset,
                      CASE kind WHEN 'deposit' THEN amount ELSE -amount END AS amount,
                      CASE kind WHEN 'transfer' THEN credit_user ELSE 0 END AS other_user
               FROM wallet_service.transfers WHERE kind IN ('deposit', 'withdrawal', 'transfer'))
           SELECT format('asked, not moved: user %s, request %s, %s of %s', user_id, request_id, amount, asset)
                  AS finding
           FROM (TABLE asked EXCEPT ALL TABLE moved) AS missing
           UNION ALL
           SELECT format('moved, not asked: user %s, request %s, %s of %s', user_id, request_id, amount, asset)
           FROM (TABLE moved EXCEPT ALL TABLE asked) AS surplus""",
        across_services=False,
    ),
    Check(
        "Every correction takes one earlier entry back, whole and once, and names it",
        """SELECT format('transfer %s corrects transfer %s: %s of %s from %s to %s', entry.transfer_id,
                         correction.corrects, entry.amount, entry.asset, entry.debit_user, entry.credit_user) AS finding
           FROM (SELECT * FROM wallet_service.transfers WHERE kind = 'correction') AS entry
           FULL JOIN wallet_service.corrections AS correction USING (transfer_id)
           LEFT JOIN wallet_service.transfers AS earlier ON earlier.transfer_id = correction.corrects
           WHERE entry.transfer_id IS NULL OR earlier.transfer_id IS NULL OR earlier.transfer_id >= entry.transfer_id
              OR earlier.kind = 'trade' OR earlier.asset <> entry.asset OR earlier.amount <> entry.amount
              OR earlier.debit_user <> entry.credit_user OR earlier.credit_user <> entry.debit_user""",
        across_services=False,
    ),
    Check(
        "Every open order has exactly its hold, and every open hold its open order",
        """SELECT CASE WHEN open.symbol IS NULL
                       THEN format('hold of order %s of user %s, %s open, but no such open order',
                                   order_id, hold.user_id, hold.open_quantity)
                       ELSE format('order %s of user %s, %s %s at %s open, holds %s of %s %s',
                                   order_id, open.user_id, open.open_quantity, open.symbol, open.price,
                                   hold.open_quantity, hold.unit_amount, hold.asset)
                  END AS finding
           FROM (SELECT *, quantity - filled_quantity - decremented_quantity AS open_quantity,
                        coalesce((options ->> 'fee_ppm')::bigint, 0) AS fee_ppm FROM order_manager.orders
                 WHERE status IN ('PENDING_NEW', 'OPEN', 'PARTIALLY_FILLED')) AS open
           FULL JOIN (SELECT * FROM wallet_service.holds WHERE state = 1) AS hold USING (order_id)
           WHERE open.symbol IS NULL OR hold.asset IS NULL OR hold.user_id <> open.user_id
              OR hold.open_quantity <> open.open_quantity
              OR hold.asset <> CASE open.side WHEN 1 THEN 'USD' ELSE open.symbol END
              OR hold.unit_amount <> CASE open.side WHEN 1 THEN open.price + (open.price * fee_ppm + 999999) / 1000000
                                                    ELSE 1 END""",
    ),
    Check(
        "Every order is filled by as much as its executions say, and FILLED means all of it",
        """SELECT format('order %s (%s): filled %s of %s for %s; executions %s for %s', order_id, status,
                         filled_quantity, orders.quantity, filled_value, total.quantity, total.value) AS finding
           FROM order_manager.orders
           FULL JOIN (SELECT order_id, sum(quantity) AS quantity, sum(price::numeric * quantity) AS value
                      FROM order_manager.executions GROUP BY order_id) AS total USING (order_id)
           WHERE orders.status IS NULL OR filled_quantity <> coalesce(total.quantity, 0)
              OR filled_value <> coalesce(total.value, 0) 
              OR (status = 'FILLED' AND (filled_quantity = 0
                                         OR filled_quantity + decremented_quantity <> orders.quantity))
              OR (status <> 'FILLED' AND filled_quantity = orders.quantity AND orders.quantity > 0)""",
    ),
    Check(
        "Every trade has one buyer and one seller, at the same price and quantity",
        """SELECT format('trade %s: %s executions, sides %s, prices %s, quantities %s', trade_id, count(*),
                         array_agg(side), array_agg(price), array_agg(quantity)) AS finding
           FROM order_manager.executions GROUP BY trade_id
           HAVING count(*) <> 2 OR min(side) <> 1 OR max(side) <> 2 OR min(price) <> max(price)
               OR min(quantity) <> max(quantity)""",
    ),
    Check(
        "Every trade was settled once, delivery against payment, and nothing else was",
        f"""WITH {_TRADES},
           executed AS (
               SELECT trade_id, 'USD' AS asset, price * quantity AS amount, buyer AS debit_user, seller AS credit_user,
                      buy_order AS debit_order_id, sell_order AS credit_order_id FROM trades
               UNION ALL SELECT trade_id, symbol, quantity, seller, buyer, sell_order, buy_order FROM trades),
           settled AS (
               SELECT trade_id, asset, amount, debit_user, credit_user, debit_order_id, credit_order_id
               FROM wallet_service.transfers WHERE kind = 'trade')
           SELECT format('executed, not settled: trade %s, %s of %s from user %s to %s', trade_id, amount, asset,
                         debit_user, credit_user) AS finding
           FROM (TABLE executed EXCEPT ALL TABLE settled) AS missing
           UNION ALL
           SELECT format('settled, not executed: trade %s, %s of %s from user %s to %s', trade_id, amount, asset,
                         debit_user, credit_user)
           FROM (TABLE settled EXCEPT ALL TABLE executed) AS surplus""",  # noqa: S608
    ),
    Check(
        "Every fee was paid once to the exchange, and every rebate once by it, as the executions say",
        """WITH executed AS (
               SELECT trade_id, order_id, user_id, executions.fee
               FROM order_manager.executions JOIN order_manager.orders USING (order_id) WHERE executions.fee <> 0),
           paid AS (
               SELECT trade_id, debit_order_id + credit_order_id AS order_id,
                      CASE credit_user WHEN 1 THEN debit_user ELSE credit_user END AS user_id,
                      CASE credit_user WHEN 1 THEN amount ELSE -amount END AS fee
               FROM wallet_service.transfers WHERE kind = 'fee')
           SELECT format('charged, not paid: trade %s, order %s, user %s, %s', trade_id, order_id, user_id, fee)
                  AS finding
           FROM (TABLE executed EXCEPT ALL TABLE paid) AS missing
           UNION ALL
           SELECT format('paid, not charged: trade %s, order %s, user %s, %s', trade_id, order_id, user_id, fee)
           FROM (TABLE paid EXCEPT ALL TABLE executed) AS surplus""",
    ),
    Check(
        "Reporting tells both users of every trade, and tells of no other",
        f"""WITH {_TRADES},
           executed AS (
               SELECT trade_id, buy_order AS order_id, buyer AS user_id, symbol, 1 AS side, price, quantity FROM trades
               UNION ALL SELECT trade_id, sell_order, seller, symbol, 2, price, quantity FROM trades),
           reported AS (
               SELECT trade_id, order_id, user_id, symbol, side::int, price, quantity FROM reporting.trades)
           SELECT format('executed, not reported: trade %s, order %s, user %s', trade_id, order_id, user_id) AS finding
           FROM (TABLE executed EXCEPT ALL TABLE reported) AS missing
           UNION ALL
           SELECT format('reported, not executed: trade %s, order %s, user %s', trade_id, order_id, user_id)
           FROM (TABLE reported EXCEPT ALL TABLE executed) AS surplus""",  # noqa: S608
    ),
    Check(
        "Reporting's positions are the shares that the wallet has",
        """SELECT format('user %s, %s: the wallet has %s, reporting %s', user_id, asset, balance, quantity) AS finding
           FROM (SELECT user_id, asset, balance FROM wallet_service.accounts
                 WHERE user_id <> 0 AND asset <> 'USD') AS owned
           FULL JOIN (SELECT user_id, symbol AS asset, quantity - owed AS quantity FROM reporting.holdings) AS reported
           USING (user_id, asset) WHERE coalesce(balance, 0) <> coalesce(quantity, 0)""",
    ),
    Check(
        "Risk counts exactly the orders that are open",
        f"""WITH open AS ({OPEN_ORDERS}),
           counted AS (SELECT symbol, order_id, user_id, side, price, open_quantity FROM risk_manager.exposures)
           SELECT format('open, not counted: order %s, %s %s', order_id, open_quantity, symbol) AS finding
           FROM (TABLE open EXCEPT ALL TABLE counted) AS missing
           UNION ALL
           SELECT format('counted, not open: order %s, %s %s', order_id, open_quantity, symbol)
           FROM (TABLE counted EXCEPT ALL TABLE open) AS surplus""",  # noqa: S608
    ),
)
