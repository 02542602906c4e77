"""The IAM permissions that each role of this program needs: one measured table, for `policy` and for the preflight."""
