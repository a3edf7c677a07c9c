"""Remote sampling: senders ask how much of their operations to sample, as they ask a Jaeger."""
