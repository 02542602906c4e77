"""`report`: the evidence for an auditor."""
