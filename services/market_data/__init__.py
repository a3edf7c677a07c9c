"""market-data: books, trades and candles for everybody, made from the engine's events and from nothing else."""
