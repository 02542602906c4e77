"""Whether this Python can run the programs of this folder; where it cannot, one sentence names the one that can.

Writes to standard error. Its syntax is also valid for Python 2.7, which can then print the sentence.
"""

import os
import sys

MINIMUM = (3, 11)
PROJECT = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.join(PROJECT, ".venv")


def require_version(module):  # type: (str) -> None
    """End the process where this Python is too old for `python -m MODULE`."""
    if sys.version_info < MINIMUM:
        _refuse(module, "and this program needs Python 3.11 or newer")


def require_package(module, package):  # type: (str, str) -> None
    """End the process where this Python lacks a package that `python -m MODULE` always needs."""
    from importlib.util import find_spec

    if find_spec(package) is None:
        _refuse(module, "without the packages of this program")


def _refuse(module, why):  # type: (str, str) -> None
    python = os.path.join(VENV, "bin", "python")
    command = " ".join(_quoted(word) for word in [python, "-m", module] + sys.argv[1:])
    if not os.path.exists(python) or os.path.realpath(sys.prefix) == os.path.realpath(VENV):
        command = "make -C " + _quoted(PROJECT) + " setup && " + command
    version = ".".join(str(part) for part in sys.version_info[:3])
    sys.stderr.write("{} is Python {}, {}; run: {}\n".format(sys.executable, version, why, command))
    sys.exit(1)


def _quoted(word):  # type: (str) -> str
    # As shlex.quote, which Python 2.7 does not have.
    plain = word and not set(word) - set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./-_")
    return word if plain else "'" + word.replace("'", "'\"'\"'") + "'"
