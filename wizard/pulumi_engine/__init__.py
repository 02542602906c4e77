"""The Pulumi engine, run as a child process."""
