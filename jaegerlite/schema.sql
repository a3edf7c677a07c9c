-- The store's tables. A chunk's rows of `span` lie together and in order, so DuckDB's row groups are the partitions by time of arrival.
CREATE TABLE IF NOT EXISTS series (
    number   INTEGER,
    resource BLOB,     -- OTLP Resource
    scope    BLOB,     -- OTLP InstrumentationScope
    kind     UTINYINT, -- OTLP span kind, 0 to 5
    name     BLOB      -- span name, UTF-8
);
CREATE TABLE IF NOT EXISTS chunk (
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
CREATE TABLE IF NOT EXISTS span (
    chunk       UINTEGER,
    place       USMALLINT, -- row within the chunk
    trace_hi    UBIGINT,
    trace_lo    UBIGINT,
    series      INTEGER,
    start_ns    BIGINT,
    duration_ns BIGINT,
    status      UTINYINT   -- 0 unset, 1 ok, 2 error
);
CREATE TABLE IF NOT EXISTS edge (
    minute INTEGER,        -- minutes since 1970
    parent VARCHAR,
    child  VARCHAR,
    calls  BIGINT,
    errors BIGINT
);
