-- Which limit of which account an administrator changed, when, and in which trace. No value: back to the default.
CREATE TABLE limit_changes (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    time_us bigint NOT NULL,
    changed_by bigint NOT NULL,
    user_id bigint NOT NULL,
    name text NOT NULL,
    value bigint,
    trace_id text NOT NULL
);
