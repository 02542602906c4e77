"""The next command to type, quoted for a shell and completed with the flags of this run; the options of a run.

Pure. Messages name a command with `wizard` or `shell`; where a message is printed, `Run.complete` adds the flags of
this run (`--stack`, `--from`, `--target`, `--yes` and others), and names the programs so that any folder finds them: a
copied command acts on the same stack, wherever it is pasted.
"""

import re
import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wizard.core.safe_text import clean

PROGRAM = "python -m wizard"
"""The program as texts of this source name it; `Run.program` takes its place where one is printed."""

SCRIPT = "eonpro-kms"
"""The console script that `make setup` writes into `.venv/bin`."""

CALLER_PATH = "EONPRO_CALLER_PATH"
"""The variable in which `make` passes on the PATH of the shell it was typed in, where the wizard gets another."""

DEFAULT_COMMAND = "setup"
"""The command that runs where the command line names none."""

# To the end of a command: a quoted word may hold anything, an operator of the shell or a backquote ends it.
_WORDS = r"""(?:'[^']*'|"[^"]*"|[^'"|;&<>#`\n()])"""
_COMMAND = rf"{PROGRAM}(?![\w.]){_WORDS}*"

_PYTHON = r"(?<![\w./-])python -m "
_LOGIN = r"(?<![\w./-])pulumi(?= (?:login|whoami)\b)"
_OF_STACK = "config set|config rm|config refresh|up|preview|refresh|destroy|cancel"
_PULUMI = (
    rf"(?<![\w./-])pulumi (?:(?P<verb>{_OF_STACK})|(?:config|stack|state|import))\b"
    rf"(?P<words>(?:(?!pulumi ){_WORDS})*)"
)
_MAKE = r"(?<![\w./-])make(?= setup\b)"
AWS_SERVICES = (
    *("account", "cloudtrail", "cloudwatch", "ecs", "eks", "events", "iam", "kms", "logs", "organizations", "s3"),
    *("s3api", "secretsmanager", "service-quotas", "sns", "ssm", "sts"),
)
"""Commands that every AWS CLI has. `aws login` needs version 2, which `make setup` cannot install: it stays `aws`."""

_AWS = rf"(?<![\w./-])aws(?= (?:{'|'.join(AWS_SERVICES)}) [a-z])"


class Command(str):
    """A command that runs as it is. As a `str` it is the command alone; `advice` is prose about it."""

    __slots__ = ("advice",)
    advice: str

    def __new__(cls, text: str, *, advice: str = "") -> "Command":
        command = super().__new__(cls, text)
        command.advice = advice
        return command

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, str]]:
        return (str(self),), {"advice": self.advice}


WITHOUT_PROXY = Command(
    "unset HTTP_PROXY HTTPS_PROXY ALL_PROXY http_proxy https_proxy all_proxy",
    advice="where the network needs a proxy, correct its address instead",
)
VERCEL_LOGIN = Command(
    "unset VERCEL_TOKEN && vercel login",
    advice="without a browser: create a token at https://vercel.com/account/settings/tokens, its scope the team of the "
    "project, then: export VERCEL_TOKEN=<token>",
)


def plain_name(stack: str) -> str:
    """A stack's name without its owner and project: of `clinic/eonpro-kms/production` the last part."""
    return stack.rsplit("/", 1)[-1]


def wizard(*words: str | Path, advice: str = "") -> Command:
    """`python -m wizard WORDS`, each word quoted where a shell needs it: `wizard("push", "--to", place)`.

    A path is written whole, for it may be pasted in another folder. Leave out `--stack` and the other flags of this
    run: they are added where the command is printed.
    """
    return Command(f"{PROGRAM} {shell(*words)}".rstrip(), advice=advice)


def shell(*words: str | Path, advice: str = "") -> Command:
    """A command of another program, each word quoted where a shell needs it; a path is written whole."""
    return Command(
        " ".join(quote(str(word.absolute() if isinstance(word, Path) else word)) for word in words), advice=advice
    )


def quote(word: str) -> str:
    """The shell's form of one word on one line, for all characters.

    A word with line feeds, escapes or characters that hide others is written as bash, zsh and ksh read it: `$'a\\nb'`.
    """
    if clean(word) == word:
        return shlex.quote(word)
    # No program can be given a NUL: what a shell would make of it is the name of something else.
    return "$'" + "".join(map(_escaped, word.replace("\0", "\ufffd"))) + "'"


def _escaped(character: str) -> str:
    code = ord(character)
    if character in "\\'" or code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    if clean(character) == character:
        return character
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def document(step: str) -> dict[str, Any]:
    """The next step in the form of `--json`: `command` runs as it is, `advice` is prose; null where there is none."""
    if isinstance(step, Command):
        return {"command": str(step), "advice": step.advice or None}
    return {"command": None, "advice": step or None}


class Sealed(dict[str, Any]):
    """A document with a digest of its content: it is printed as it was written."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """The parts of this run that a printed command has to repeat."""

    flags: Mapping[str, tuple[str, ...]] | None = None
    """The flags of this run, each with its words as they were typed: `{"--stack": ("--stack", "dev")}`."""
    takes: Callable[[str, Sequence[str]], Collection[str] | None] = lambda command, words: None
    """The flags that a command takes, by its name and its other words; None for all."""
    program: str = PROGRAM
    """This program's name or path for any folder."""
    python: str = "python"
    """The interpreter's name or path for any folder."""
    pulumi: str = "pulumi"
    """The engine's name or path for any folder."""
    aws: str = "aws"
    """The AWS CLI's name or path for any folder."""
    project: str | None = None
    """The project's folder, quoted for a shell; None for commands that are typed in it."""

    def complete(self, text: str) -> str:
        """The text; each wizard command in it gets the flags of this run that it takes and lacks."""
        if not any(word in text for word in ("python -m ", "pulumi ", "make setup", "aws ")):
            return text
        completed = re.sub(_PULUMI, self._of_project, re.sub(_COMMAND, self._with_flags, text))
        for pattern, called in self._programs():
            completed = re.sub(pattern, called.replace("\\", r"\\"), completed)
        return Command(completed, advice=self.complete(text.advice)) if isinstance(text, Command) else completed

    def complete_all(self, value: Any) -> Any:
        """The same for every text in a document, but not in a sealed one."""
        if isinstance(value, Sealed):
            return value
        if isinstance(value, str):
            return self.complete(value)
        if isinstance(value, Mapping):
            return {key: self.complete_all(inner) for key, inner in value.items()}
        return [self.complete_all(inner) for inner in value] if isinstance(value, list | tuple) else value

    def _with_flags(self, match: re.Match[str]) -> str:
        text = match[0].rstrip()
        end = match[0][len(text) :]
        called = self.program + text.removeprefix(PROGRAM)
        try:
            words = shlex.split(text)[3:]
        except ValueError:
            return called + end
        command = words[0] if words and not words[0].startswith("-") else DEFAULT_COMMAND
        present = {word.partition("=")[0] for word in words}
        if "--help" in present:
            return called + end
        takes = self.takes(command, words[1:])
        missing = [
            typed
            for flag, typed in (self.flags or {}).items()
            if (takes is None or flag in takes) and present.isdisjoint((flag, *_REPLACED_BY.get(flag, ())))
        ]
        added = "".join(f" {quote(word)}" for typed in missing for word in typed)
        return called + added + end

    def _of_project(self, match: re.Match[str]) -> str:
        """Pulumi finds the project by the folder; without `--stack` it takes the stack that is selected."""
        if self.project is None:
            return match[0]
        verb = match["verb"]
        called, end = f"{self.pulumi} -C {self.project} ", match[0].removeprefix("pulumi ")
        if verb is None or "--stack" in match["words"]:
            return called + end
        stack = (self.flags or {}).get("--stack", ("--stack", RunOptions.stack))
        return f"{called}{verb} {' '.join(map(quote, stack))}{match['words']}"

    def _programs(self) -> tuple[tuple[str, str], ...]:
        """The programs that a text names, each with its call for any folder."""
        if self.project is None:
            return ()
        return (
            (_LOGIN, self.pulumi),
            # -P: otherwise a json.py of the folder where it is typed would be imported first.
            (_PYTHON, f"PYTHONPATH={self.project} {self.python} -P -m "),
            (_AWS, self.aws),
            (_MAKE, f"make -C {self.project}"),
        )


_REPLACED_BY: Mapping[str, tuple[str, ...]] = {
    "--stack": ("--all",),
    "--target": ("--plan",),
    "--from": ("--plan",),
    "--answers": ("--plan",),
}
"""Flags that make another one meaningless: a saved plan holds its own settings, `--all` is every stack."""


Result = tuple[int, Mapping[str, Any] | Sequence[Mapping[str, Any]]]
"""An exit code, and the document that `--json` prints."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RunOptions:
    """The options that commands share; each has its default where the command does not take it."""

    command: str
    stack: str = "production"
    answers: Path | None = None
    from_stack: str | None = None
    """The stack whose settings a new one starts from."""
    yes: bool = False
    confirm: str | None = None
    """The stack's name, which confirms a command that cannot be undone."""
    redeploy: bool | None = None
    """Whether to restart the application afterwards; None: ask."""
    adopt: bool = False
    plan: Path | None = None
    """A saved plan to apply."""
    save_plan: Path | None = None
    save_answers: Path | None = None
    json: bool = False
    non_interactive: bool = False
    verbose: bool = False
    debug: bool = False
    log: Path | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    """The flags of the inputs by the input's key in an answers file, unparsed; None where the flag is not set."""
