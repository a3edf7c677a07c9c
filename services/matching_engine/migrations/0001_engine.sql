-- The journal is what the engine knows; books are only its memory of it.

-- One row for each batch of commands that was matched and acknowledged together: numbers first_seq to last_seq.
-- The primary key also fences: of two engines that believe to be the one writer, the second can't write.
CREATE TABLE journal (
    first_seq bigint PRIMARY KEY,
    last_seq bigint NOT NULL,
    checksum bigint NOT NULL,
    commands bytea NOT NULL
);

CREATE TABLE snapshots (
    seq bigint PRIMARY KEY,
    checksum bigint NOT NULL,
    state bytea NOT NULL
);

CREATE TABLE instruments (
    symbol text PRIMARY KEY,
    name text NOT NULL,
    tick_size bigint NOT NULL CHECK (tick_size > 0),
    lot_size bigint NOT NULL CHECK (lot_size > 0),
    reference_price bigint NOT NULL CHECK (reference_price > 0)
);

INSERT INTO instruments VALUES
    ('AAPL', 'Apple Inc.', 100, 1, 1500000),
    ('AMZN', 'Amazon.com, Inc.', 100, 1, 1800000),
    ('GOOGL', 'Alphabet Inc.', 100, 1, 1650000),
    ('META', 'Meta Platforms, Inc.', 100, 1, 5000000),
    ('MSFT', 'Microsoft Corporation', 100, 1, 4200000),
    ('NVDA', 'NVIDIA Corporation', 100, 1, 1300000),
    ('TSLA', 'Tesla, Inc.', 100, 1, 2500000);

CREATE TABLE outbox (seq bigint PRIMARY KEY, payload bytea NOT NULL);
CREATE TABLE outbox_head (seq bigint NOT NULL);
INSERT INTO outbox_head VALUES (0);
