"""`python -m wizard`: starts the command line.

Touches nothing itself.
"""

from wizard.cli.main import run

if __name__ == "__main__":
    run()
