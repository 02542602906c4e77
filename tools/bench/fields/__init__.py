"""One PHI field, and the key behind it: `phi` beside what one would use or write instead.

Runs in an environment of its own (.cache/tools/bench), whose Python the benchmark starts. Touches memory alone.
"""
