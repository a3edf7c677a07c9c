"""Market makers and takers: a market that is alive, made by clients like any other.

They know the public address and nothing else. Makers quote both sides of every symbol around a fair price that wanders,
takers trade a little at what they find. Everything they decide comes from one seed; what they meet does not, for other
people trade here too.
"""
