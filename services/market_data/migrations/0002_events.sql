-- What everybody could see happen, kept for some days to be downloaded: the lines of services/market_data/record.py, one
-- row per batch of events, in the order in which they were written.

CREATE TABLE events (
    id bigint GENERATED ALWAYS AS IDENTITY,
    day integer NOT NULL,  -- days since 1970 (UTC)
    lines text NOT NULL,
    PRIMARY KEY (day, id)
);
