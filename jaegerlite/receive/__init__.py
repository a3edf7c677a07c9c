"""Everything that brings spans in: a module per protocol; all of them end in `Store.add`, as OTLP protobuf."""
