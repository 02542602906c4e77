"""What the wizard has to know: the table of inputs, the ranking of their sources, the interview."""
