"""Bulk re-encryption of a PostgreSQL table, from one data key to another: `python -m phi reencrypt`.

Touches nothing by itself. `command` is its door, `crew` hands the work out, `worker` does it a batch at a time over
`database`, the one file that knows psycopg; `transcription` is the cryptography, `facts` what a run ends with.
"""
