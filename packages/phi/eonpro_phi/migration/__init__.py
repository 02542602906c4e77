"""`python -m eonpro_phi migrate`: a plain column beside its encrypted one; where the move stands, what is to be filled.

Touches nothing itself. `rows` compares the two columns of a row, `command` runs it and prints the next step.
"""
