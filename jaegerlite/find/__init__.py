"""Search beyond Jaeger's: conditions joined by AND, OR and NOT, text anywhere, whole traces, the slowest, totals."""
