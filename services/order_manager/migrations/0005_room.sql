-- An order changes once or twice soon after it was made: with this much room in its page, no index need be touched.
ALTER TABLE orders SET (fillfactor = 50);
