-- What the accounts have at risk, as the engine's events tell it: the truth behind the fast state in Valkey.

CREATE TABLE positions (stream text PRIMARY KEY, seq bigint NOT NULL);

-- Orders that rest on a book. An order in flight is only in Valkey, until its first event.
CREATE TABLE exposures (
    order_id bigint PRIMARY KEY,
    user_id bigint NOT NULL,
    symbol text NOT NULL,
    side smallint NOT NULL CHECK (side IN (1, 2)),
    price bigint NOT NULL CHECK (price > 0),
    open_quantity bigint NOT NULL CHECK (open_quantity > 0)
) WITH (fillfactor = 80);

-- Shares bought less shares sold here. Shares that came in from outside are not in it.
CREATE TABLE user_positions (
    user_id bigint NOT NULL,
    symbol text NOT NULL,
    quantity bigint NOT NULL,
    PRIMARY KEY (user_id, symbol)
) WITH (fillfactor = 60);

CREATE TABLE daily_values (
    user_id bigint NOT NULL,
    day integer NOT NULL,  -- days since 1970-01-01 UTC
    value bigint NOT NULL CHECK (value >= 0),
    PRIMARY KEY (user_id, day)
) WITH (fillfactor = 60);

-- Limits of single accounts, where they differ from the settings. Money in 1/10,000 dollar.
CREATE TABLE limits (
    user_id bigint NOT NULL,
    name text NOT NULL CHECK (name IN (
        'order_value', 'order_quantity', 'position', 'daily_value', 'price_collar_percent', 'open_orders',
        'orders_per_second'
    )),
    value bigint NOT NULL CHECK (
        value BETWEEN 0 AND CASE name WHEN 'daily_value' THEN 4000000000000000 ELSE 1000000000000000 END
    ),
    PRIMARY KEY (user_id, name)
);
