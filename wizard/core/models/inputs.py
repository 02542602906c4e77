"""Inputs and questions: how a value is written in each source, how it is parsed, and how it is asked for.

Pure. The rules of the values are in `components.settings.settings`, which is loaded only when a value is checked.
Loaded before the first question, as are other models: those that nobody compares have no comparison (`eq=False`), for a
person would wait while Python makes it.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

CALLER = "caller"
"""The answer for the owner of the credentials; one answers file then fits any account."""

CREATE = "create"
"""The answer for a resource that the set-up creates."""


APPLICATION = "eonpro"
"""The application of the guide: the settings' own DEFAULT_APPLICATION, whose module needs a library."""

CLOUD, LOCAL, S3 = "cloud", "local", "s3"
"""Words for a backend: Pulumi Cloud, files of this user, a bucket that the set-up creates."""

DEFAULT, PASSPHRASE = "default", "passphrase"
"""Words for a secrets provider: Pulumi Cloud's own, a passphrase."""

NONE = "none"
"""The answer for an empty list."""

LATER = "later"
"""The answer for no backup in this run."""

VARIABLE, FILE_VARIABLE = "PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"


class Back(Exception):
    """The person goes back to the previous question."""


class InputType(StrEnum):
    """The kind of a prompt."""

    TEXT = "text"
    SELECT = "select"
    SEARCH = "search"
    CHECKBOX = "checkbox"
    SECRET = "secret"
    CONFIRM = "confirm"


@dataclass(frozen=True, kw_only=True, eq=False)
class Choice:
    """An offered answer."""

    value: str
    title: str
    checked: bool = False
    note: str = ""
    disabled: str | None = None
    """Why it cannot be chosen; None where it can."""
    words: tuple[str, ...] = ()
    """What can be typed for it, the shortest first. In a list with such words no letters filter it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Question:
    """The question for an input."""

    key: str
    kind: InputType
    prompt: str
    why: str
    choices: tuple[Choice, ...] = ()
    default: str | tuple[str, ...] | None = None
    check: Callable[[str], str | None] = lambda text: None
    """The fault of the typed text; None without one."""
    parse: Callable[[Any], Any] = lambda value: value
    """The value of the chosen or typed text."""
    free_text: bool = False
    """Whether a value that is not among the choices can be typed."""
    typed_as: str = "ARN"
    """The kind of text to type: ARN, name, URL."""
    another: str = "Another ARN"
    """The prompt for one more value after the ticked ones."""
    optional: bool = False
    """Whether the answer can be empty."""
    explanation: str = ""
    """The text for `?`: why it matters, which safeguard needs it, which values it takes. Paragraphs are separated by
    empty lines."""
    details: Callable[[], None] | None = None
    """Shows more, for the key `d`; then the question is asked again."""
    back: bool = False
    """Whether a person can go back to a previous question."""
    escape: str | None = None
    """The value that Esc stands for; None: Esc goes back where that is possible, and otherwise ends the run."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Input:
    """A value that the set-up needs, with its sources: a flag, an environment variable, a key of a file."""

    key: str
    kind: InputType = InputType.TEXT
    prompt: str
    why: str
    """Why it matters, or which safeguard needs it: one sentence."""
    safeguard: str = ""
    """The safeguard of the HIPAA Security Rule that it serves, by section (45 CFR 164.3xx) and name; empty for none."""
    help: str
    metavar: str = "YES|NO"
    saved: bool = True
    """Whether it is a field of `Settings`."""
    saved_as: str = ""
    """The name of that field, where it is not the key."""
    needed: Callable[[Mapping[str, Any]], bool] = lambda values: True
    """Whether the values so far need it."""
    asked: bool = True
    """Whether it is asked at a prompt; otherwise it has only its other sources and its default."""
    optional: bool = False
    default: Any = None
    many: bool = False
    secret: bool = False
    words: tuple[str, ...] = ()
    """Words that are values too: `caller`, `create`."""
    choices: tuple[Choice, ...] = ()
    """The choices that do not depend on the account."""
    free_text: bool = False
    is_listed: bool = False
    """Whether AWS is asked for its choices."""
    recommended: str = ""
    """The value that is used without a question; the summary shows it, where it can be changed."""
    principal: str = ""
    """What the principal is that it names: `execution role`; empty: it names none."""
    another: str = ""
    """The prompt for one more value after the ticked ones."""
    follows: str | None = None
    """The input whose change makes a saved value of this one invalid."""
    own: bool = False
    """Whether each stack needs its own value, not copied from another stack."""
    rest: str | None = None
    """The input that takes what follows a slash in the answer to the question: CLUSTER/SERVICE."""
    link: str = ""
    """A page to read before the answer, or where the value is made."""
    accepts: Callable[[str], None] | None = None
    """The rule of an input that has no field in `Settings`. Raises ValueError in words."""
    own_variable: str | None = None

    @property
    def field(self) -> str | None:
        """The input's field of `Settings`; None for a value that is never saved."""
        return (self.saved_as or self.key) if self.saved else None

    @property
    def flag(self) -> str:
        """The command-line flag. A secret's flag names a file, because a command line is not secret."""
        return "--" + self.file_key.replace("_", "-")

    @property
    def variable(self) -> str:
        return self.own_variable or "EONPRO_" + self.key.upper()

    @property
    def file_key(self) -> str:
        """The key in an answers file. A secret's names a file that holds it."""
        return f"{self.key}_file" if self.secret else self.key

    @property
    def takes(self) -> str:
        """The accepted values, in words."""
        return f"{self.help}; `{NONE}` empties the list" if self._takes_none else self.help

    @property
    def _takes_none(self) -> bool:
        return self.many and self.optional and NONE not in self.words

    @property
    def sources(self) -> tuple[str, ...]:
        """The input's sources other than a prompt, in words, in order of precedence."""
        named = "FILE" if self.secret else self.metavar
        return (f"{self.flag} {named}", self.variable, f"`{self.file_key}` in an answers file")

    @property
    def flag_takes(self) -> str:
        """The argument of its flag: a secret's names a file."""
        return f"file that holds the {self.takes.removeprefix('the ')}" if self.secret else self.takes

    @property
    def explanation(self) -> str:
        """The text for `?`: the reason in two sentences, a link, and the other sources of the value."""
        serves = f"{self.why} It serves the HIPAA Security Rule, {self.safeguard}."
        elsewhere = f"Its value: {self.takes}. It can also be given as " + ", or ".join(self.sources) + "."
        return "\n\n".join(filter(None, (serves, self.link, elsewhere)))

    def parse(self, raw: str | Sequence[str] | int | None, *, deployed: bool = False) -> Any:
        """The parsed value: text, a whole number, or a tuple of texts.

        For an optional input an empty text means None, and so does `none` for an optional list. A parsed value parses
        to itself. A `deployed` stack may have values that new settings refuse.
        Raises ValueError in words; they never hold a secret.
        """
        if self.many:
            return self._parse_many(raw, deployed=deployed)
        if self.kind is InputType.CONFIRM:
            return _yes_or_no(raw)
        if isinstance(raw, bool) or not (raw is None or isinstance(raw, str | int)):
            raise ValueError("must be one value, not a list" if isinstance(raw, Sequence) else "must be text")
        text = "" if raw is None else str(raw).strip()
        if not text:
            if self.optional:
                return None
            raise ValueError("is empty")
        if self.secret and self.accepts is None:
            return _secret(text)
        if self.secret:
            # A passphrase may have white space around it.
            return self._validated(str(raw))
        return text if text in self.words else self._validated(text)

    def question(
        self,
        choices: Iterable[Choice] = (),
        default: str | tuple[str, ...] | None = None,
        prompt: str | None = None,
    ) -> Question:
        """The question: its own choices, then `choices`, which replace own choices of the same value."""
        offered = {choice.value: choice for choice in (*self.choices, *choices)}
        if default is None and self.kind is InputType.CONFIRM:
            default = "yes" if self.default else "no"
        elif default is None and self.default is not None:
            default = str(self.default)
        return Question(
            key=self.key,
            kind=self.kind,
            prompt=prompt or self.prompt,
            why=self.why,
            choices=tuple(offered.values()),
            default=default,
            check=self.fault,
            parse=self.parse,
            free_text=self.free_text,
            typed_as=word if (word := self.metavar.partition(",")[0]) in ("ARN", "URL") else word.lower(),
            another=self.another,
            optional=self.optional,
            explanation=self.explanation,
        )

    def fault(self, raw: str) -> str | None:
        """The fault of a text, as a sentence; None without one."""
        try:
            self.parse(raw)
        except ValueError as error:
            fault = str(error)
            return f"It {fault}" if fault.startswith(("is ", "has ", "must ")) else fault
        return None

    def _parse_many(self, raw: str | Sequence[str] | int | None, *, deployed: bool = False) -> tuple[str, ...] | None:
        if not (raw is None or isinstance(raw, str | Sequence)):
            raise ValueError("must be text or a list of texts")
        parts = [raw] if isinstance(raw, str) else list(raw or ())
        if not all(isinstance(part, str) for part in parts):
            raise ValueError("must be text or a list of texts")
        # A dictionary keeps the order and removes duplicates.
        members = tuple(dict.fromkeys(member for part in parts for member in _split(part)))
        if self._takes_none and NONE in members:
            if len(members) > 1:
                raise ValueError(f"{NONE!r} stands for an empty list: it cannot be given with other values")
            members = ()
        if not members:
            if self.optional:
                return None
            raise ValueError("is empty")
        faults = []
        for member in members:
            try:
                if member not in self.words:
                    self._validated((member,), deployed=deployed)
            except ValueError as error:
                faults.append(str(error))
        if faults:
            raise ValueError("; ".join(faults))
        return members

    def _validated(self, value: Any, *, deployed: bool = False) -> Any:
        if self.field is None:
            text = value if isinstance(value, str) else value[0]
            if self.accepts is not None:
                self.accepts(text)
                return value
            if self.words:
                raise ValueError(f"{text!r} is not one of {', '.join(self.words)}")
            if not text.isprintable():
                raise ValueError(f"{text!r} has characters that cannot be printed")
            return value
        from components.settings import FOLLOWS_A_FAULT, ContractError, Settings, in_words

        if isinstance(self.default, int) and not isinstance(self.default, bool):
            value = _whole(value)
        try:
            Settings.read({self.field: value}, deployed=deployed)
        except ContractError as error:
            # Other fields are missing here: only the faults of this one count.
            cause: Any = error.__cause__
            for detail in cause.errors(include_url=False):
                if detail["type"] not in ("missing", FOLLOWS_A_FAULT) and detail["loc"]:
                    raise ValueError(in_words(detail)) from None
        return value


def _yes_or_no(raw: Any) -> bool:
    if isinstance(raw, bool):
        return raw
    word = str(raw or "").strip().lower()
    if word not in ("yes", "no", "true", "false", "y", "n"):
        raise ValueError(f"{raw!r} is neither yes nor no" if word else "is empty")
    return word in ("yes", "true", "y")


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(f"{text!r} is not a whole number")
    return int(text)


def _split(text: str) -> list[str]:
    # An IAM name may hold a comma, but no space: after an ARN a bare comma separates only before another ARN or word.
    parts: list[str] = []
    for chunk in re.split(r"\s*,\s+|\s+,\s*|\s*\n\s*", text.strip()):
        pieces = (
            re.split(rf",(?=arn:|(?:{CALLER}|{NONE})(?:,|$)|$)", chunk)
            if chunk.startswith("arn:")
            else chunk.split(",")
        )
        parts += [piece.strip() for piece in pieces]
    return [part for part in parts if part]


def _secret(text: str) -> str:
    if text[0] in "'\"" or text[-1] in "'\"":
        raise ValueError("has quotation marks around it")
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise ValueError("has white space or odd characters in it: was it cut, or pasted twice?")
    return text


# --- what a line of the terminal reports


class Mark(StrEnum):
    """The result that a line reports; shown as a sign, never by colour alone."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    INFO = "info"
    RUN = "run"


class StepState(StrEnum):
    """The state of a resource during `up`."""

    STARTED = "started"
    DONE = "done"
    FAILED = "failed"
