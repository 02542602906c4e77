"""The diagnosis of a stack: the checks run concurrently, causes come before consequences, unknown is not passed.

Reads through the facts. A check is a function of the facts; `checks/` has them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from components.policies.requirements import BY_ID
from wizard.account import codes
from wizard.account.facts import StackFacts
from wizard.account.notices import Judgement, Notice, State, worst
from wizard.core.next_command import Text
from wizard.core.retry import Threads


def unread(notice: Notice) -> dict[str, Any]:
    """The JSON fields of a notice about something that could not be read."""
    return {"what": notice.what, "why": notice.why, "requirements": list(notice.requirements)}


def plain(notice: Notice) -> dict[str, Any]:
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
        """What is wrong because of another finding: it disappears when that one is fixed."""
        return tuple(notice for notice in self._of(State.WRONG) if notice.code in self._implied)

    @property
    def not_checked(self) -> tuple[Notice, ...]:
        """What could not be read."""
        return self._of(State.UNKNOWN)

    @property
    def passed(self) -> tuple[str, ...]:
        """What is good, in words."""
        return tuple(dict.fromkeys(notice.what for notice in self._of(State.GOOD)))

    @property
    def skipped(self) -> tuple[str, ...]:
        """What a person decides about or has decided, and what cannot be checked from here, in words."""
        return tuple(
            dict.fromkeys((*self.undecided, *(Text(each.what, "; ", each.advice) for each in self.advisories)))
        )

    @property
    def undecided(self) -> tuple[str, ...]:
        """Of these what has no code, and so no command."""
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


def first_of(words: Sequence[str], most: int, *, separator: str = ", ") -> str:
    """The first of them in one sentence, and how many more there are."""
    return separator.join([*words[:most], *([f"and {len(words) - most} more"] if len(words) > most else [])])


def build_diagnosis(stack: str, notices: Iterable[Notice]) -> Diagnosis:
    """The diagnosis without duplicates: what has a code in the table's order, then the rest as it came."""
    # Two judgements may rest on different facts, and say the same.
    notices = tuple(_merged(notices))
    ordered = sorted((notice for notice in notices if notice.code), key=lambda notice: codes.place(notice.code))
    return Diagnosis(stack=stack, notices=(*ordered, *(notice for notice in notices if not notice.code)))


def _merged(notices: Iterable[Notice]) -> Iterator[Notice]:
    """Those that say the same as one: it bears on the requirements of each, and rests on the facts of each."""
    alike: dict[tuple[object, ...], list[Notice]] = {}
    for notice in notices:
        alike.setdefault((notice.state, notice.code, notice.what, notice.why), []).append(notice)
    for first, *others in alike.values():
        yield replace(
            first,
            requirements=tuple(dict.fromkeys(id_ for each in (first, *others) for id_ in each.requirements)),
            facts=tuple(sorted({fact for each in (first, *others) for fact in each.facts})),
        )
