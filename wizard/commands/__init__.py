"""The commands for a deployed stack, a package each."""
