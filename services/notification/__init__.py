"""notification: tells each user what became of their orders, live and afterwards."""
