"""The check of the last backup: it is of the key in use, and it is where the account records it.

Reads through the facts.
"""

from collections.abc import Iterator
from pathlib import Path

from wizard.account import fixes
from wizard.account.facts import StackFacts
from wizard.account.notices import Judgement, Notice, judgement
from wizard.core.errors import SetupError, UsageError
from wizard.core.models.delivery import StoredDataKey
from wizard.core.models.rotation import S3, LastBackup, file_name_of
from wizard.core.safe_text import quoted
from wizard.data_key.last_backup import NotOnThisMachine


@judgement("data-key-backup")
def check_backup(facts: StackFacts) -> Iterator[Notice]:
    """How old the last backup is, whether it has the key in use, and whether it is still at its place."""
    last, stored = facts.last_backup, facts.stored_data_key
    if not isinstance(stored, StoredDataKey):
        return  # Reported by check_stored_data_key.
    noun, name = facts.settings.names.noun, file_name_of(facts.settings.environment, stored.wrapped.fingerprint)
    command = fixes.wizard(facts, "backup", "--to", name)
    if isinstance(last, SetupError):
        yield Notice.person(f"the last backup of the {noun}: {last.message}")
    elif last is None:
        yield Notice.person(f"a backup of the {noun}: the account records none; make one: {command}")
    elif last.fingerprint != stored.wrapped.fingerprint:
        yield Notice.person(f"a backup of {stored.wrapped.fingerprint}: the last one has {last.fingerprint}; {command}")
    else:
        yield _at_its_place(facts, last)


def _at_its_place(facts: StackFacts, last: LastBackup) -> Notice:
    """Whether the backup that the account records can be read, and has the key."""
    noun, place = facts.settings.names.noun, quoted(last.place)
    made, fingerprint = f"the {noun} was backed up {last.age(facts.sources.now())}", facts.backed_up
    if isinstance(fingerprint, NotOnThisMachine):
        return Notice.person(f"{made}; whether the backup is still there is not known: {fingerprint.message}")
    if isinstance(fingerprint, UsageError):
        return _unusable(facts, last, fingerprint.message)
    if isinstance(fingerprint, SetupError):
        # Whoever looks at the account need not have access to its backups.
        return Notice.person(f"{made}; the backup {place} cannot be read from here: {fingerprint.message}")
    if fingerprint is None:
        return Notice.wrong(
            "backup-missing",
            what=f"the last backup of the {noun}, {place}, does not exist",
            why="without it a lost data key could not be restored; every record that it encrypts would be lost",
            command=_again(facts, last),
            advice="if it was moved, the same command with its new place records that place",
        )
    if fingerprint != last.fingerprint:
        return _unusable(facts, last, f"{place} holds {fingerprint}, but the account records {last.fingerprint}")
    return Notice.good(f"{made}: {place}")


def _unusable(facts: StackFacts, last: LastBackup, why: str) -> Notice:
    return Notice.wrong(
        "backup-unusable",
        what=f"the last backup of the {facts.settings.names.noun} cannot be used: {why}",
        why="without it a lost data key could not be restored; every record that it encrypts would be lost",
        command=_again(facts, last, beside=True),
        advice="it is made beside the other: a backup overwrites nothing",
    )


def _again(facts: StackFacts, last: LastBackup, *, beside: bool = False) -> str:
    """The command that makes the backup again, in the same place or beside what is there."""
    where, _, name = last.place.partition(":")
    if not last.place.startswith(S3) and name.startswith(facts.settings.names.parameter_prefix):
        # A value in a store has one name: what is there instead of the copy has to stay.
        file = file_name_of(facts.settings.environment, last.fingerprint)
        return fixes.wizard(facts, "backup", *(("--to", file) if beside else ("--to-region", where)))
    place = last.place if last.place.startswith(S3) else name
    if beside:
        ending = Path(name).suffix
        place = f"{place.removesuffix(ending)}-{facts.sources.now():%Y%m%d-%H%M%S}{ending}"
    return fixes.wizard(facts, "backup", "--to", place)


OTHER_CHECKS: tuple[Judgement, ...] = (check_backup,)
