"""Fills the search columns of a PostgreSQL table: `python -m eonpro_phi index`.

Touches nothing itself. `command` runs it over the passes and workers of `eonpro_phi.reencryption`, `rows` makes the
values of a batch, `inspection` checks the table.
"""
