"""The command line: parser, dispatch, clients of a run, completion, run log."""
