"""Tools around the product: the set-up of a bare machine, generators of documents, benchmarks and measurements.

Each package says what it may touch. A Python that is too old must be able to read this file.
"""
