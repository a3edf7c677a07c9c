-- Several engines may share the symbols. They share the outbox and its numbers, so a shard's own numbers have gaps: each
-- row names the one that the shard's row before it ends with.
ALTER TABLE journal ADD COLUMN shard smallint NOT NULL DEFAULT 0;
ALTER TABLE journal ADD COLUMN previous bigint;
UPDATE journal SET previous = first_seq - 1;
ALTER TABLE journal
    ALTER COLUMN previous SET NOT NULL,
    ALTER COLUMN shard DROP DEFAULT,
    DROP CONSTRAINT journal_pkey,
    ADD PRIMARY KEY (shard, first_seq);

ALTER TABLE snapshots ADD COLUMN shard smallint NOT NULL DEFAULT 0;
ALTER TABLE snapshots
    ALTER COLUMN shard DROP DEFAULT,
    DROP CONSTRAINT snapshots_pkey,
    ADD PRIMARY KEY (shard, seq);

-- The number that each shard's journal ends with, in the row that every commit locks and writes anyway.
ALTER TABLE outbox_head ADD COLUMN shards bigint[];
UPDATE outbox_head SET shards = ARRAY[seq];
ALTER TABLE outbox_head ALTER COLUMN shards SET NOT NULL;

-- Which shard trades which symbol, as the tables have it.
CREATE TABLE layout (shards text NOT NULL);
INSERT INTO layout VALUES ('*');
