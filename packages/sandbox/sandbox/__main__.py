"""The sandbox's command line: `python -m sandbox start | stop | status | env | prepare`.

Prints and returns the exit code; `sandbox.lifecycle` does the work. `main` is also the entry point
of the script `eonpro-sandbox`, which runs in any folder.
"""

import sys
from pathlib import Path

from components.installation import origin
from sandbox import environment, lifecycle
from sandbox.lifecycle import SandboxError

USAGE = """usage: python -m sandbox COMMAND

commands:
  start    start the sandbox (nothing happens when it already runs)
  stop     stop it and delete everything in it
  status   print whether it runs, and its addresses (exit 1 when it does not run)
  env      print the variables that a shell needs to use it: {line}
  prepare  install the sandbox's Pulumi plug-ins for the chosen engine
"""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; exit codes: 0 done, 1 failed or not running, 2 usage."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if environment.interpreter() == Path(sys.executable):
        # Any other Python only starts that of .venv.
        origin.require_package("sandbox", "moto")
    usage = USAGE.format(line=environment.eval_line())
    if arguments in (["-h"], ["--help"], ["help"]):
        print(usage, end="")
        return 0
    command = lifecycle.COMMANDS.get(arguments[0]) if len(arguments) == 1 else None
    if command is None:
        print(usage, end="", file=sys.stderr)
        return 2
    try:
        lifecycle.check_owner()
        return command()
    except SandboxError as error:
        print(f"{error}\n  {error.hint}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
