CREATE TABLE positions (stream text PRIMARY KEY, seq bigint NOT NULL);

-- Sums of money are numeric: no event may ever fail because a sum does not fit.

CREATE TABLE trades (
    user_id bigint NOT NULL,
    trade_id bigint NOT NULL,
    role text NOT NULL,
    order_id bigint NOT NULL,
    symbol text NOT NULL,
    side smallint NOT NULL,
    price bigint NOT NULL,
    quantity bigint NOT NULL,
    realised numeric NOT NULL,
    time_us bigint NOT NULL,
    PRIMARY KEY (user_id, trade_id, role)
);

-- Rows are changed over and over: room in their pages keeps that from touching the index.
CREATE TABLE holdings (
    user_id bigint NOT NULL,
    symbol text NOT NULL,
    quantity bigint NOT NULL DEFAULT 0,
    cost numeric NOT NULL DEFAULT 0,
    realised numeric NOT NULL DEFAULT 0,
    owed bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (user_id, symbol)
) WITH (fillfactor = 50);

CREATE TABLE statistics (
    user_id bigint PRIMARY KEY,
    order_count bigint NOT NULL,
    rejected_count bigint NOT NULL,
    trade_count bigint NOT NULL,
    maker_count bigint NOT NULL,
    bought_value numeric NOT NULL,
    sold_value numeric NOT NULL,
    bought_quantity numeric NOT NULL,
    sold_quantity numeric NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE last_prices (symbol text PRIMARY KEY, price bigint NOT NULL) WITH (fillfactor = 50);
