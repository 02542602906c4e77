"""The resource types of S3.

They may touch S3 at the endpoint that they are given.
"""
