"""Bulk re-encryption of a PostgreSQL table, from one data key to another: `python -m eonpro_phi reencrypt`.

Touches nothing itself. `command` runs it, `worker_pool` distributes the batches, `worker` processes one batch at a time
over `database`, `reencryptor` has the cryptography, `models` the results.
"""
