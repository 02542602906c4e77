"""What a printed command came to: healed, nearer, no change or worse, by the account itself and by what it printed.

Runs one fault in worlds of its own, a world for each printed command.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tests.blind.night import Ended, Night

DOCTOR = ("doctor",)
IN_THE_APPLICATION = "ENCRYPTED_PHI_KEY"
"""For `typed`: the data key that the running application has in its environment."""
STEPS = 5
"""The most commands from a fault to well."""

_BY_THE_WAY = re.compile(
    r"parameter .*/data-keys/new/|vercel ENCRYPTED_PHI_KEY_ASIDE_|alias alias/unused-|state pending$"
)
"""What a right command may leave: a version that it takes in, a foreign value that it sets aside."""


class Outcome(StrEnum):
    """What a command came to."""

    HEALED = "healed"
    NEARER = "nearer"
    ADVICE = "advice"
    """No change, and the message says what a person has to do beside the command."""
    NO_CHANGE = "no change"
    WORSE = "worse"


FAILED = (Outcome.NO_CHANGE, Outcome.WORSE)


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something that goes wrong, and what the person types then."""

    name: str
    do: Callable[[Night], None]
    world: str = "vercel"
    begin: tuple[str, ...] = DOCTOR
    """What the person types; for anything but the doctor, the printed command has to do what was wanted."""
    whole: bool = False
    """Whether the doctor also compares settings, state and account, which takes seconds."""
    typed: str = ""
    """What the person types where a command asks."""
    stays: tuple[str, ...] = ()
    """The places, by their beginning, that are no part of the stack and stay as the fault left them."""
    pair: bool = False

    @property
    def asks_doctor(self) -> bool:
        """Whether the doctor says that it is healed."""
        return self.begin == DOCTOR


@dataclass(frozen=True, kw_only=True)
class Printed:
    """A command that a message prints, and the advice beside it."""

    command: str
    advice: str
    cause: str


@dataclass(frozen=True, kw_only=True)
class Look:
    """A world at one moment: what the doctor says, and what there is."""

    ended: Ended
    facts: Mapping[str, str]

    @property
    def is_well(self) -> bool:
        """Whether the doctor found nothing wrong."""
        return self.ended.code == 0

    @property
    def first(self) -> tuple[str, str]:
        """The first cause and its command."""
        findings: Sequence[Mapping[str, str]] = self.ended.document.get("findings") or ({},)
        return self.causes[0], findings[0].get("command") or ""

    @property
    def causes(self) -> tuple[str, ...]:
        """The causes that the doctor names; those of an error by its text."""
        document = self.ended.document
        findings = [*document.get("findings", ()), *document.get("consequences", ())]
        return tuple(each["cause"] for each in findings) or (str(document.get("error", self.ended.err[-300:])),)


@dataclass(kw_only=True)
class Result:
    """One printed command, and what it came to."""

    fault: Fault
    printed: Printed
    is_first: bool
    outcome: Outcome
    why: str = ""
    steps: int = 0
    """Of the first command: how many commands it took until all was well; 0 where that was never so."""
    log: list[Ended] = field(default_factory=list, repr=False)

    @property
    def failed(self) -> bool:
        """Whether whoever pasted it is no nearer to well, or worse, or is led no further."""
        return self.outcome in FAILED or (self.is_first and self.outcome is Outcome.NEARER and not self.steps)


def printed_by(document: Mapping[str, Any]) -> Iterator[Printed]:
    """Every command in a document, in its order; those of consequences are nobody's to type.

    A decision is no fault: its command takes a right from somebody, on purpose.
    """
    for name, value in document.items():
        if name in ("consequences", "decisions"):
            continue
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, Mapping):
                if isinstance(command := each.get("command"), str) and command and name != "options":
                    cause = each.get("cause") or name
                    yield Printed(command=command, advice=each.get("advice") or "", cause=str(cause))
                yield from printed_by(each)


def look(night: Night, fault: Fault) -> Look:
    """What the person sees, and what there is."""
    words = fault.begin if not fault.asks_doctor else ("doctor", *(() if fault.whole else ("--quick",)))
    stack = () if "--stack" in words else ("--stack", "production")
    ended = night.wizard(*map(shlex.quote, words), *stack, "--json", "--non-interactive")
    return Look(ended=ended, facts=night.facts())


def wrong(facts: Mapping[str, str], right: Mapping[str, str], fault: Fault) -> set[str]:
    """The places that are not as they were before the fault."""
    return {
        place
        for place in facts.keys() | right.keys()
        if facts.get(place) != right.get(place)
        and not _BY_THE_WAY.search(place)
        and not place.startswith(fault.stays or "\0")
    }


def judged(fault: Fault, right: Mapping[str, str], before: Look, after: Look, ended: Ended) -> tuple[Outcome, str]:
    """What a command came to, and why."""
    was, is_now = wrong(before.facts, right, fault), wrong(after.facts, right, fault)
    if harm := sorted(is_now - was) + _lost(fault, right, before, after):
        return Outcome.WORSE, f"these were right before: {_shown(harm, right, after)}"
    if fault.asks_doctor:
        if after.is_well and not is_now:
            return Outcome.HEALED, ""
        if after.is_well:
            return (
                Outcome.NO_CHANGE,
                f"the doctor calls it well, and these are wrong: {_shown(sorted(is_now), right, after)}",
            )
        if (
            len(is_now) < len(was)
            or before.causes[0] not in after.causes
            or (
                # Of one cause there may be several: its other command leads on, and whether it does is seen.
                after.causes[0] == before.causes[0] and after.first[1] not in ("", before.first[1])
            )
        ):
            return Outcome.NEARER, f"then: {', '.join(after.causes)}"
        why = f"{', '.join(after.causes)} as before; exit code {ended.code}: {(ended.err or ended.out)[-300:]}"
        return Outcome.NO_CHANGE, why
    # What sets this terminal right has not yet done what was wanted: typed again, it is done.
    last = ended if "eonpro-kms " in ended.command else after.ended
    if last.code == 0 and not is_now:
        return Outcome.HEALED, ""
    if is_now:
        return Outcome.NO_CHANGE, f"exit code {ended.code}, and these are wrong: {_shown(sorted(is_now), right, after)}"
    return Outcome.NO_CHANGE, f"exit code {ended.code}: {(ended.err or ended.out)[-300:]}"


def _shown(places: Sequence[str], right: Mapping[str, str], after: Look) -> str:
    """The places with what is there and what should be; of a mapping the differing parts alone."""
    found = []
    for place in places:
        there, wanted = after.facts.get(place), right.get(place)
        if there and wanted and there.startswith("{") and wanted.startswith("{"):
            mine, other = json.loads(there), json.loads(wanted)
            names = [name for name in {**mine, **other} if mine.get(name) != other.get(name)]
            there, wanted = (str({name: each.get(name) for name in names}) for each in (mine, other))
        found.append(f"{place} ({there}, not {wanted})"[:600])
    return ", ".join(found)


def _lost(fault: Fault, right: Mapping[str, str], before: Look, after: Look) -> list[str]:
    """Data keys that were there before the command and are not now, and others that came to be."""
    known = {*_data_keys(right), *_data_keys(before.facts)}
    found = [f"another data key in {place}" for place, key in _places(after.facts) if key not in known]
    found = [each for each in found if not each.removeprefix("another data key in ").startswith(fault.stays or "\0")]
    gone = {*_data_keys(before.facts)} & {*_data_keys(right)} - {*_data_keys(after.facts)}
    return found + ["a data key is nowhere any more"] * bool(gone)


def _places(facts: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for place, value in facts.items():
        if place.startswith("parameter ") and (place.endswith("ENCRYPTED_PHI_KEY") or "/data-keys/" in place):
            yield place, value


def _data_keys(facts: Mapping[str, str]) -> Iterator[str]:
    return (value for _, value in _places(facts))


Begins = Callable[[Fault], AbstractContextManager[Night]]
"""A night in a world for that fault, all well."""


def results(fault: Fault, begins: Begins) -> Iterator[Result]:
    """Every command that is printed for a fault, each run in a world of its own."""
    with begins(fault) as night:
        right, root = night.facts(), str(night.cloud.root)
        begun(night, fault)
        before = look(night, fault)
        printed = list(dict.fromkeys(printed_by(before.ended.document)))
        _is_in_the_text(night, fault, printed)
        yield _followed(night, fault, right, before, printed[0] if printed else None)
    for each in printed[1:]:
        with begins(fault) as night:
            right = night.facts()
            fault.do(night)
            # It names the files of the world that it was printed in.
            ended = night.paste(each.command.replace(root, str(night.cloud.root)))
            outcome, why = judged(fault, right, before, look(night, fault), ended)
            yield Result(
                fault=fault, printed=each, is_first=False, outcome=_advised(outcome, each), why=why, log=night.log
            )


def begun(night: Night, fault: Fault) -> None:
    """The fault is done; the person has at hand what a command may ask for."""
    runs = night.cloud.runs()["environment"] if fault.typed == IN_THE_APPLICATION else {}
    night.typed = runs.get(fault.typed, fault.typed) + "\n"
    fault.do(night)


def _followed(night: Night, fault: Fault, right: Mapping[str, str], before: Look, first: Printed | None) -> Result:
    """The first command, and then the first of each answer, until all is well."""
    if first is None:
        nothing = Printed(command="", advice="", cause=before.causes[0])
        if before.is_well and not wrong(before.facts, right, fault):
            why = "no command is needed: all is right, and the doctor says so"
            return Result(fault=fault, printed=nothing, is_first=True, outcome=Outcome.HEALED, why=why, log=night.log)
        is_advised = '"advice": "' in before.ended.out
        outcome = Outcome.ADVICE if is_advised else Outcome.NO_CHANGE
        why = "" if is_advised else f"nothing to type is printed: {before.ended.out[-600:]}{before.ended.err[-300:]}"
        return Result(fault=fault, printed=nothing, is_first=True, outcome=outcome, why=why, log=night.log)
    ended = night.paste(first.command)
    after = look(night, fault)
    outcome, why = judged(fault, right, before, after, ended)
    result = Result(
        fault=fault, printed=first, is_first=True, outcome=_advised(outcome, first), why=why, steps=1, log=night.log
    )
    while outcome is Outcome.NEARER:
        following = next(printed_by(after.ended.document), None)
        if following is None or result.steps == STEPS:
            result.steps = 0
            result.why += "; and nothing that is printed leads on"
            return result
        former, ended = after, night.paste(following.command)
        after = look(night, fault)
        outcome, why = judged(fault, right, former, after, ended)
        result.steps += 1
        result.why += f"; {following.command}: {outcome} {why}"
        if outcome is Outcome.WORSE:
            result.outcome = Outcome.WORSE
    if outcome is not Outcome.HEALED:
        result.steps = 0
    return result


def _advised(outcome: Outcome, printed: Printed) -> Outcome:
    return Outcome.ADVICE if outcome is Outcome.NO_CHANGE and printed.advice else outcome


def _is_in_the_text(night: Night, fault: Fault, printed: list[Printed]) -> None:
    """The text names the same commands, each on lines of its own."""
    words = (*fault.begin, *(("--quick",) if fault.asks_doctor and not fault.whole else ()))
    stack = () if "--stack" in words else ("--stack", "production")
    ended = night.wizard(*map(shlex.quote, words), *stack, "--non-interactive")
    for each in printed:
        assert each.command in ended.out + ended.err, f"the text has no {each.command!r}:\n{ended.out}{ended.err}"
