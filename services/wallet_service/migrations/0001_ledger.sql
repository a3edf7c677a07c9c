-- The double-entry ledger. Amounts are in units of their asset: 1/10,000 dollar for USD, shares for everything else.
-- Times are microseconds of Unix time. User 0 is the world outside: what came in from it is its negative balance.

CREATE TABLE accounts (
    user_id bigint NOT NULL,
    asset text NOT NULL,
    balance bigint NOT NULL DEFAULT 0,
    held bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (user_id, asset),
    -- The last wall: whatever runs at once, nobody owes and nobody has promised more than they own.
    CHECK (held >= 0),
    CHECK (user_id = 0 OR balance >= held)
) WITH (fillfactor = 50);

-- What an order may still cost: unit_amount for each share of open_quantity. It belongs to the account's `held`.
-- state 1: open, 2: closed, 3: barred (released before it was placed, so it never can be).
CREATE TABLE holds (
    order_id bigint PRIMARY KEY,
    user_id bigint NOT NULL,
    asset text NOT NULL,
    unit_amount bigint NOT NULL CHECK (unit_amount >= 0),
    open_quantity bigint NOT NULL CHECK (open_quantity >= 0),
    state smallint NOT NULL CHECK (state IN (1, 2, 3)),
    created_us bigint NOT NULL,
    CHECK (state = 1 OR open_quantity = 0)
) WITH (fillfactor = 70);

CREATE INDEX holds_open ON holds (created_us) WHERE state = 1;

-- Only ever added to: a correction is a transfer the other way. Ids count up in the order of each account's balances.
CREATE TABLE transfers (
    transfer_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL,
    asset text NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    debit_user bigint NOT NULL,
    credit_user bigint NOT NULL,
    debit_balance_after bigint NOT NULL,
    credit_balance_after bigint NOT NULL,
    debit_order_id bigint NOT NULL DEFAULT 0,
    credit_order_id bigint NOT NULL DEFAULT 0,
    trade_id bigint NOT NULL DEFAULT 0,
    request_id text,
    time_us bigint NOT NULL
);

CREATE INDEX transfers_debit ON transfers (debit_user, transfer_id);
CREATE INDEX transfers_credit ON transfers (credit_user, transfer_id);

-- Deposits and withdrawals that took place, so that asking twice moves money once.
CREATE TABLE fundings (
    user_id bigint NOT NULL,
    request_id text NOT NULL,
    asset text NOT NULL,
    amount bigint NOT NULL,
    PRIMARY KEY (user_id, request_id)
);

CREATE TABLE positions (stream text PRIMARY KEY, seq bigint NOT NULL);
CREATE TABLE outbox (seq bigint PRIMARY KEY, payload bytea NOT NULL);
CREATE TABLE outbox_head (seq bigint NOT NULL);
INSERT INTO outbox_head VALUES (0);
