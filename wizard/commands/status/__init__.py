"""`status`: how the stacks are."""
