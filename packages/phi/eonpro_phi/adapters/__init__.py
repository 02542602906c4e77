"""PHI fields in an ORM or engine: a column type for SQLAlchemy, a model field for Django, columns for Spark.

Touches nothing; each adapter is a module that its application imports, and none has cryptography of its own.
"""
