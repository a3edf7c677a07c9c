-- What each side paid for a trade, in 1/10,000 dollar; negative for a rebate.

ALTER TABLE executions ADD COLUMN fee bigint NOT NULL DEFAULT 0;
