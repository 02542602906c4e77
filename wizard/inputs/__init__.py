"""The inputs: their table, the ranking of sources, detection, saved progress, the interview."""
