"""Credentials, sessions and calls of botocore."""
