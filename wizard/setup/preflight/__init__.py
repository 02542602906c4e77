"""The checks before the plan; they change nothing."""
