"""A notice: one thing that is known of a deployed stack, whether it is good, and the command that makes it so.

Pure. A judgement makes notices of facts; each view of a stack is a choice of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from components.policies.requirements import BY_ID
from wizard.account import codes
from wizard.account.facts_read import facts_read
from wizard.core import next_command
from wizard.core.errors import CredentialsError, SetupError
from wizard.core.next_command import NO_COMMAND, Command

if TYPE_CHECKING:
    from wizard.account.facts import StackFacts

P = ParamSpec("P")
T = TypeVar("T")


class Unread(Exception):
    """A judgement ends, because `what` it needs could not be read."""

    def __init__(self, what: str, error: SetupError, requirements: tuple[str, ...]) -> None:
        super().__init__(what)
        self.what, self.error, self.requirements = what, error, requirements


def needed(what: str, value: T | SetupError, *, requirements: tuple[str, ...] = ()) -> T:
    """The value of a fact without which a judgement says nothing else. Where it is an error, the judgement ends: it is
    unknown. `requirements`: those that the notice of that bears on, in place of the judgement's."""
    if isinstance(value, SetupError):
        raise Unread(what, value, requirements)
    return value


class State(StrEnum):
    """Whether what is known is as it has to be."""

    GOOD = "good"
    WRONG = "wrong"
    PERSON = "needs a person"
    """Nothing is broken: a person decides about it, or has decided."""
    UNKNOWN = "unknown"
    """It could not be read. It never counts as good."""


WORST_FIRST = (State.WRONG, State.UNKNOWN, State.PERSON, State.GOOD)


def worst(states: Iterable[State]) -> State:
    """The worst of these; UNKNOWN for none, because nobody looked."""
    return min(states, key=WORST_FIRST.index, default=State.UNKNOWN)


@dataclass(frozen=True, kw_only=True)
class Notice:
    """One thing about a deployed stack. A view shows it, and never changes its state."""

    state: State
    what: str
    """In one sentence, with the name of the resource."""
    subject: str = ""
    """The resource that the sentence begins with, where several notices are about it: a view may name it once."""
    why: str = ""
    """The consequence for the application or the audit and how it is known; of an UNKNOWN one: why it is unknown."""
    command: Command = NO_COMMAND
    """The command that puts it right; empty if there is none."""
    advice: str = ""
    """What else to do, in words."""
    code: str = ""
    """Of what is not good: a name that programs rely on, one of `codes.CODES`; empty for a notice without one."""
    is_denied: bool = False
    """Of an UNKNOWN one: whether the reason is the caller's own credentials or permissions."""
    topic: str = ""
    """The subject, as its module of `judgements/` is called."""
    requirements: tuple[str, ...] = ()
    """Ids of the requirements that it bears on (`components.policies.requirements`)."""
    facts: tuple[str, ...] = ()
    """The names of the facts it rests on, sorted."""
    opens: str = ""
    """What it lets somebody into beyond the settings, as `judgement` says it; empty for any other subject."""

    @property
    def predicate(self) -> str:
        """The sentence without its `subject`; all of it where there is none."""
        return self.what[len(self.subject) :].lstrip() if self.subject else self.what

    @property
    def leaves_open(self) -> bool:
        """Whether it is unknown if somebody is let in, who then counts as let in.

        Who can use the key through IAM alone is a question of its own, which an operator may not be able to read.
        """
        return self.state is State.UNKNOWN and self.opens not in ("", "others")

    @classmethod
    def good(cls, what: str, *, subject: str = "", requirements: tuple[str, ...] = ()) -> Notice:
        """A notice that something is as the settings say. `what` is said of the `subject`, where there is one."""
        said = f"{subject} {what}" if subject else what
        return cls(state=State.GOOD, what=said, subject=subject, requirements=requirements)

    @classmethod
    def wrong(
        cls,
        code: str,
        what: str,
        *,
        why: str,
        command: Command = NO_COMMAND,
        advice: str = "",
        hint: str = "",
        subject: str = "",
        requirements: tuple[str, ...] = (),
    ) -> Notice:
        """A notice that something is not as the settings say; with the code of a decision, that a person decides.

        `hint`: of an error, in place of `command` and `advice`.
        """
        if hint:
            step = next_command.document(hint)
            command, advice = step["command"] or NO_COMMAND, step["advice"] or ""
        state = State.PERSON if codes.category_of(code) is codes.Category.DECISION else State.WRONG
        return cls(
            state=state,
            code=code,
            what=f"{subject} {what}" if subject else what,
            subject=subject,
            why=why,
            command=command,
            advice=advice,
            requirements=requirements,
        )

    @classmethod
    def unknown(
        cls,
        what: str,
        why: str,
        *,
        is_denied: bool = False,
        command: Command = NO_COMMAND,
        requirements: tuple[str, ...] = (),
    ) -> Notice:
        """A notice that something could not be checked."""
        return cls(
            state=State.UNKNOWN, what=what, why=why, is_denied=is_denied, command=command, requirements=requirements
        )

    @classmethod
    def unread(cls, what: str, error: SetupError, *, requirements: tuple[str, ...] = ()) -> Notice:
        """A notice that something could not be read, because of this error."""
        denied = isinstance(error, CredentialsError)
        return cls.unknown(what, error.message, is_denied=denied, requirements=requirements)

    @classmethod
    def person(cls, what: str, *, command: Command = NO_COMMAND, requirements: tuple[str, ...] = ()) -> Notice:
        """A notice, no fault: something cannot be checked from here, was not requested, or is a person's decision."""
        return cls(state=State.PERSON, what=what, command=command, requirements=requirements)


Judgement = Callable[["StackFacts"], Iterable[Notice]]
"""From the facts to notices; made complete by `judgement`."""


_REQUIREMENTS: dict[Callable[..., Iterable[Notice]], tuple[str, ...]] = {}
_OPENING: dict[Callable[..., Iterable[Notice]], str] = {}


def judgement(
    *requirements: str, opens: str = ""
) -> Callable[[Callable[P, Iterable[Notice]]], Callable[P, Iterator[Notice]]]:
    """Make a judgement of a function: its notices get its topic, these requirements and the facts that were read.

    A notice that names requirements itself keeps them. A SetupError that the function does not handle is its last
    notice: unknown. `opens`: it finds what lets somebody in beyond the settings. `key`: the key itself lets somebody
    use it; `account`: IAM lets somebody become the application, or it more than it needs; `others`: IAM lets others
    use the key; `logs`: somebody can read or delete the audit logs. Raises KeyError for an unknown id.
    """
    for id_ in requirements:
        BY_ID[id_]

    def decorate(function: Callable[P, Iterable[Notice]]) -> Callable[P, Iterator[Notice]]:
        topic = function.__module__.rpartition(".")[2]

        @wraps(function)
        def judged(*given: P.args, **named: P.kwargs) -> Iterator[Notice]:
            notices: list[Notice] = []
            with facts_read() as names:
                try:
                    notices.extend(function(*given, **named))
                except (Unread, SetupError) as ended:
                    if isinstance(ended, SetupError):
                        ended = Unread(function.__name__.replace("_", " "), ended, ())
                    # A judgement that ends early has found out what is wrong, and not that all else is good.
                    notices = [notice for notice in notices if notice.state is not State.GOOD]
                    notices.append(Notice.unread(ended.what, ended.error, requirements=ended.requirements))
            for notice in notices:
                yield replace(
                    notice,
                    topic=notice.topic or topic,
                    requirements=notice.requirements or requirements,
                    facts=notice.facts or tuple(sorted(names)),
                    opens=notice.opens or opens,
                )

        _REQUIREMENTS[judged] = requirements
        if opens:
            _OPENING[judged] = opens
        return judged

    return decorate


def requirements_of(function: Callable[..., Iterable[Notice]]) -> tuple[str, ...]:
    """The requirements that a judgement bears on; none of a function that is not decorated."""
    return _REQUIREMENTS.get(function, ())


def opening(*what: str) -> tuple[Judgement, ...]:
    """The judgements of what lets somebody in beyond the settings, of all modules that are loaded; or only of these."""
    return tuple(check for check, opens in _OPENING.items() if not what or opens in what)
