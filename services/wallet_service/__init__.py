"""wallet-service: the double-entry ledger of cash and shares, and the holds on it."""
