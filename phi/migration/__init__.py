"""`python -m phi migrate`: a plain column beside its encrypted one; where the move stands, and what is to be filled.

Touches nothing itself. `rows` compares the two columns of a row, `command` runs it and prints the next step.
"""
