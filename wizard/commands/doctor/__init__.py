"""`doctor` and `verify`: what is wrong, and the command that fixes it."""
