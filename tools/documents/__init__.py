"""Generators of documents and tables. Each module says which files it writes."""
