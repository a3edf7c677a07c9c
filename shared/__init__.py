"""What every service stands on: contracts, batching, events, PostgreSQL, authentication, settings, tracing."""
