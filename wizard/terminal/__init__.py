"""The terminal: what a person reads and types."""
