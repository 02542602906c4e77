"""Checks whether this interpreter can run phi, and names the reason if not.

Reads `.venv/bin/python` of a checkout. Its syntax is also valid for Python 2.7, which can then print the sentence.
"""

import os
import sys

MINIMUM = (3, 11)


def require():  # type: () -> None
    """Raise ImportError where this Python cannot run phi. `python -m eonpro_phi` ends with the sentence alone."""
    # The name of the program while Python loads the package for `-m`. Python 2.7 says "-c" then.
    is_program = sys.argv[:1] == ["-m" if sys.version_info >= (3,) else "-c"]
    if sys.version_info < MINIMUM:
        reason = "phi needs Python 3.11 or newer"
    elif is_program and _lacks("cryptography"):
        reason = "phi needs its packages: pip install cryptography pybase64"
    else:
        return
    version = ".".join(str(part) for part in sys.version_info[:3])
    sentence = "{} is Python {}, and {}".format(sys.executable, version, reason)
    checkout = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..")
    checkout = os.path.normpath(checkout)
    if os.path.exists(os.path.join(checkout, ".venv", "bin", "python")):
        sentence += "; this checkout has " + os.path.join(checkout, ".venv", "bin", "python")
    if is_program:
        sys.exit(sentence)
    raise ImportError(sentence)


def _lacks(package):  # type: (str) -> bool
    from importlib.util import find_spec

    return find_spec(package) is None
