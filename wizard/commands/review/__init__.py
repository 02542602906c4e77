"""`review`: who may use the key, compared with what is expected."""
