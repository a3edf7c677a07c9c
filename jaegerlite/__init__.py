"""jaegerlite: a trace backend in one process, spoken to like a Jaeger, stored in DuckDB.

Spans come in over OTLP, wait a moment in memory, and are written in chunks; the query API answers in Jaeger's JSON.
`python -m jaegerlite` runs it. The package knows nothing of the programs whose spans it keeps.
"""

__version__ = "0.1.0"
