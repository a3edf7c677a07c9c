-- Orders as their owners see them, their executions, and the events that go out.
-- Prices and values are in 1/10,000 dollar, quantities in shares, times in microseconds of Unix time.

CREATE TABLE orders (
    order_id bigint PRIMARY KEY,
    user_id bigint NOT NULL,
    client_order_id text,
    symbol text NOT NULL,
    side smallint NOT NULL,
    order_type smallint NOT NULL,
    time_in_force smallint NOT NULL,
    price bigint NOT NULL,
    quantity bigint NOT NULL,
    filled_quantity bigint NOT NULL DEFAULT 0,
    filled_value bigint NOT NULL DEFAULT 0,
    status text NOT NULL,
    reason text NOT NULL DEFAULT '',
    created_us bigint NOT NULL,
    updated_us bigint NOT NULL,
    trace_id text NOT NULL,
    CHECK (filled_quantity BETWEEN 0 AND quantity)
) WITH (fillfactor = 70);

-- A user's orders, newest first: ids sort by time.
CREATE INDEX orders_of_user ON orders (user_id, order_id DESC);
CREATE UNIQUE INDEX orders_of_client ON orders (user_id, client_order_id) WHERE client_order_id IS NOT NULL;

CREATE TABLE executions (
    trade_id bigint NOT NULL,
    order_id bigint NOT NULL,
    side smallint NOT NULL,
    price bigint NOT NULL,
    quantity bigint NOT NULL,
    time_us bigint NOT NULL,
    PRIMARY KEY (order_id, trade_id)
);

CREATE TABLE positions (stream text PRIMARY KEY, seq bigint NOT NULL);
CREATE TABLE outbox (seq bigint PRIMARY KEY, payload bytea NOT NULL);
CREATE TABLE outbox_head (seq bigint NOT NULL);
INSERT INTO outbox_head VALUES (0);
