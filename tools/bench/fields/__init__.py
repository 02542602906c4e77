"""One PHI field, and the key behind it: `phi` compared with its alternatives.

Runs in an environment of its own (.cache/tools/bench), whose Python the benchmark starts. Touches memory only.
"""
