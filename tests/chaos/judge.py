"""What a history came to, judged by the account itself: never by what a command said.

Reads the account and the record that the world's server kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tests.chaos.commands import LOGS, PHI, Command, active_keys, stored
from tests.chaos.world import ENDLESS, Run, World

REPLACING = (
    "rotate --promote",
    "rotate --reencrypt",
    "restore --version",
    "restore --from-backup",
    "adopt --encryption-key",
)
COLUMNS = ("duplicated", "overwritten", "leaked", "wrong")


@dataclass(kw_only=True)
class Verdict:
    """What is wrong, by column; a history with nothing in it converged."""

    history: str
    not_converged: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    overwritten: list[str] = field(default_factory=list)
    leaked: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """Exit code 0, and the account is not what the command promises."""
    outputs: list[str] = field(default_factory=list, repr=False)
    """What the runs printed, for whoever reads a failure."""

    @property
    def failed(self) -> bool:
        """Whether anything is wrong."""
        return bool(self.not_converged or any(getattr(self, column) for column in COLUMNS))


class Judge:
    """One history: told of each run, it says in the end what the history came to."""

    def __init__(self, history: str, world: World, template: Mapping[str, Any]) -> None:
        self.world, self.template = world, template
        self.verdict = Verdict(history=history)
        self.allowed = {"data keys": 0, "rotations": 0}
        """What the confirmations since the template allow."""
        self.by_hand = False
        """Whether a person deleted something: what a data key may be made for is then a matter of what is left."""
        self.faults: list[str] = []

    def about_to_run(self, command: Command, *, again: bool = False) -> None:
        """A confirmation is given; the same command again, after one that was killed, makes no other data key."""
        self.allowed["data keys"] += 0 if again else command.new_keys
        self.allowed["rotations"] += command.name == "rotate-cmk"

    def ended(self, command: Command, run: Run, *, before: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        """A run ended: where it says that all is well, the account says so too, beside what it was `before`."""
        account = self.world.account()
        self.faults += account["faults"]
        if run.code in (0, *command.done) and not run.was_killed and run.code == 0:
            wrong = command.check(self.world, account, before or self.template)
            self.verdict.wrong += [f"{command.name} ended with 0: {each}" for each in wrong]
        # With --debug the causes of an error are part of what was asked for.
        if "Traceback (most recent call last)" in run.output and "--debug" not in run.arguments:
            self.verdict.not_converged.append(f"{command.name} ended with a traceback")
        if run.code == ENDLESS:
            self.verdict.not_converged.append(f"{command.name} did not end")
        if any(ord(character) < 32 and character not in "\n\r\t" for character in run.output):
            self.verdict.not_converged.append(f"{command.name} sent a raw control character to the terminal")
        return account

    def both_ended(self, commands: Sequence[Command], runs: Sequence[Run], *, among: Sequence[Command] = ()) -> None:
        """Runs ended that were, or are `among`, a race: each promise that the others were not made to change holds."""
        for command, run in zip(commands, runs, strict=True):
            others = [each for each in among or commands if each is not command]
            is_changed = any(each.replaces or each.new_keys for each in others)
            self.ended(replace(command, check=stored) if is_changed else command, run)

    def converged(self, command: Command, run: Run) -> None:
        """The command was run without a fault: it has to have ended well."""
        if run.code not in command.done:
            self.verdict.not_converged.append(f"{command.name} ended with {run.code} when nothing failed any more")

    def sentence(self) -> Verdict:
        """What the history came to."""
        account, verdict = self.world.account(), self.verdict
        verdict.duplicated += self._duplicated(account)
        verdict.overwritten += self._overwritten(account)
        verdict.leaked += self.world.leaks(account)
        verdict.outputs += [f"$ {' '.join(run.arguments)} [{run.code}]\n{run.output}" for run in self.world.runs]
        verdict.outputs.append(f"faults: {self.faults}")
        return verdict

    def _duplicated(self, account: Mapping[str, Any]) -> list[str]:
        before, now = (_stored(each["events"]) for each in (self.template, account))
        found = _made_beside_another(account["events"][len(self.template["events"]) :], self.template)
        if len(now - before) > self.allowed["data keys"] and not self.by_hand:
            found.append(f"{len(now - before)} data keys were stored: {sorted(now - before)}")
        for description in (PHI, LOGS):
            # A replica has the id of its primary.
            if len({key["id"] for key in account["keys"] if key["description"] == description}) > 1:
                found.append(f"two KMS keys: {description}")
        rotations = [_count(each["events"], "kms:RotateKeyOnDemand") for each in (self.template, account)]
        if rotations[1] - rotations[0] > self.allowed["rotations"]:
            found.append(f"{rotations[1] - rotations[0]} rotations")
        active = active_keys(account)
        holders = {account["deployed"].get("AWS_ACCESS_KEY_ID"), *active_keys(self.template)}
        if any(key not in holders for key in active):
            found.append(f"access keys that nobody holds: {sorted({*active} - holders)}")
        return found

    def _overwritten(self, account: Mapping[str, Any]) -> list[str]:
        events: Sequence[Mapping[str, Any]] = account["events"][len(self.template["events"]) :]
        found, by_hand = [], set()
        for event in events:
            what, old, new = event["what"], event["old"], event["new"]
            if event["who"] == "hand":
                by_hand.add(old)
            elif old is None or old == new:
                continue
            elif is_stored(what) and not event["who"].startswith(REPLACING):
                found.append(f"{event['who']} replaced the stored data key {old} by {new}")
            elif is_version(what):
                found.append(f"{event['who']} replaced the version {what} ({old}) by {new}")
        kept = {*account["dataKeys"].values()}
        found += [f"the data key {key} is nowhere any more" for key in _stored(account["events"]) - kept - by_hand]
        return found


def is_stored(place: str) -> bool:
    """Whether it is the stored data key of a Region."""
    return place.endswith("/eonpro/production/ENCRYPTED_PHI_KEY")


def is_version(place: str) -> bool:
    """Whether it is a version of the data key, in any Region."""
    return "/eonpro/production/data-keys/" in place


def _stored(events: Sequence[Mapping[str, Any]]) -> set[str]:
    """Every data key that was ever stored, as a version or as the stored one."""
    return {
        event["new"] for event in events if event["new"] and (is_stored(event["what"]) or is_version(event["what"]))
    }


def _made_beside_another(events: Sequence[Mapping[str, Any]], template: Mapping[str, Any]) -> list[str]:
    """Data keys that a set-up or a delivery made although one was known: a version, the stored one, a variable."""
    places = dict(template["dataKeys"])
    if key := template["deployedKey"]:
        places["vercel/ENCRYPTED_PHI_KEY"] = key
    ever, found = {*places.values()}, []
    for event in events:
        what, new = event["what"], event["new"]
        if not (is_stored(what) or is_version(what) or what == "vercel/ENCRYPTED_PHI_KEY"):
            continue
        if new and new not in ever and event["who"].startswith(("setup", "push")) and places:
            found.append(f"{event['who']} made the data key {new} beside {sorted({*places.values()})}")
        ever.add(new)
        places.pop(what, None)
        if new:
            places[what] = new
    return found


def _count(events: Sequence[Mapping[str, Any]], what: str) -> int:
    return sum(event["what"] == what for event in events)
