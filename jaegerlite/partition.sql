-- The two tables of a partition; {number} is its number. A chunk's rows of the span table lie together and in order.
CREATE TABLE chunk_{number} (
    id           UINTEGER,
    spans        UINTEGER,
    arrived_ms   BIGINT,  -- since 1970
    start_ns_min BIGINT,
    start_ns_max BIGINT,
    traces       BLOB,    -- uint32: low bits of the trace ids
    tags         BLOB,    -- Bloom filter of the attributes
    span_ids     BLOB,    -- uint64
    parents      BLOB,    -- zstd, see chunk.py
    rests        BLOB     -- zstd, see chunk.py
);
CREATE TABLE span_{number} (
    chunk       UINTEGER,
    place       USMALLINT, -- row within the chunk
    trace_hi    UBIGINT,
    trace_lo    UBIGINT,
    series      INTEGER,
    start_ns    BIGINT,
    duration_ns BIGINT,
    status      UTINYINT   -- 0 unset, 1 ok, 2 error
);
