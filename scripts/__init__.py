"""Tools to be run from the command line."""
