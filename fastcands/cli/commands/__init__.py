"""One file for each subcommand: its options, their checks, and the call that does the work."""
