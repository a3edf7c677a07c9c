-- The tables of the whole store. Spans and chunks lie in tables of their partition, see partitions.py.
CREATE TABLE IF NOT EXISTS series (
    number   INTEGER,
    resource BLOB,     -- OTLP Resource
    scope    BLOB,     -- OTLP InstrumentationScope
    kind     UTINYINT, -- OTLP span kind, 0 to 5
    name     BLOB      -- span name, UTF-8
);
CREATE TABLE IF NOT EXISTS partition (
    number      INTEGER,
    first_chunk UINTEGER,
    opened_ms   BIGINT -- since 1970
);
CREATE TABLE IF NOT EXISTS archive (
    trace_hi    UBIGINT,
    trace_lo    UBIGINT,
    archived_ms BIGINT,                       -- since 1970
    spans       BLOB USING COMPRESSION uncompressed -- zstd, OTLP ExportTraceServiceRequest
);
