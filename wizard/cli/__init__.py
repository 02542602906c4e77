"""The command line: entry point, parser, clients of a run, completion, run log."""
