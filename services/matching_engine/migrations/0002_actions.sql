-- What administrators did, as the journal has it under the same number: who, when, and in which trace.
CREATE TABLE actions (
    seq bigint PRIMARY KEY,
    time_us bigint NOT NULL,
    user_id bigint NOT NULL,
    action text NOT NULL,
    symbol text NOT NULL,
    detail jsonb NOT NULL,
    trace_id text NOT NULL
);
