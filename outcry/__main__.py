"""`python -m outcry` is the same as the command `outcry`."""

from outcry.cli import main

main()
