"""The sandbox's AWS: moto with patches, IAM enforcement, fault injection and a record of calls.

It may touch moto in this process.
"""
