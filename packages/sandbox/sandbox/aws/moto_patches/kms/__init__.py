"""Patches of KMS.

They touch moto's KMS in this process.
"""
