"""`report`: the evidence of compliance from one set of facts, as a page, as Markdown and as JSON."""
