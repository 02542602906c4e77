"""Corrections of KMS.

They may touch the emulator's KMS in this process.
"""
