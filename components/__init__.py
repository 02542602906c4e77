"""The Pulumi components of eonpro-kms, and the pure files they are built from.

Importing this package loads nothing; import the file you need.
"""
