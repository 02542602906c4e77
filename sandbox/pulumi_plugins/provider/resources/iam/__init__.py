"""The resource types of IAM.

They may touch IAM at the endpoint that they are given.
"""
