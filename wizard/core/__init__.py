"""What every part of the wizard shares: errors, models, ports. Pure."""
