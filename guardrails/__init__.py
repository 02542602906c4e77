"""The policy pack of `pulumi up`. The engine runs this folder as a program; the wizard asks `rules` of it."""
