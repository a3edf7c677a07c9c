"""What services say to each other: messages, events and the operations that carry them.

Services never import one another. They meet here, in frozen structs that are both the Python type and the JSON on the
wire.
"""
