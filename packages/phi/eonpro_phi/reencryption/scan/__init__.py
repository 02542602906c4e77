"""`python -m eonpro_phi scan`: which columns of a database hold records, under which key, and which PHI in the clear.

Touches nothing itself. `command` runs it, `catalog` lists the columns, `contents` reads and counts their values,
`models` has the counts, `verdict` the lines to print.
"""

from eonpro_phi.reencryption.scan.command import run as run
