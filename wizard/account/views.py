"""The views of the notices that several commands share: the diagnosis and the compliance checklist. They judge nothing.

The diagnosis runs the checks concurrently; causes come before consequences, unknown is not passed. An item of the
checklist is a topic of the requirements: a requirement is met only if something was read that bears on it, and all of
it is good. Reads through the facts.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType

from components.policies.requirements import BY_ID, REQUIREMENTS, Requirement, Topic
from components.policies.requirements import requirements_of as requirements_of_topic
from components.settings import ImportGroup, ObjectLock, Settings
from wizard.account import codes
from wizard.account.facts import StackFacts
from wizard.account.notices import WORST_FIRST, Judgement, Notice, State, requirements_of, worst
from wizard.core.json_documents import Finding, Unread
from wizard.core.next_command import NO_COMMAND, Command, Text, eonpro
from wizard.core.retry import Threads


def unread(notice: Notice) -> Unread:
    """The JSON fields of a notice about something that could not be read."""
    return {"what": notice.what, "why": notice.why, "requirements": list(notice.requirements)}


def plain(notice: Notice) -> Finding:
    """The JSON fields of a notice that is not good."""
    return {
        "cause": notice.code,
        "what": notice.what,
        "why": notice.why,
        "command": notice.command or None,
        "advice": notice.advice or None,
        "requirements": list(notice.requirements),
    }


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """The notices of a stack, those with a code in the order of the codes: a cause before its consequences."""

    stack: str
    notices: tuple[Notice, ...] = ()

    @property
    def findings(self) -> tuple[Notice, ...]:
        """The root causes of what is wrong."""
        return tuple(notice for notice in self._of(State.WRONG) if notice.code not in self._implied)

    @property
    def consequences(self) -> tuple[Notice, ...]:
        """The findings that follow from another one: they disappear when that one is fixed."""
        return tuple(notice for notice in self._of(State.WRONG) if notice.code in self._implied)

    @property
    def not_checked(self) -> tuple[Notice, ...]:
        """The notices of what could not be read."""
        return self._of(State.UNKNOWN)

    @property
    def passed(self) -> tuple[str, ...]:
        """The sentences on what is good."""
        return tuple(dict.fromkeys(notice.what for notice in self._of(State.GOOD)))

    @property
    def skipped(self) -> tuple[str, ...]:
        """The sentences on what a person decides or has decided, and on what cannot be checked from here."""
        return tuple(
            dict.fromkeys((*self.undecided, *(Text(each.what, "; ", each.advice) for each in self.advisories)))
        )

    @property
    def undecided(self) -> tuple[str, ...]:
        """The sentences on what a person decides, or cannot be checked from here, and has no code."""
        return tuple(
            dict.fromkeys(
                Text(each.what, ": ", each.command) if each.command else each.what
                for each in self._of(State.PERSON)
                if not each.code
            )
        )

    @property
    def advisories(self) -> tuple[Notice, ...]:
        """A decision of the settings that an auditor asks about: nothing is broken."""
        return tuple(notice for notice in self._of(State.PERSON) if notice.code)

    @property
    def requirements(self) -> dict[str, State]:
        """The worst state of the notices that bear on each requirement, by its id; none that nobody looked at."""
        return {
            id_: worst(notice.state for notice in self.notices if id_ in notice.requirements)
            for id_ in BY_ID
            if self.bearing_on(id_)
        }

    def bearing_on(self, *requirements: str) -> tuple[Notice, ...]:
        """The notices that bear on one of these requirements."""
        return tuple(notice for notice in self.notices if set(requirements) & set(notice.requirements))

    def _of(self, state: State) -> tuple[Notice, ...]:
        return tuple(notice for notice in self.notices if notice.state is state)

    @cached_property
    def _implied(self) -> frozenset[str]:
        return codes.implied_by({notice.code for notice in self._of(State.WRONG)})

    @property
    def healthy(self) -> bool:
        """Whether everything was checked and passed."""
        return not self.findings and not self.not_checked

    @property
    def exit_code(self) -> int:
        """0 healthy; 3 if the doctor's own credentials or permissions are the problem; else 1."""
        if self.healthy:
            return 0
        first = bool(self.findings) and codes.category_of(self.findings[0].code) is codes.Category.CREDENTIALS
        denied = not self.findings and any(entry.is_denied for entry in self.not_checked)
        return 3 if first or denied else 1


Comparison = Callable[[StackFacts, Sequence[Notice]], Iterable[Notice]]
"""A judgement that leaves out what these notices say already."""


def judge(facts: StackFacts, checks: Sequence[Judgement]) -> tuple[tuple[Notice, ...], ...]:
    """The notices of each check. The checks run beside each other: each waits for answers, and none for a thread."""
    with Threads(max_workers=max(1, len(checks))) as pool:
        return tuple(pool.map(lambda check: tuple(check(facts)), checks))


def diagnose(facts: StackFacts, checks: Sequence[Judgement], *, compare: Comparison | None = None) -> Diagnosis:
    """The diagnosis by these checks; then by the comparison of settings, state and account, which is read meanwhile."""
    with Threads(max_workers=1) as pool:
        if compare is not None and facts.outputs is not None:
            pool.submit(lambda: facts.drifts)
        notices = [notice for answers in judge(facts, checks) for notice in answers]
    if compare is not None:
        notices += compare(facts, notices)
    return build_diagnosis(facts.stack, notices)


def build_diagnosis(stack: str, notices: Iterable[Notice]) -> Diagnosis:
    """The diagnosis without duplicates: what has a code in the table's order, then the rest as it came."""
    # Two judgements may rest on different facts, and say the same.
    notices = tuple(_merged(notices))
    ordered = sorted((notice for notice in notices if notice.code), key=lambda notice: codes.place(notice.code))
    return Diagnosis(stack=stack, notices=(*ordered, *(notice for notice in notices if not notice.code)))


def _merged(notices: Iterable[Notice]) -> Iterator[Notice]:
    """The notices; those that say the same are one, with the requirements and the facts of each."""
    alike: dict[tuple[object, ...], list[Notice]] = {}
    for notice in notices:
        alike.setdefault((notice.state, notice.code, notice.what, notice.why), []).append(notice)
    for first, *others in alike.values():
        yield replace(
            first,
            requirements=tuple(dict.fromkeys(id_ for each in (first, *others) for id_ in each.requirements)),
            facts=tuple(sorted({fact for each in (first, *others) for fact in each.facts})),
        )


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
        """The item's name for people."""
        return str(self.topic)


_ASKED: Mapping[str, Callable[[Settings], bool]] = MappingProxyType(
    {
        "alerts": lambda settings: settings.alerts,
        # Of what an import left as it was found nobody looks whether it has more than it must.
        "bucket-access-logs": lambda settings: settings.owns_bucket and settings.access_logging,
        "bucket-lock": lambda settings: settings.owns_bucket and settings.trail_lock is not ObjectLock.NONE,
        **dict.fromkeys(
            ("documents-encrypted", "documents-private", "documents-tls"),
            lambda settings: bool(settings.document_buckets),
        ),
        "trail-cloudwatch": lambda settings: settings.owns_trail and settings.cloudwatch_logs,
        "trail-encryption": lambda settings: settings.owns_trail and settings.trail_key,
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


def topics_of(settings: Settings) -> tuple[Topic, ...]:
    """The items of the report's checklist: that of the documents only where the settings name their buckets."""
    return tuple(topic for topic in Topic if topic is not Topic.DOCUMENTS or settings.document_buckets)


def counts(requirement: Requirement, settings: Settings) -> bool:
    """Whether the settings ask for a requirement: those that are not optional always count."""
    return not requirement.optional or _ASKED[requirement.id](settings)


def state_of(requirement: str, notices: Iterable[Notice]) -> State:
    """The worst state of the notices that bear on a requirement; UNKNOWN if none does, because nobody looked."""
    return worst(notice.state for notice in notices if requirement in notice.requirements)


def judgements_of(topics: Iterable[Topic], judgements: Iterable[Judgement]) -> tuple[Judgement, ...]:
    """The judgements, of these, that bear on a requirement of these items."""
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
    others = [each for each in bearing if each.state is not State.GOOD]
    others.sort(key=lambda notice: WORST_FIRST.index(notice.state))
    kept = [part for part in _PARTS.get(topic, ()) if part in settings.kept_as_found]
    is_kept = state is ItemState.OPEN and bool(kept)
    sentences = [*_in_words(others or bearing)] or ["nothing of it could be read"]
    if is_kept:
        sentences.append("it was left as it was found")
    command = next((notice.command for notice in others if notice.command), NO_COMMAND)
    if state is ItemState.PERSON and topic is Topic.OTHERS:
        # A person decides who keeps a right; `doctor` has the commands that take one away.
        command = eonpro("review", "--stack", stack)
    return ChecklistEntry(
        topic=topic,
        state=state,
        evidence="; ".join(sentences),
        next=eonpro("setup", "--stack", stack, "--repair", ",".join(kept)) if is_kept else command,
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
