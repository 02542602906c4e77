"""The first run: preflight, plan, confirmation, update, evidence, report."""
