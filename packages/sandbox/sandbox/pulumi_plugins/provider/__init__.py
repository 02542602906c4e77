"""`pulumi-resource-aws`: a stand-in for the AWS provider, built on boto3, for any AWS-compatible endpoint.

Touches the endpoint and credentials that the AWS variables name, and the installed SDK (read only).
"""
