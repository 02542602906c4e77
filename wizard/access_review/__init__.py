"""`review`: who can use and who can administer the key, compared with the last review, and signed off."""
