-- Tokens say of which generation they are; those of an earlier one than their user's open nothing.
-- A user with a reset_hash sets a new password with the code that it is the SHA-256 of, and until then can't log in.
ALTER TABLE users
    ADD COLUMN generation integer NOT NULL DEFAULT 0,
    ADD COLUMN generation_since timestamptz,
    ADD COLUMN reset_hash bytea,
    ADD COLUMN reset_until timestamptz;
CREATE INDEX users_generation_since ON users (generation_since);

-- What administrators did to users: who, when, and in which trace.
CREATE TABLE actions (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    time_us bigint NOT NULL,
    done_by bigint NOT NULL,
    user_id bigint NOT NULL,
    action text NOT NULL,
    detail jsonb NOT NULL,
    trace_id text NOT NULL
);
