"""`python -m tools.documents` writes every document that repeats a table of the program."""

import runpy

PARTS = ("settings", "inputs", "schemas", "check_codes")

if __name__ == "__main__":
    for part in PARTS:
        runpy.run_module(f"tools.documents.{part}", run_name="__main__")
