-- Where users want to be told beside the socket. A webhook's secret signs what it is sent; of an e-mail address it is the
-- SHA-256 of the code that confirms it, empty once it has. failures and due_us: when it may be tried again.
CREATE TABLE targets (
    target_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id bigint NOT NULL,
    channel text NOT NULL CHECK (channel IN ('webhook', 'email')),
    address text NOT NULL,
    kinds text[] NOT NULL,
    secret text NOT NULL,
    confirmed boolean NOT NULL,
    failures integer NOT NULL DEFAULT 0,
    due_us bigint NOT NULL DEFAULT 0,
    created_us bigint NOT NULL
) WITH (fillfactor = 50);
CREATE INDEX targets_user ON targets (user_id);
CREATE UNIQUE INDEX targets_email ON targets (user_id) WHERE channel = 'email';

-- What is still to be delivered, written in the transaction of the event that it tells of, and what could not be (dead).
-- What was delivered is gone. The payload is a JSON list of messages.
CREATE TABLE deliveries (
    delivery_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    target_id bigint NOT NULL,
    user_id bigint NOT NULL,
    seq bigint NOT NULL,
    payload bytea NOT NULL,
    traceparent text NOT NULL,
    created_us bigint NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    error text NOT NULL DEFAULT '',
    dead_us bigint
) WITH (fillfactor = 80);
CREATE INDEX deliveries_pending ON deliveries (target_id, delivery_id) WHERE dead_us IS NULL;
CREATE INDEX deliveries_dead ON deliveries (user_id, delivery_id) WHERE dead_us IS NOT NULL;
