"""The launcher and the command line: starts, watches and stops everything that the exchange consists of."""
