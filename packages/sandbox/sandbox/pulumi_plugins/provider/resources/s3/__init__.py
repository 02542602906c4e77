"""The resource types of S3.

They touch S3 at the endpoint that is passed to them.
"""
