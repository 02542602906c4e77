"""The base of all parts of the wizard: errors, models, ports. Pure."""
