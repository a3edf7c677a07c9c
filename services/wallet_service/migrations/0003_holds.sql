-- Open holds are found by their ids, which sort by time. With this index each hold that ended was written anew into every
-- index of the table, since its state is part of it.
DROP INDEX holds_open;

-- Room in its page for what a hold still holds, so that its index need not be touched.
ALTER TABLE holds SET (fillfactor = 50);
