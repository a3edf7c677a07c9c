"""reporting: each user's trades, positions with average cost, profit and loss, statistics."""
