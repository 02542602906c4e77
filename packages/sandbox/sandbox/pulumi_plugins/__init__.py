"""The plug-ins that the Pulumi engine starts: a language host and an AWS provider.

Touches the installed SDKs (read only), the endpoint that the AWS variables name, and the directories
that are passed to `install`.
"""
