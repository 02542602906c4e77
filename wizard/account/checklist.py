"""The compliance checklist: a view of the notices, item by item. It reads nothing and judges nothing.

Pure. An item is a topic of the requirements. A requirement is met only if something was read that bears on it, and all
of it is good.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from components.policies.requirements import REQUIREMENTS, Requirement, Topic
from components.policies.requirements import requirements_of as requirements_of_topic
from components.settings import ImportGroup, ObjectLock, Settings
from wizard.account.notices import WORST_FIRST, Judgement, Notice, State, requirements_of, worst
from wizard.core.next_command import NO_COMMAND, Command, wizard


class ItemState(StrEnum):
    """The state of an item or of a requirement, as the documents name it."""

    DONE = "done"
    OPEN = "open"
    """Not met; the evidence says what is wrong."""
    PERSON = "needs a person"
    UNKNOWN = "unknown"
    """Could not be read, or nobody looked; never shown as done."""


STATES: Mapping[State, ItemState] = MappingProxyType(
    {
        State.GOOD: ItemState.DONE,
        State.WRONG: ItemState.OPEN,
        State.PERSON: ItemState.PERSON,
        State.UNKNOWN: ItemState.UNKNOWN,
    }
)


@dataclass(frozen=True, kw_only=True)
class ChecklistEntry:
    """One item of the checklist."""

    topic: Topic
    state: ItemState
    evidence: str
    next: Command = NO_COMMAND
    """The command of the first notice that is not good, or the one that shows what a person has to decide."""
    is_kept: bool = False
    """Whether an import left it so on request."""
    facts: tuple[str, ...] = ()
    """The names of the facts that it rests on, sorted."""

    @property
    def title(self) -> str:
        """Its name for people."""
        return str(self.topic)


_ASKED: Mapping[str, Callable[[Settings], bool]] = MappingProxyType(
    {
        "alerts": lambda settings: settings.alerts,
        "bucket-access-logs": lambda settings: settings.makes_trail and settings.access_logging,
        "bucket-lock": lambda settings: settings.makes_trail and settings.trail_lock is not ObjectLock.NONE,
        "trail-cloudwatch": lambda settings: settings.makes_trail and settings.cloudwatch_logs,
        "trail-encryption": lambda settings: settings.makes_trail and settings.trail_key,
    }
)
"""Whether the settings ask for an optional requirement, by its id."""

_PARTS: Mapping[Topic, tuple[ImportGroup, ...]] = MappingProxyType(
    {
        Topic.KEY_POLICY: (ImportGroup.KEY,),
        Topic.APPLICATION_POLICY: (ImportGroup.APPLICATION_POLICY,),
        Topic.ROTATION: (ImportGroup.KEY,),
        Topic.TRAIL: (ImportGroup.TRAIL, ImportGroup.BUCKET),
    }
)
"""The parts of an import that decide an item."""


def counts(requirement: Requirement, settings: Settings) -> bool:
    """Whether the settings ask for a requirement: those that are not optional always count."""
    return not requirement.optional or _ASKED[requirement.id](settings)


def state_of(requirement: str, notices: Iterable[Notice]) -> State:
    """The worst state of the notices that bear on a requirement; UNKNOWN if none does, because nobody looked."""
    return worst(notice.state for notice in notices if requirement in notice.requirements)


def judgements_of(topics: Iterable[Topic], judgements: Iterable[Judgement]) -> tuple[Judgement, ...]:
    """Those of the judgements that bear on a requirement of these items."""
    topics = frozenset(topics)
    ids = {requirement.id for requirement in REQUIREMENTS if requirement.topic in topics}
    return tuple(judgement for judgement in judgements if ids.intersection(requirements_of(judgement)))


def item_of(topic: Topic, notices: Sequence[Notice], settings: Settings, stack: str) -> ChecklistEntry:
    """An item, from the notices that bear on its requirements."""
    ids = [each.id for each in requirements_of_topic(topic) if counts(each, settings)]
    if not ids:
        return ChecklistEntry(topic=topic, state=ItemState.PERSON, evidence="the settings do not ask for it")
    bearing = [notice for notice in notices if not {*ids}.isdisjoint(notice.requirements)]
    state = STATES[worst(state_of(id_, bearing) for id_ in ids)]
    others = sorted((each for each in bearing if each.state is not State.GOOD), key=_weight)
    kept = [part for part in _PARTS.get(topic, ()) if part in settings.kept_as_found]
    is_kept = state is ItemState.OPEN and bool(kept)
    sentences = [*_in_words(others or bearing)] or ["nothing of it could be read"]
    if is_kept:
        sentences.append("it was left as it was found")
    command = next((notice.command for notice in others if notice.command), NO_COMMAND)
    if state is ItemState.PERSON and topic is Topic.OTHERS:
        # A person decides who keeps a right; `doctor` has the commands that take one away.
        command = wizard("review", "--stack", stack)
    return ChecklistEntry(
        topic=topic,
        state=state,
        evidence="; ".join(sentences),
        next=wizard("setup", "--stack", stack, "--repair", ",".join(kept)) if is_kept else command,
        is_kept=is_kept,
        facts=tuple(sorted({fact for notice in bearing for fact in notice.facts})),
    )


def _in_words(notices: Iterable[Notice]) -> Iterator[str]:
    """Each once, those about one resource in one sentence: `the bucket B is private, is versioned`."""
    said: dict[str, dict[str, None]] = {}
    for notice in notices:
        subject, what = notice.subject, notice.predicate
        if notice.state is State.UNKNOWN:
            subject, what = "", f"{notice.what}: could not be read: {notice.why}"
        said.setdefault(subject or what, {})[what] = None
    for subject, words in said.items():
        yield subject if subject in words else f"{subject} {', '.join(words)}"


def _weight(notice: Notice) -> int:
    return WORST_FIRST.index(notice.state)
