"""The resource types of IAM.

They touch IAM at the endpoint that is passed to them.
"""
