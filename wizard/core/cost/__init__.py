"""The monthly cost of the set-up: one table of drivers, quantities from the settings or from the account."""
