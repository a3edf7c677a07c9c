-- Risk controls that administrators set: for an account, for a firm (all its accounts together), or for all (id 0).

CREATE TABLE firms (
    firm_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE
);
CREATE TABLE memberships (
    user_id bigint PRIMARY KEY,
    firm_id bigint REFERENCES firms  -- null: it belonged to one, and left
);

-- Limits where they differ from the settings. Money in 1/10,000 dollar.
ALTER TABLE limits RENAME TO limits_of_accounts;
CREATE TABLE limits (
    scope text NOT NULL CHECK (scope IN ('account', 'firm')),
    id bigint NOT NULL,
    name text NOT NULL,
    value bigint NOT NULL CHECK (value >= 0),
    PRIMARY KEY (scope, id, name)
);
INSERT INTO limits SELECT 'account', user_id, name, value FROM limits_of_accounts;
DROP TABLE limits_of_accounts;

-- Kill switches that are thrown.
CREATE TABLE blocks (
    scope text NOT NULL CHECK (scope IN ('account', 'firm')),
    id bigint NOT NULL,
    PRIMARY KEY (scope, id)
);

-- Symbols that may not be traded.
CREATE TABLE restrictions (
    scope text NOT NULL CHECK (scope IN ('account', 'firm', 'all')),
    id bigint NOT NULL,
    symbol text NOT NULL,
    PRIMARY KEY (scope, id, symbol)
);

-- Who changed what of whom, when, from what to what (null: the default), and in which trace.
CREATE TABLE control_changes (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    time_us bigint NOT NULL,
    changed_by bigint NOT NULL,
    scope text NOT NULL,
    id bigint NOT NULL,
    name text NOT NULL,
    before text,
    after text,
    trace_id text NOT NULL
);
INSERT INTO control_changes (time_us, changed_by, scope, id, name, before, after, trace_id)
SELECT time_us, changed_by, 'account', user_id, name,
       lag(value::text) OVER (PARTITION BY user_id, name ORDER BY number), value::text, trace_id
FROM limit_changes ORDER BY number;
DROP TABLE limit_changes;

-- Value bought less value sold on a day: what an account's credit is held against.
ALTER TABLE daily_values ADD COLUMN net bigint NOT NULL DEFAULT 0;
