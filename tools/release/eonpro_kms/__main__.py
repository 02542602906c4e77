# PYTHON_ARGCOMPLETE_OK
"""The console scripts `eonpro-kms` and `eonpro-sandbox`; `python -P -m eonpro_kms` is the first of them.

Touches nothing itself.
"""

import sys

import eonpro_kms  # noqa: F401  the module search path, where this file is run by its path


def main() -> None:
    """The wizard's command line."""
    from wizard.__main__ import main as run

    run()


def sandbox() -> None:
    """The sandbox's command line."""
    from sandbox.__main__ import main as run

    sys.exit(run())


if __name__ == "__main__":
    main()
