"""The sandbox's AWS: moto with patches, IAM enforcement, fault injection and a record of calls.

Touches moto in this process.
"""
