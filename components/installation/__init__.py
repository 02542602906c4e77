"""Where this program is installed, which project it serves, and whether this Python can run it.

Reads pyproject.toml, and Pulumi.yaml of the current folder and those above it; writes to standard error. Its syntax is
also valid for Python 2.7, which can then print the sentence.
"""

import os
import stat
import sys

MINIMUM = (3, 11)
# Not the file itself, which may be a link into the cache of an installer.
SOURCE = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
"""The folder of the packages: a checkout, or `eonpro_kms` in site-packages."""
IS_INSTALLED = os.path.basename(SOURCE) == "eonpro_kms" and not os.path.exists(os.path.join(SOURCE, "Pulumi.yaml"))
"""Whether this is the wheel and not a checkout. A checkout is its own project, with its own environment and caches."""
NAME_LINE = "name: eonpro-kms"
"""The line of Pulumi.yaml by which a folder is a project of this program."""
LARGEST = 2**20
"""Bytes of a Pulumi.yaml in which that line is looked for."""


def is_project(folder):  # type: (str) -> bool
    """Whether the folder has the Pulumi.yaml of a project of this program."""
    try:
        # In a folder that everybody writes to it may be a pipe, which never ends, or without end.
        descriptor = os.open(os.path.join(folder, "Pulumi.yaml"), os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
            return is_file and NAME_LINE.encode() in file.read(LARGEST).splitlines()
    except (IOError, OSError):
        return False


def _project():  # type: () -> str
    # The environment of a project serves that project, wherever the command is typed.
    own = os.path.realpath(os.path.dirname(sys.prefix))
    if not IS_INSTALLED or is_project(own):
        return own if IS_INSTALLED else SOURCE
    try:
        above = folders_above(os.getcwd())
    except OSError:
        return os.path.realpath(os.path.expanduser("~"))
    return next((folder for folder in above if is_project(folder)), above[0])


def folders_above(folder):  # type: (str) -> list[str]
    """The folder, and those above it in which a project is looked for."""
    home, folders = os.path.realpath(os.path.expanduser("~")), [os.path.realpath(folder)]
    # Above a repository, or the home folder, is what somebody else may have put there.
    while folders[-1] not in (home, "/") and not os.path.exists(os.path.join(folders[-1], ".git")):
        folders.append(os.path.dirname(folders[-1]))
    return folders


PROJECT = _project()
"""The folder of Pulumi.yaml, of the stacks' settings, reviews and reports; where there is none, the current folder."""
VENV = os.path.join(PROJECT, ".venv")
CACHE = os.path.join(PROJECT, ".cache")
"""Where the engine of `make setup` is; of the wheel, the user's own folder for caches."""
if IS_INSTALLED:
    CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "eonpro-kms")


def version():  # type: () -> str
    """The version of this program, as pyproject.toml has it."""
    import tomllib

    with open(os.path.join(SOURCE, "pyproject.toml"), "rb") as file:
        return str(tomllib.load(file)["project"]["version"])


def require_version(module):  # type: (str) -> None
    """End the process where this Python is too old for `python -m MODULE`."""
    if sys.version_info < MINIMUM:
        refuse("and this program needs Python 3.11 or newer", repair(module))


def refuse(why, command):  # type: (str, str) -> None
    """End the process, and say what installs what this Python lacks."""
    sys.exit("{} is Python {}, {}; run: {}".format(sys.executable, sys.version.split()[0], why, command))


def repair(module):  # type: (str) -> str
    """The command line that installs what `python -m MODULE` of a checkout lacks, or runs it where nothing is."""
    python = os.path.join(VENV, "bin", "python")
    command = " ".join(_quoted(word) for word in [python, "-m", module] + sys.argv[1:])
    is_set_up = os.path.exists(python) and os.path.realpath(sys.prefix) != os.path.realpath(VENV)
    return command if is_set_up else "make -C " + _quoted(PROJECT) + " setup && " + command


def _quoted(word):  # type: (str) -> str
    # As shlex.quote, which Python 2.7 does not have.
    plain = word and not set(word) - set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./-_")
    return word if plain else "'" + word.replace("'", "'\"'\"'") + "'"
