CREATE TABLE positions (stream text PRIMARY KEY, seq bigint NOT NULL);

-- One row for all that one engine event has to tell one user; the payload is a JSON list of messages.
CREATE TABLE notifications (
    user_id bigint NOT NULL,
    seq bigint NOT NULL,
    time_us bigint NOT NULL,
    payload bytea NOT NULL,
    PRIMARY KEY (user_id, seq)
);
-- Rows come in order of time, and only the old end is ever looked for: a block range index costs next to nothing.
CREATE INDEX notifications_age ON notifications USING brin (time_us, seq) WITH (pages_per_range = 32, autosummarize);
