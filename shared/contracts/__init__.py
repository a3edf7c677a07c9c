"""What services say to each other: the codes, the messages and their fields."""
