"""risk-manager: what an account may put at risk, judged before an order reaches the market."""
