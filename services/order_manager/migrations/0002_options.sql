-- What few orders ask for beyond price and quantity (OrderOptions, null where nothing), and what self-trade prevention
-- took from an order: quantity - filled_quantity - decremented_quantity is open.

ALTER TABLE orders ADD COLUMN options jsonb;
ALTER TABLE orders ADD COLUMN decremented_quantity bigint NOT NULL DEFAULT 0;
ALTER TABLE orders ADD CHECK (decremented_quantity >= 0 AND filled_quantity + decremented_quantity <= quantity);
