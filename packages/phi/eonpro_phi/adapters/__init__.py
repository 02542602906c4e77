"""PHI fields in an ORM: column types for SQLAlchemy, model fields for Django.

Touches nothing; each adapter is a module that its application imports, and none has cryptography of its own.
"""
