"""`python3 -m tools.bootstrap`: replaces or refuses a Python that is too old, then runs tools.bootstrap.cli.

Touches nothing itself. Its syntax is also valid for an old Python, which can then print the refusal.
"""

import os
import subprocess
import sys

MINIMUM = (3, 11)


def newer_python():  # type: () -> str | None
    """The path of a Python on PATH that is new enough, or None."""
    for minor in (13, 12, 11, 14):
        for folder in os.environ.get("PATH", "").split(os.pathsep):
            path = os.path.join(os.path.abspath(folder), "python3.%d" % minor)
            # A pyenv shim exists for versions that are not active, so each candidate is started once.
            if os.access(path, os.X_OK) and _starts(path):
                return path
    return None


def _starts(path):  # type: (str) -> bool
    # Neither shutil.which nor subprocess.DEVNULL is in Python 2.7.
    with open(os.devnull, "w") as nowhere:
        return subprocess.call([path, "-c", ""], stderr=nowhere) == 0


def main():  # type: () -> int
    """Run the set-up under Python 3.11 or newer; returns an exit code."""
    if sys.version_info < MINIMUM:
        version = ".".join(str(part) for part in sys.version_info[:3])
        path = newer_python()
        if path is None:
            sys.stderr.write(
                "This project needs Python 3.11 or newer; {} is {}.\n"
                "Install one (Debian and Ubuntu: apt-get install python3), or name one that is not on PATH:\n"
                "  make PYTHON=/path/to/python3.11 setup\n".format(sys.executable, version)
            )
            return 1
        sys.stderr.write("{} is Python {}, too old; using {}.\n".format(sys.executable, version, path))
        sys.stderr.flush()
        os.execv(path, [path, "-m", "tools.bootstrap"] + sys.argv[1:])
    from tools.bootstrap.cli import main as run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
