"""The checks of the last backup: it is of the key in use, it is where the account records it, and a drill opened it.

Reads through the facts.
"""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from wizard.account import fixes
from wizard.account.facts import StackFacts
from wizard.account.notices import Judgement, Notice, State, judgement, needed
from wizard.core.errors import SetupError, UsageError
from wizard.core.models.delivery import StoredDataKey
from wizard.core.models.rotation import S3, LastBackup, file_name_of
from wizard.core.next_command import Command
from wizard.core.safe_text import quoted
from wizard.data_key.backup_document import NotOnThisMachine


@judgement("data-key-backup")
def check_backup(facts: StackFacts) -> Iterator[Notice]:
    """Whether the last backup has the key in use, is recent and still at its place, and was opened in a drill."""
    stored = facts.stored_data_key
    if not isinstance(stored, StoredDataKey):
        why = stored.message if isinstance(stored, SetupError) else f"no {facts.settings.names.noun} is stored"
        yield Notice.unknown(f"whether the last backup has the {facts.settings.names.noun} in use", why)
        return
    settings, noun, fingerprint = facts.settings, facts.settings.names.noun, stored.wrapped.fingerprint
    again = fixes.eonpro(facts, "backup", "--to", file_name_of(settings.application, settings.environment, fingerprint))
    last = needed(f"the last backup of the {noun}", facts.last_backup)
    if last is None:
        yield Notice.person(f"the account records no backup of the {noun}", command=again)
        return
    made, longest = f"the {noun} was backed up {last.age(facts.at)}", timedelta(days=settings.backup_max_age_days)
    if last.fingerprint != fingerprint:
        yield Notice.person(f"the last backup has the {noun} {last.fingerprint}, not {fingerprint}", command=again)
        return
    found = _at_its_place(facts, last, made)
    is_old = facts.at - last.at > longest and found.state is State.GOOD
    yield Notice.person(f"{made}, more than {longest.days} days", command=again) if is_old else found


@judgement("data-key-backup")
def check_drill(facts: StackFacts) -> Iterator[Notice]:
    """Whether a drill has opened the last backup of the data key as the application, and recently enough."""
    last = facts.last_backup
    if not isinstance(last, LastBackup):
        return  # Reported by check_backup.
    drill = needed("the last restore drill", facts.last_drill)
    command = fixes.eonpro(facts, "backup", action="drill")
    longest = timedelta(days=facts.settings.backup_max_age_days)
    if drill is None or (drill.fingerprint, drill.place) != (last.fingerprint, last.place):
        yield Notice.person("no drill has opened the last backup", command=command)
    elif not drill.opened:
        yield Notice.person(f"a drill on {drill.at:%Y-%m-%d} could not open the last backup", command=command)
    elif facts.at - drill.at > longest:
        tried = f"a drill on {drill.at:%Y-%m-%d} opened the last backup"
        yield Notice.person(f"{tried}, more than {longest.days} days ago", command=command)
    else:
        opened = f"a drill on {drill.at:%Y-%m-%d} opened the last backup"
        yield Notice.good(f"{opened} as {drill.principal} in {drill.seconds:.1f} s")


def _at_its_place(facts: StackFacts, last: LastBackup, made: str) -> Notice:
    """Whether the backup that the account records can be read, and has the key."""
    noun, place, fingerprint = facts.settings.names.noun, quoted(last.place_text), facts.backed_up
    if isinstance(fingerprint, NotOnThisMachine):
        return Notice.person(f"{made} to {place}, which is not on this machine: whether it is still there is not known")
    if isinstance(fingerprint, SetupError):
        # No message names a folder of a machine: a report has it too.
        why = fingerprint.message.replace(last.place.partition(":")[2], last.place_text)
        if isinstance(fingerprint, UsageError):
            return _unusable(facts, last, why)
        # Whoever looks at the account need not have access to its backups.
        return Notice.person(f"{made}; the backup {place} cannot be read from here: {why}")
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


def _again(facts: StackFacts, last: LastBackup, *, beside: bool = False) -> Command:
    """The command that makes the backup again, in the same place or beside what is there."""
    where, _, name = last.place.partition(":")
    if not last.place.startswith(S3) and name.startswith(facts.settings.names.parameter_prefix):
        # A value in a store has one name: what is there instead of the copy has to stay.
        file = file_name_of(facts.settings.application, facts.settings.environment, last.fingerprint)
        return fixes.eonpro(facts, "backup", *(("--to", file) if beside else ("--to-region", where)))
    place = last.place if last.place.startswith(S3) else name
    if beside:
        ending = Path(name).suffix
        place = f"{place.removesuffix(ending)}-{facts.sources.now():%Y%m%d}{ending}"
    return fixes.eonpro(facts, "backup", "--to", place)


OTHER_CHECKS: tuple[Judgement, ...] = (check_backup, check_drill)
