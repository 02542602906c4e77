"""`policy`: the IAM policies for operator, auditor, delivery and CI."""
