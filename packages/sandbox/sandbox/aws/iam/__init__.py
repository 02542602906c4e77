"""IAM enforcement: which actions a call needs, who the caller is, and whether its policies allow them.

Reads moto in this process.
"""
