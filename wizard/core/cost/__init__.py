"""What the set-up costs a month: one table of drivers, quantities from the settings or from the account."""
