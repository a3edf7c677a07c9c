-- Deposits, withdrawals and transfers that were asked for: amounts seen from the user, negative went out;
-- other_user 0 is the world outside.
ALTER TABLE fundings RENAME TO requests;
ALTER TABLE requests ADD COLUMN other_user bigint NOT NULL DEFAULT 0;

-- Which transfer takes which earlier one back, and who booked it, why, when, in which trace.
CREATE TABLE corrections (
    corrects bigint PRIMARY KEY REFERENCES transfers,
    transfer_id bigint NOT NULL UNIQUE REFERENCES transfers,
    booked_by bigint NOT NULL,
    request_id text NOT NULL,
    reason text NOT NULL,
    time_us bigint NOT NULL,
    trace_id text NOT NULL,
    UNIQUE (booked_by, request_id)
);

-- The ledger is only ever added to. Who tries anything else is stopped here, whatever the code says.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '% is only ever added to: book a counter-entry', TG_TABLE_NAME; END $$;

CREATE TRIGGER only_added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON transfers
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER only_added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON corrections
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
