"""What a job of `action.yml` runs: a command of eonpro-kms, or `pulumi preview` and `pulumi up` with the guardrails.

Started by the runner's Python with -I; takes the standard library and one module of the wizard. Reads the inputs of the
action from the environment and the project's folder; writes the words of the command, each with a NUL, to standard
output, and a refusal as a command of the runner.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from wizard.core import requirements_file

VERBS = {"preview": "preview", "pre": "preview", "up": "up", "update": "up"}
"""The commands of Pulumi that take a policy pack and change nothing without it, by each of their names."""
_SWITCHES = frozenset(
    (
        *("--yes", "-y", "--skip-preview", "-f", "--diff", "--refresh", "-r", "--expect-no-changes", "--json", "-j"),
        *("--debug", "-d", "--show-config", "--show-reads", "--show-replacement-steps", "--show-sames", "--urns"),
        *("--show-full-output", "--show-policy-remediations", "--suppress-outputs", "--suppress-progress", "--strict"),
        *("--target-dependents", "--exclude-dependents", "--continue-on-error"),
        *(
            "--suppress-permalink",
            "--emoji",
            "-e",
            "--fully-qualify-stack-names",
            "-Q",
            "--logflow",
            "--logtostderr",
            "--non-interactive",
        ),
    )
)
_VALUED = frozenset(
    (
        *("--stack", "-s", "--message", "-m", "--target", "-t", "--exclude", "--parallel", "-p", "--plan"),
        *("--save-plan", "--policy-pack", "--cwd", "-C", "--color", "--verbose", "-v"),
    )
)
OPTIONS: Mapping[str, bool] = {**dict.fromkeys(_SWITCHES, False), **dict.fromkeys(_VALUED, True)}
"""The options of Pulumi that a job may give, and whether a value follows.

Not: what lets a replacement through (--replace, --ignore-protect), runs something else (--client, --remote,
--config-file, an address), or prints secrets.
"""


class Refused(Exception):
    """The command is not run; the text says why."""


def words(command: str, stack: str, project: Path) -> list[str]:
    """The command as it is run in the project's folder. Raises Refused."""
    try:
        given = shlex.split(command)
    except ValueError as error:
        raise Refused(f"the input `command` cannot be read: {error}") from error
    on_stack = ["--stack", stack] if stack else []
    if not given or not given[0] or given[0].startswith("-"):
        # Without a command the program would set everything up.
        raise Refused("the input `command` has to begin with a command")
    if given[0] != "pulumi":
        return [".venv/bin/eonpro-kms", *given, "--json", "--non-interactive", *on_stack]
    # Pulumi reads the path as CSV: the quotes keep a comma of it.
    pack = ["--policy-pack", '"' + str(_pack(project)).replace('"', '""') + '"']
    return ["pulumi", *_checked(given[1:]), *on_stack, "--non-interactive", "--color", "never", *pack]


def _checked(given: Sequence[str]) -> list[str]:
    """The words of a command of Pulumi that may run. Raises Refused for any other."""
    verbs, rest = list[str](), iter(given)
    for word in rest:
        option, equals, _ = word.partition("=")
        if not word.startswith("-"):
            verbs.append(word)
        elif option not in OPTIONS:
            raise Refused(f"`pulumi {shlex.join(given)}`: the action does not run Pulumi with {option}; {_INSTEAD}")
        elif OPTIONS[option] and not equals and next(rest, None) is None:
            # The next word would be one of those that are added.
            raise Refused(f"`pulumi {shlex.join(given)}`: {option} lacks its value")
    if len(verbs) != 1 or verbs[0] not in VERBS:
        raise Refused(f"`pulumi {shlex.join(given)}`: the action runs pulumi preview and pulumi up; {_INSTEAD}")
    return list(given)


_INSTEAD = "run anything else in a step of your own, with --policy-pack where it takes one"


def _pack(project: Path) -> Path:
    for package in sorted(project.glob(".venv/lib/python3.*/site-packages/eonpro_kms")):
        return (package / "guardrails").resolve()
    raise Refused("the project's .venv has no eonpro-kms: requirements.txt has to name it")


def check_requirements(file: Path) -> None:
    """Raises Refused for a requirements.txt that is not installed."""
    try:
        fault = requirements_file.fault(file.read_bytes())
    except OSError as error:
        fault = f"cannot be read: {error.strerror}"
    if fault:
        raise Refused(f"{file} {fault}")


def main(argv: Sequence[str]) -> int:
    """`words`: write those of the inputs COMMAND and STACK. `requirements`: check the file. 2 for what is refused."""
    try:
        if argv == ["requirements"]:
            check_requirements(Path("requirements.txt"))
        else:
            sys.stdout.write("".join(f"{word}\0" for word in words(os.environ["COMMAND"], os.environ["STACK"], Path())))
    except Refused as refused:
        # The runner reads one command a line, and %0A as a line feed in it.
        text = str(refused).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
        sys.stderr.write(f"::error::{text}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
