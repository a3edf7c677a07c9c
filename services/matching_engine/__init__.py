"""Matches orders by price and time, one writer per symbol."""
