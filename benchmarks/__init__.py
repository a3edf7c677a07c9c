"""What is claimed about Outcry, measured: see README.md in this folder for what each scenario means."""
