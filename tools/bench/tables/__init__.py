"""Other ways to re-encrypt a table, without `phi`: a script, an application's loop, and the database itself."""
