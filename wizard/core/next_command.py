"""The next command to type: the words of it, until they are shown; the options of a run.

Pure. Messages and notices carry a command as a value: `eonpro`, `shell`, `chain`, and `Text` for prose that names one.
Where it is shown, `Run.complete` adds the flags of this run (`--stack`, `--from`, `--target`, `--yes` and others) that
neither the defaults nor the stack's saved settings have, names the programs as the folder of this run finds them, with
one `cd` where that is not the project's, and quotes the words for a shell.
"""

import re
import shlex
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

from wizard.core.safe_text import clean

_PROGRAM = ("python", "-m", "wizard")

PROGRAM = " ".join(_PROGRAM)
"""The program as texts of this source name it; `Run.program` takes its place where one is printed."""

SCRIPT = "eonpro-kms"
"""The console script that `make setup` writes into `.venv/bin`."""

CALLER_PATH = "EONPRO_CALLER_PATH"
"""The variable in which `make` passes on the PATH of the shell it was typed in, where the wizard gets another."""

_PAGES = re.compile(r"(?<![\w/.-])docs/(?=[\w/-]+\.md\b)")
"""Before the name of a page, as texts of this source name it; `Run.pages` takes its place where one is shown."""

DEFAULT_COMMAND = "setup"
"""The command that runs where the command line names none."""

DEFAULT_STACK = "production"
"""The stack of a command that names none."""

_OF_STACK = frozenset(("up", "preview", "refresh", "destroy", "cancel"))
"""Commands of Pulumi about one stack; so are those of `config` that change it."""

_OF_CONFIG = frozenset(("set", "rm", "refresh"))
AWS_VERSION_2 = ("configure", "login", "sso")
"""Commands of the AWS CLI that need its version 2, which `make setup` cannot install: they stay `aws`."""


@dataclass(frozen=True)
class Call:
    """One program with its words."""

    argv: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join(map(quote, self.argv))


class Text(str):
    """Prose that names commands, each as a value. As a `str` it has them as they are typed in the project's folder."""

    __slots__ = ("parts",)
    parts: tuple[str | Call, ...]

    def __new__(cls, *pieces: str | Call) -> "Text":
        parts = tuple(_parts(pieces))
        text = super().__new__(cls, "".join(map(str, parts)))
        text.parts = parts
        return text

    @property
    def calls(self) -> tuple[tuple[str, ...], ...]:
        """The words of each program that it names."""
        return tuple(part.argv for part in self.parts if isinstance(part, Call))

    def __getnewargs_ex__(self) -> tuple[tuple[str | Call, ...], dict[str, str]]:
        return self.parts, {}


def _parts(pieces: Iterable[str | Call]) -> Iterator[str | Call]:
    for piece in pieces:
        if isinstance(piece, Text):
            yield from piece.parts
        elif piece:
            yield piece


class Command(Text):
    """A command that runs as it is; `advice` is prose about it. What is no `Call` in it is the shell's own: a pipe."""

    __slots__ = ("advice",)
    advice: str

    def __new__(cls, *pieces: str | Call, advice: str = "") -> "Command":
        command = super().__new__(cls, *pieces)
        assert isinstance(command, Command)
        command.advice = advice
        return command

    def __getnewargs_ex__(self) -> tuple[tuple[str | Call, ...], dict[str, str]]:
        return self.parts, {"advice": self.advice}

    def plus(self, *words: str, advice: str = "") -> "Command":
        """The command with more words at its end, and with this advice alone."""
        *before, last = self.parts
        assert isinstance(last, Call)
        return Command(*before, Call((*last.argv, *words)), advice=advice)


def plain_name(stack: str) -> str:
    """A stack's name without its owner and project: of `clinic/eonpro-kms/production` the last part."""
    return stack.rsplit("/", 1)[-1]


def eonpro(*words: str | Path, advice: str = "") -> Command:
    """This program with these words: `eonpro("push", "--to", place)`.

    A path is shown whole, unless it is below the project's folder and this run was typed there. Leave out `--stack` and
    the other flags of this run: they are added where the command is shown.
    """
    return shell(*_PROGRAM, *words, advice=advice)


def shell(*words: str | Path, advice: str = "") -> Command:
    """A command of another program; a path is written whole."""
    argv = tuple(str(word.absolute() if isinstance(word, Path) else word) for word in words)
    return Command(Call(argv), advice=advice)


def policy_pack_word(folder: Path) -> str:
    """The value of --policy-pack for a folder: Pulumi reads it as CSV, in which a comma or a quote has to be quoted."""
    path = str(folder)
    return '"' + path.replace('"', '""') + '"' if set(path) & set(',"\n') else path


def chain(*commands: str, advice: str = "") -> Command:
    """Commands of which each runs if the one before it succeeded; an empty one is none."""
    pieces = [piece for command in commands if command for piece in (" && ", command)]
    return Command(*pieces[1:], advice=advice)


def lines(commands: Iterable[str]) -> Command:
    """Commands, or advice, each on a line."""
    return Command(*[piece for command in commands for piece in ("\n", command)][1:])


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


class Document(TypedDict):
    """The next step: `command` runs as it is, `advice` is prose; null where there is none."""

    command: "Command | None"
    advice: str | None


def document(step: str) -> Document:
    """The next step in the form of `--json`."""
    if isinstance(step, Command):
        return {"command": step, "advice": step.advice or None}
    return {"command": None, "advice": step or None}


NO_COMMAND = Command()

WITHOUT_PROXY = shell(
    *("unset", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"),
    advice="where the network needs a proxy, correct its address instead",
)
VERCEL_LOGIN = chain(
    shell("unset", "VERCEL_TOKEN"),
    shell("vercel", "login"),
    advice="without a browser: create a token at https://vercel.com/account/settings/tokens, its scope the team of the "
    "project, then: export VERCEL_TOKEN=<token>",
)


class Sealed(dict[str, Any]):
    """A document with a digest of its content: it is printed as it was written."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """The parts of this run that a printed command has to repeat."""

    flags: Mapping[str, tuple[str, ...]] | None = None
    """The flags of this run, each with its words as they were typed: `{"--stack": ("--stack", "dev")}`."""
    takes: Callable[[str, Sequence[str]], Collection[str] | None] = lambda command, words: None
    """The flags that a command takes, by its name and its other words; None for all."""
    saved: Callable[[], Collection[str]] = tuple
    """The flags of this run that say nothing which the stack's settings file does not have by now."""
    program: str = PROGRAM
    """This program's name or path."""
    python: str = "python"
    """The interpreter's name or path."""
    pulumi: str = "pulumi"
    """The engine's name or path."""
    aws: str = "aws"
    """The AWS CLI's name or path."""
    project: str | None = None
    """The project's folder, quoted for a shell; None for commands that are typed in it, as this run was."""
    folder: str | None = None
    """The project's folder where this run was typed in it: its files are shown by their paths from there."""
    source: str | None = None
    """The folder of this program's packages, quoted for a shell; None: the `python` of a command has them."""
    policy_pack: str | None = None
    """The guardrails, as the value of --policy-pack: every printed update has them."""
    pages: str = "docs/"
    """Where this person finds the pages: the folder of a checkout, or its address."""

    def complete(self, text: str) -> str:
        """The text as it is shown: each of its commands with the flags of this run that it takes and lacks."""
        if not isinstance(text, Text):
            return self._paged(text)
        pieces = [self._called(part.argv) if isinstance(part, Call) else self._paged(part) for part in text.parts]
        first = next(
            (n for n, part in enumerate(text.parts) if isinstance(part, Call) and _is_of_project(part.argv)), None
        )
        if self.project is not None and first is not None:
            # Once: what follows is typed in the project's folder. Before a pipe or a comment, too.
            is_script = isinstance(text, Command)
            join = "\n" if is_script and "\n" in text else " && "
            pieces.insert(0 if is_script else first, f"cd {self.project}{join}")
        completed = "".join(pieces)
        return Command(completed, advice=self.complete(text.advice)) if isinstance(text, Command) else completed

    def _paged(self, text: str) -> str:
        return text if self.pages == "docs/" else _PAGES.sub(lambda found: self.pages, text)

    def complete_all(self, value: Any) -> Any:
        """Complete every text in a document, but not in a sealed one."""
        if isinstance(value, Sealed):
            return value
        if isinstance(value, str):
            return self.complete(value)
        if isinstance(value, Mapping):
            return {key: self.complete_all(inner) for key, inner in value.items()}
        return [self.complete_all(inner) for inner in value] if isinstance(value, list | tuple) else value

    def _called(self, argv: tuple[str, ...]) -> str:
        """The words, quoted, with the program as any folder finds it."""
        if argv[:3] == _PROGRAM:
            return self._of_wizard(argv[3:])
        program, words = quote(argv[0]), argv[1:]
        if program == "pulumi":
            program, words = self.pulumi, self._of_stack(words)
        elif program == "python" and self.source is not None:
            # -P: otherwise a json.py of the folder where it is typed would be imported first.
            program = f"PYTHONPATH={self.source} {self.python} -P"
        elif program == "aws" and words[0] not in AWS_VERSION_2:
            program = self.aws
        return " ".join((program, *map(quote, words)))

    def _of_wizard(self, words: Sequence[str]) -> str:
        command = words[0] if words and not words[0].startswith("-") else DEFAULT_COMMAND
        present = {word.partition("=")[0] for word in words}
        program, flags = self.program, {} if "--help" in present else self.flags or {}
        if program == PROGRAM and self.source is not None:
            program = f"PYTHONPATH={self.source} {self.python} -P -m wizard"
        takes, saved = self.takes(command, words[1:]), self.saved() if flags else ()
        missing = [
            typed
            for flag, typed in flags.items()
            if (takes is None or flag in takes)
            and flag not in saved
            and typed not in _DEFAULT
            and present.isdisjoint((flag, *_REPLACED_BY.get(flag, ())))
            and not (command == "status" and flag == "--stack" and "--all" in present)
        ]
        shown = (*_without_default(words), *(word for typed in missing for word in typed))
        return " ".join((program, *(quote(self._from_here(word)) for word in shown)))

    def _from_here(self, word: str) -> str:
        rest = word.removeprefix(f"{self.folder}/")
        # As a flag it would be another word.
        return word if self.folder is None or rest.startswith("-") else rest

    def _of_stack(self, words: tuple[str, ...]) -> tuple[str, ...]:
        """Pulumi finds the project by the folder; without `--stack` it takes the stack that is selected."""
        if words[0] == "up" and self.policy_pack is not None:
            words = (*words, "--policy-pack", self.policy_pack)
        verb = 2 if words[0] == "config" and words[1] in _OF_CONFIG else 1 if words[0] in _OF_STACK else 0
        if not verb or "--stack" in words:
            return words
        return *words[:verb], *(self.flags or {}).get("--stack", ("--stack", RunOptions.stack)), *words[verb:]


_DEFAULT = (("--stack", DEFAULT_STACK), (f"--stack={DEFAULT_STACK}",))


def _without_default(words: Sequence[str]) -> Iterator[str]:
    """The words of a command of this program without the stack that it acts on anyway."""
    rest = iter(words)
    for word in rest:
        value = next(rest, None) if word == "--stack" else None
        if word == "--stack" and value != DEFAULT_STACK:
            yield word
            if value is not None:
                yield value
        elif word != "--stack" and (word,) not in _DEFAULT:
            yield word


def _is_of_project(argv: Sequence[str]) -> bool:
    """Whether a command finds what it acts on by the folder that it is typed in."""
    return argv[0] == "make" or (argv[0] == "pulumi" and argv[1] not in ("login", "whoami"))


_REPLACED_BY: Mapping[str, tuple[str, ...]] = {
    "--target": ("--plan",),
    "--from": ("--plan",),
    "--answers": ("--plan",),
}
"""Flags that make another one meaningless: a saved plan holds its own settings."""


Result = tuple[int, Mapping[str, Any] | Sequence[Mapping[str, Any]]]
"""An exit code, and the document that `--json` prints."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RunOptions:
    """The options that commands share; each has its default where the command does not take it."""

    command: str
    stack: str = DEFAULT_STACK
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
    everything: bool = False
    """What a screen leaves out is shown, too."""
    save_plan: Path | None = None
    save_answers: Path | None = None
    json: bool = False
    non_interactive: bool = False
    verbose: bool = False
    debug: bool = False
    log: Path | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    """The flags of the inputs by the input's key in an answers file, unparsed; None where the flag is not set."""
