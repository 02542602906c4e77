"""The programs the Pulumi engine starts beside itself: a language host and an AWS provider.

May touch the installed SDKs (read only), the endpoint the AWS variables name, and where `install` is told
to write.
"""
