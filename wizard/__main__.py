# PYTHON_ARGCOMPLETE_OK
"""`python -m wizard`: starts the command line. `main` is the entry point of the script `eonpro-kms`.

Touches nothing itself.
"""

from components.installation import origin

origin.require_package("wizard", "pydantic")

from wizard.cli.main import run as main

__all__ = ["main"]

if __name__ == "__main__":
    main()
