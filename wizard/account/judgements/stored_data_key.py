"""The checks of the stored data key: it exists, fits its tags and the stack's KMS key, and no version of it is lost.

Reads through the facts. No value is shown; the fixing commands restore a kept version.
"""

from collections.abc import Iterator, Sequence
from functools import partial

from components.settings import SecretStore
from wizard.account import fixes
from wizard.account.facts import StackFacts
from wizard.account.judgements.principal import RESTART
from wizard.account.notices import Judgement, Notice, judgement, needed
from wizard.core.data_key import MalformedDataKey, WrappedDataKey, read_from_application
from wizard.core.errors import DataKeyConflict, SetupError, known_or
from wizard.core.models.access import FormerText, VariableEntry
from wizard.core.models.delivery import StoredDataKey
from wizard.core.models.rotation import LastBackup, fingerprint_in
from wizard.core.next_command import NO_COMMAND, Command, Text, chain
from wizard.core.safe_text import quoted


def _lost(facts: StackFacts) -> str:
    value = facts.settings.names.value
    return f"without it the {value.noun} cannot be delivered again, and {value.anew}"


@judgement("data-key-stored")
def check_stored_data_key(facts: StackFacts) -> Iterator[Notice]:
    """Whether the stored data key is the one that its tags name, wrapped by the stack's key."""
    stored_data_key, name = facts.stored_data_key, facts.settings.names.stored_data_key
    if isinstance(stored_data_key, DataKeyConflict):
        yield _conflict(facts, stored_data_key)
    elif isinstance(stored_data_key, SetupError):
        yield Notice.unread(f"the stored data key {name}", stored_data_key)
    elif stored_data_key is None:
        yield from _missing(facts)
    elif stored_data_key.key_arn is not None and facts.key_arn is not None and stored_data_key.key_arn != facts.key_arn:
        yield _other_key(facts, stored_data_key, stored_data_key.key_arn, facts.key_arn)
    else:
        yield Notice.good(f"{name} is the {facts.settings.names.noun} {stored_data_key.wrapped.fingerprint}")


def _missing(facts: StackFacts) -> Iterator[Notice]:
    name = facts.settings.names.stored_data_key
    recovery = _recovery(facts)
    if recovery is None:
        yield Notice.wrong(
            "data-key-not-created",
            what=f"{name} has no {facts.settings.names.noun} yet",
            why=facts.settings.names.value.not_created,
            command=fixes.push(facts),
        )
        return
    yield Notice.wrong(
        "stored-key-missing",
        what=f"the stored {facts.settings.names.noun} {name} was deleted",
        why=_lost(facts),
        command=recovery[0],
        advice=recovery[1],
    )


def _recovery(facts: StackFacts) -> tuple[Command, str] | None:
    """The command and the advice for the first copy of the data key that exists; None where there never was one.

    In this order: its versions, a replica's Region, the history of the versions, the target, the last backup.
    """
    copy, in_use = facts.data_key_copy, _on_vercel(_vercel_variable(facts))
    if isinstance(copy, StoredDataKey):
        in_use = copy.wrapped.fingerprint
    versions = facts.versions
    candidates = [
        version.fingerprint
        for version in known_or(versions, ())
        if version.fingerprint == in_use or (in_use is None and version.was_current)
    ]
    if len(candidates) == 1:
        return _restore(facts, candidates[0]), ""
    if candidates:
        return fixes.eonpro(facts, "restore"), f"restore the one that the application has: {', '.join(candidates)}"
    if isinstance(copy, StoredDataKey):
        return fixes.push(facts), f"copies {in_use} back, which the Region of a replica has"
    command, advice = _elsewhere(facts, in_use)
    if command:
        return command, advice
    is_known = in_use or advice or isinstance(versions, SetupError)
    if not is_known and not _was_delivered(facts):
        return None
    return _from_application(facts), advice or (
        "no version and no backup is known: the running application has the only copy; take the value of "
        f"{facts.settings.names.variable} from its environment, and do not redeploy it before"
    )


def _elsewhere(facts: StackFacts, fingerprint: str | None) -> tuple[Command, str]:
    """The command and the advice for a copy of that data key, or of any, that is neither stored nor kept.

    In this order: the history of the versions, the target, the last backup; no command where there is none.
    """
    altered = facts.once("altered", lambda: facts.aws.key_rotation.altered(facts.settings))
    for entry in known_or(altered, ()):
        version, former = fingerprint_in(entry), _former(facts, entry)
        if version in former and fingerprint in (None, version):
            return _keep_lost(facts), "keeps the version again; then ask doctor again"
    variable = _vercel_variable(facts)
    shown = _fingerprint(variable.value) if variable else None
    if shown and fingerprint in (None, shown):
        return fixes.eonpro(facts, "restore", "--from-target", "--confirm", facts.stack), ""
    return fixes.from_backup(facts, fingerprint)


def _from_application(facts: StackFacts) -> Command:
    from_target = fixes.eonpro(facts, "restore", "--from-target", "--confirm", facts.stack)
    return chain(read_from_application(facts.settings.names.variable), from_target)


@judgement("data-key-stored")
def check_versions(facts: StackFacts) -> Iterator[Notice]:
    """Whether the data key is kept among its versions, and each version has the value that its name says."""
    stored, settings = facts.stored_data_key, facts.settings
    if not isinstance(stored, StoredDataKey):
        return  # Reported by check_stored_data_key.
    fingerprint, last = stored.wrapped.fingerprint, facts.last_backup
    # What was stored before, by the store's own history, and what was there at the last backup: not everybody may read
    # the history.
    known = {*(_former(facts) if stored.version > 1 else ())}
    # Of a value that somebody else stored there no version was lost: check_overwrites reports it.
    known = known - {fingerprint} if _is_foreign(facts, stored) else known | {fingerprint}
    known |= {*last.versions} if isinstance(last, LastBackup) else set()
    altered = facts.once("lost", lambda: facts.aws.key_rotation.altered(settings, known=known))
    lost = needed(f"the versions of {settings.names.stored_data_key}", altered)
    for entry in lost:
        yield _lost_version(facts, entry, fingerprint)
    if not lost:
        yield Notice.good(f"{fingerprint} is kept among the versions of the data key, and nobody replaced a version")


def _lost_version(facts: StackFacts, entry: str, in_use: str) -> Notice:
    fingerprint, last = fingerprint_in(entry), facts.last_backup
    command, advice = NO_COMMAND, ""
    if fingerprint == in_use:
        command, advice = _checked(facts, fingerprint), "the stored data key is a copy of it"
    elif fingerprint in {*_former(facts), *_former(facts, entry)}:
        command, advice = _keep_lost(facts), "the store's history has its value"
    elif isinstance(last, LastBackup) and fingerprint in (last.fingerprint, *last.versions):
        # Nothing that the backup has replaces the data key in use.
        command, advice = fixes.from_place(facts, last, "--versions-only")
    return Notice.wrong(
        "data-key-version-lost",
        what=f"{entry}, a version of the data key, does not exist, or somebody replaced its value",
        why="a record that is encrypted under a lost version can never be decrypted again",
        command=command,
        advice=advice or ("" if command else "no copy of it is known here: look for it in every backup"),
    )


@judgement("data-key-stored")
def check_overwrites(facts: StackFacts) -> Iterator[Notice]:
    """Whether somebody else has written to the stored data key, or to an entry of a version, and what is there now."""
    stored = facts.stored_data_key
    if not isinstance(stored, StoredDataKey):
        return  # Reported by check_stored_data_key.
    name, in_use = facts.settings.names.stored_data_key, stored.wrapped.fingerprint
    overwrites = stored.overwrites
    if overwrites is None:
        # An earlier version of this program replaced it, or somebody else did: the values that it had tell.
        overwrites = 0 if stored.version == 1 else _unexplained(facts)
    versions = [version for version in known_or(facts.versions, ()) if version.overwrites]
    if _is_foreign(facts, stored):
        yield Notice.wrong(
            "stored-key-replaced",
            what=f"{name} is the data key {in_use}, which somebody else wrote there; it is kept as no version",
            why="its tags fit, but nothing says that it opens the records: who stored it can have written the tags",
            command=restore_previous(facts, stored.wrapped),
            advice=RESTART,
        )
    elif overwrites:
        yield _overwritten(name, overwrites, _checked(facts, in_use))
    for version in versions:
        command = _checked(facts, in_use) if version.fingerprint == in_use else _keep_lost(facts)
        yield _overwritten(version.parameter, version.overwrites, command)
    if not overwrites and not versions:
        yield Notice.good(f"nobody but this program has written to {name}, or to a version of it")


def _is_foreign(facts: StackFacts, stored: StoredDataKey) -> bool:
    """Whether somebody else stored a data key that is kept as no version, and that this program did not write last."""
    if not stored.overwrites or not is_unknown(facts, stored.wrapped):
        return False
    written = str(stored.version - stored.overwrites)
    last = next((each.text for each in known_or(_history(facts), ()) if each.version == written), None)
    return _fingerprint(last) != stored.wrapped.fingerprint


def _unexplained(facts: StackFacts) -> int:
    """How many former values of the stored data key were no data key in use, or the same as the one before."""
    name = facts.settings.names.stored_data_key
    values = [_fingerprint(former.text) for former in needed(f"the former values of {name}", _history(facts))]
    ours = {version.fingerprint for version in known_or(facts.versions, ()) if version.was_current}
    return sum(value not in ours or value == before for before, value in zip([None, *values], values, strict=False))


def _overwritten(name: str, overwrites: int, command: Command) -> Notice:
    times = "once" if overwrites == 1 else f"{overwrites} times"
    return Notice.wrong(
        "stored-key-overwritten",
        what=f"somebody else has written to {name}, at least {times}; its value is right again",
        why="who can overwrite it can end it: a hundred values later the store's history has nothing else either",
        command=command,
        advice="checks it, and records that; the audit trail has who wrote it (PutParameter, PutSecretValue)",
    )


def _checked(facts: StackFacts, in_use: str) -> Command:
    """The command that stores the data key in use where it is not, and records that it was checked."""
    return fixes.eonpro(facts, "restore", "--version", in_use, "--confirm", facts.stack, "--no-redeploy")


def _vercel_variable(facts: StackFacts) -> VariableEntry | None:
    variables = facts.vercel_variables
    entries = () if variables is None or isinstance(variables, SetupError) else variables
    name = facts.settings.names.variable
    return next((entry for entry in entries if entry.name == name and entry.in_scope), None)


def _on_vercel(variable: VariableEntry | None) -> str | None:
    """The fingerprint of its data key, by its value or comment."""
    return (_fingerprint(variable.value) or variable.claimed) if variable else None


def _was_delivered(facts: StackFacts) -> bool:
    """Whether a target has the key, or for the data key any variable: they travel together."""
    variables, stored = facts.vercel_variables, facts.stored_values(facts.settings.region)
    if isinstance(stored, SetupError):
        return True
    names = {*stored, *(entry.name for entry in variables or ())} if isinstance(variables, tuple) else {*stored}
    value = facts.settings.names.value
    return value.variable in names if value.setting else bool(names)


def _conflict(facts: StackFacts, conflict: DataKeyConflict) -> Notice:
    """The finding about a value that is not a wrapped key, or is another data key than the tag names."""
    name = facts.settings.names.stored_data_key
    stored = facts.once("stored key", lambda: facts.aws.key_rotation.stored_key(facts.settings))
    if isinstance(stored, SetupError):
        # That it is wrong is known. What would put it back is not.
        is_malformed = isinstance(conflict.__cause__, MalformedDataKey)
        code = "stored-key-malformed" if is_malformed else "stored-key-replaced"
        return Notice.wrong(code, what=conflict.message, why=_lost(facts), hint=stored.hint)
    former = _former(facts)
    tagged = quoted(stored.tagged) if stored.tagged else "no data key"
    if stored.wrapped is None:
        version = stored.tagged or next(reversed(former), None)
        return Notice.wrong(
            "stored-key-malformed",
            what=f"the value of {name} is not a wrapped data key: somebody overwrote it",
            why=f"{_lost(facts)}; running instances keep their key until they restart",
            command=(back := _back(facts, version, former))[0],
            advice=_advice(facts, *back),
        )
    if _was_never_replaced(facts, stored.wrapped):
        return Notice.wrong(
            "stored-key-tag-changed",
            what=f"the tag of {name} names {tagged}, but its only value so far is {stored.wrapped.fingerprint}",
            why="the value was never replaced, so the tag was; every delivery is refused until they agree",
            command=_tag(facts, stored.wrapped),
        )
    return Notice.wrong(
        "stored-key-replaced",
        what=f"{name} is the data key {stored.wrapped.fingerprint}, but its tag names {tagged}",
        why="somebody overwrote it with another data key; the right one does not decrypt the records of that one",
        command=(back := _back(facts, stored.tagged, former))[0],
        advice=_advice(facts, *back),
    )


def _was_never_replaced(facts: StackFacts, wrapped: WrappedDataKey) -> bool:
    """Whether the store's history has this value alone, from its beginning: it drops the oldest of many."""
    history = known_or(_history(facts), ())
    is_numbered = facts.settings.secret_store is SecretStore.PARAMETER_STORE
    return [(_fingerprint(each.text), each.version if is_numbered else "1") for each in history] == [
        (wrapped.fingerprint, "1")
    ]


def restore_previous(facts: StackFacts, now: WrappedDataKey) -> Command:
    """The command that restores the data key before this one, or a backup if there was no other."""
    former = _former(facts)
    before = [name for name in former if name != now.fingerprint] or [
        name for name in sorted(known_or(facts.version_fingerprints, frozenset())) if name != now.fingerprint
    ]
    return _back(facts, before[-1] if before else None, former)[0]


def _tag(facts: StackFacts, wrapped: WrappedDataKey) -> Command:
    name, pair = facts.settings.names.stored_data_key, f"Key=eonpro:fingerprint,Value={wrapped.fingerprint}"
    if facts.settings.secret_store is SecretStore.SECRETS_MANAGER:
        return fixes.aws(facts, "secretsmanager", "tag-resource", "--secret-id", name, "--tags", pair)
    of = ("--resource-type", "Parameter", "--resource-id", name)
    return fixes.aws(facts, "ssm", "add-tags-to-resource", *of, "--tags", pair)


def _former(facts: StackFacts, name: str | None = None) -> dict[str, FormerText]:
    """The former values in the store's history, of the stored data key or that name, by fingerprint, newest last."""
    former: dict[str, FormerText] = {}
    for former_text in known_or(_history(facts, name), ()):
        if (fingerprint := _fingerprint(former_text.text)) is not None:
            # A restored value counts from the time of its restoration.
            former.pop(fingerprint, None)
            former[fingerprint] = former_text
    return former


def _history(facts: StackFacts, name: str | None = None) -> Sequence[FormerText] | SetupError:
    """The values of the stored data key, or of that name, that the store still has; newest last."""
    name, store = name or facts.settings.names.stored_data_key, facts.settings.secret_store
    return facts.once(f"history {name}", lambda: facts.access_diagnostics.history(name, store))


def _fingerprint(value: str | None) -> str | None:
    try:
        return WrappedDataKey(value=value).fingerprint if value else None
    except MalformedDataKey:
        return None


def _advice(facts: StackFacts, command: Command, advice: str) -> str:
    if command:
        return advice or RESTART
    return advice or Text(
        "no version of the data key is known here; restore it from a backup: ",
        fixes.eonpro(facts, "restore", "--from-backup", "FILE", "--confirm", facts.stack),
    )


def _back(facts: StackFacts, fingerprint: str | None, former: dict[str, FormerText]) -> tuple[Command, str]:
    """The command that restores that data key, and an advice.

    In this order: its version, the store's history, a replica's Region, and what `_elsewhere` has.
    """
    fingerprint = fingerprint or _on_vercel(_vercel_variable(facts))
    if fingerprint is not None:
        if any(version.fingerprint == fingerprint for version in known_or(facts.versions, ())):
            return _restore(facts, fingerprint), ""
        if fingerprint in former:
            return chain(_keep_lost(facts), _restore(facts, fingerprint)), ""
    for region in facts.outputs.replica_regions if facts.outputs else ():
        regional = facts.aws.with_region(region).key_rotation
        versions = facts.once(f"versions in {region}", partial(regional.versions, facts.settings))
        for version in known_or(versions, ()):
            if version.fingerprint == fingerprint or (fingerprint is None and version.current):
                return _restore(facts, version.fingerprint), f"{region} has a copy"
    return _elsewhere(facts, fingerprint)


def _keep_lost(facts: StackFacts) -> Command:
    """The command that keeps again what the store's history has of lost versions."""
    return fixes.eonpro(facts, "restore", "--versions-only")


def _restore(facts: StackFacts, fingerprint: str) -> Command:
    words = ("--version", fingerprint, "--confirm", facts.stack, fixes.redeploy_flag(facts))
    return fixes.eonpro(facts, "restore", *words)


def _other_key(facts: StackFacts, stored_data_key: StoredDataKey, key_arn: str, expected: str) -> Notice:
    return Notice.wrong(
        "stored-key-of-another-kms-key",
        what=f"the data key in {stored_data_key.parameter} is wrapped by {key_arn}, but the stack's key is {expected}",
        why="the stack's key cannot decrypt it: KMS returns IncorrectKeyException",
        command=fixes.eonpro(facts, "rotate", "--reencrypt", expected, "--confirm", facts.stack),
        advice=RESTART,
    )


def is_unknown(facts: StackFacts, wrapped: WrappedDataKey) -> bool:
    """Whether somebody else replaced the stored data key: only its plaintext shows whether it is a data key at all."""
    stored = facts.stored_data_key
    # The values of a secret have no numbers: its version is always 1.
    if isinstance(stored, StoredDataKey) and stored.version == 1 and not stored.overwrites:
        return False
    versions = facts.versions
    return isinstance(versions, SetupError) or not any(
        version.kept and version.fingerprint == wrapped.fingerprint for version in versions
    )


ACCESS_CHECKS: tuple[Judgement, ...] = (check_stored_data_key,)
OTHER_CHECKS: tuple[Judgement, ...] = (check_versions, check_overwrites)
