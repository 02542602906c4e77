"""Patches of KMS.

They may touch moto's KMS in this process.
"""
