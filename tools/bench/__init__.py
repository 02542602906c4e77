"""Side-by-side benchmarks: ratios measured in one run, never a time alone."""
