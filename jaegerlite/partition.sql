-- The tables of a partition; {number} is its number. A chunk's rows of the span table lie together and in order.
-- The blobs are packed already: packed again by DuckDB, one of them could not be read without its neighbours.
CREATE TABLE IF NOT EXISTS chunk_{number} (
    id           UINTEGER,
    spans        UINTEGER,
    arrived_ms   BIGINT,  -- since 1970
    start_ns_min BIGINT,
    start_ns_max BIGINT,
    traces       BLOB USING COMPRESSION uncompressed, -- uint32: low bits of the trace ids
    tags         BLOB USING COMPRESSION uncompressed, -- Bloom filter of the attributes
    span_ids     BLOB USING COMPRESSION uncompressed, -- uint64
    parents      BLOB USING COMPRESSION uncompressed, -- zstd, see chunk.py
    rests        BLOB USING COMPRESSION uncompressed  -- zstd, see chunk.py
);
CREATE TABLE IF NOT EXISTS span_{number} (
    chunk       UINTEGER,
    place       USMALLINT, -- row within the chunk
    trace_hi    UBIGINT,
    trace_lo    UBIGINT,
    series      INTEGER,
    start_ns    BIGINT,
    duration_ns BIGINT,
    status      UTINYINT   -- 0 unset, 1 ok, 2 error
);
-- Counted spans, see rollup.py: several rows of one slot add up.
CREATE TABLE IF NOT EXISTS red_{number} (
    slot   INTEGER,   -- ten seconds, since 1970
    series INTEGER,
    bucket USMALLINT, -- of the duration
    calls  INTEGER,
    errors INTEGER
);
-- Counted calls between services, by the calls' starts and durations; the services by their numbers.
CREATE TABLE IF NOT EXISTS edge_{number} (
    slot   INTEGER,
    parent INTEGER,
    child  INTEGER,
    bucket USMALLINT,
    calls  INTEGER,
    errors INTEGER
);
