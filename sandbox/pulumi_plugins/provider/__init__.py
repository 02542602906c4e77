"""`pulumi-resource-aws`: a stand-in for the AWS provider, over boto3, for any endpoint that speaks AWS.

May touch the endpoint and credentials that the AWS variables name, and the installed SDK (read only).
"""
