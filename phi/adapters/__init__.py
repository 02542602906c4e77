"""PHI fields where they are kept: a column type for SQLAlchemy, a model field for Django, columns for Spark.

Touches nothing; each adapter is a file of its own that its application imports, and none has cryptography of its own.
"""
