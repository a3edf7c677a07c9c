-- Whether a stop order's trigger was reached.

ALTER TABLE orders ADD COLUMN triggered boolean NOT NULL DEFAULT false;
