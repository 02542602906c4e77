"""The escrow of the data key: there, a wrapped key, the one that its tags speak of, and of the stack's KMS key.

Pure: reads through the evidence. No value is told; what mends an escrow puts back a version that is kept.
"""

from __future__ import annotations

from collections.abc import Iterator

from components.settings import SecretStore
from wizard.commands.backup.document import file_name_of
from wizard.commands.doctor import fixes
from wizard.commands.doctor.checks.principal import RESTART
from wizard.commands.doctor.context import CheckContext
from wizard.commands.doctor.diagnosis import Check, Finding, NotChecked, Passed, Told
from wizard.core.data_key import MalformedDataKey, WrappedDataKey
from wizard.core.errors import DataKeyConflict, SetupError
from wizard.core.models.account import KeyFact
from wizard.core.models.delivery import AppVariables, ChildResult, StoredDataKey
from wizard.core.models.diagnostics import FormerText
from wizard.targets.port import DeployTarget, deploy_targets

_LOST = "without it nothing delivers the data key again, and a new one would open no record"


def the_escrow(evidence: CheckContext) -> Iterator[Told]:
    """Whether the escrow holds the data key that its tags speak of, wrapped by the stack's key."""
    stored_data_key, name = evidence.stored_data_key, evidence.settings.names.stored_data_key
    if isinstance(stored_data_key, DataKeyConflict):
        yield _conflict(evidence, stored_data_key)
    elif isinstance(stored_data_key, SetupError):
        yield NotChecked.of(f"the escrow {name}", stored_data_key)
    elif stored_data_key is None:
        yield from _gone(evidence)
    elif (
        stored_data_key.key_arn is not None
        and evidence.key_arn is not None
        and stored_data_key.key_arn != evidence.key_arn
    ):
        yield _other_key(evidence, stored_data_key, stored_data_key.key_arn, evidence.key_arn)
    else:
        yield Passed(what=f"{name} holds the data key {stored_data_key.wrapped.fingerprint}")


def _gone(evidence: CheckContext) -> Iterator[Told]:
    name = evidence.settings.names.stored_data_key
    if evidence.outputs is None:
        return  # Nothing is built; or what is built is not known, and told so.
    kept = evidence.kept
    fingerprint = _on_vercel(evidence)
    version = next((each for each in _versions(kept) if fingerprint in (None, each)), None)
    if version is not None:
        command, then = _restore(evidence, version), ""
    elif fingerprint is None and not _was_delivered(evidence):
        yield Finding(
            cause="data-key-not-made",
            what=f"there is no data key yet in {name}",
            why="the stack is built, and no data key was made and delivered; the application would make its own",
            command=fixes.push(evidence),
        )
        return
    else:
        command = _from_backup(evidence, fingerprint)
        then = f"from where the backup of {fingerprint or 'the data key'} is, which the command backup wrote"
    yield Finding(
        cause="escrow-missing",
        what=f"the escrow {name} is gone",
        why=_LOST,
        command=command,
        then=then,
    )


def _versions(kept: frozenset[str] | SetupError) -> tuple[str, ...]:
    return () if isinstance(kept, SetupError) else tuple(sorted(kept))


def _on_vercel(evidence: CheckContext) -> str | None:
    """The fingerprint of the data key that production has, by value or comment."""
    found = evidence.on_vercel
    for each in () if found is None or isinstance(found, SetupError) else found:
        if each.name == "ENCRYPTED_PHI_KEY" and each.in_production:
            return _fingerprint(each.value) or each.claimed
    return None


def _was_delivered(evidence: CheckContext) -> bool:
    found = evidence.on_vercel
    if found is not None and not isinstance(found, SetupError) and found:
        return True
    stored = evidence.stored(evidence.settings.region)
    return isinstance(stored, SetupError) or bool(stored)


def _conflict(evidence: CheckContext, conflict: DataKeyConflict) -> Told:
    """The escrow holds no wrapped key, or another than its tag says."""
    name = evidence.settings.names.stored_data_key
    stored_key = evidence.once("seat", lambda: evidence.aws.key_rotation.stored_key(evidence.settings))
    if isinstance(stored_key, SetupError):
        return NotChecked.of(f"the escrow {name}", conflict)
    former = _former(evidence)
    if stored_key.wrapped is None:
        version = stored_key.told or next(reversed(former), None)
        return Finding(
            cause="escrow-malformed",
            what=f"{name} holds no wrapped data key: somebody wrote something else over it",
            why=f"{_LOST}; what runs now keeps its key until it is started anew",
            command=_back(evidence, version, former),
            then=RESTART,
        )
    if tuple(former) == (stored_key.wrapped.fingerprint,):
        return Finding(
            cause="escrow-tag-changed",
            what=f"the tag of {name} says {stored_key.told}, and it holds {stored_key.wrapped.fingerprint}, its only value so far",
            why="the value was never replaced, so the tag was; every delivery refuses until the two agree",
            command=_tag(evidence, stored_key.wrapped),
        )
    return Finding(
        cause="escrow-replaced",
        what=f"{name} holds the data key {stored_key.wrapped.fingerprint}, and its tag says {stored_key.told}",
        why="somebody wrote another data key over it; what it encrypts the right one does not open",
        command=_back(evidence, stored_key.told, former),
        then=RESTART,
    )


def former_data_key(evidence: CheckContext, now: WrappedDataKey) -> str:
    """What puts the data key back that the escrow had before this one; a backup, where it had no other."""
    former = _former(evidence)
    before = [name for name in former if name != now.fingerprint] or [
        name for name in _versions(evidence.kept) if name != now.fingerprint
    ]
    back = _back(evidence, before[-1] if before else None, former)
    if " restore " in back:
        return back
    # The store's own history has the value alone; the tags have to speak of it again.
    return f"{back} && {_tag(evidence, WrappedDataKey(value=former[before[-1]].text))}"


def _tag(evidence: CheckContext, wrapped: WrappedDataKey) -> str:
    name, pair = evidence.settings.names.stored_data_key, f"Key=eonpro:fingerprint,Value={wrapped.fingerprint}"
    if evidence.settings.secret_store is SecretStore.SECRETS_MANAGER:
        return fixes.aws(evidence, "secretsmanager", "tag-resource", "--secret-id", name, "--tags", pair)
    of = ("--resource-type", "Parameter", "--resource-id", name)
    return fixes.aws(evidence, "ssm", "add-tags-to-resource", *of, "--tags", pair)


def _former(evidence: CheckContext) -> dict[str, FormerText]:
    """What the escrow has had, by fingerprint, what it had last at the end, as far as the store keeps it."""
    name, store = evidence.settings.names.stored_data_key, evidence.settings.secret_store
    told = evidence.once("history", lambda: evidence.access_diagnostics.history(name, store))
    former: dict[str, FormerText] = {}
    for each in () if isinstance(told, SetupError) else told:
        if (fingerprint := _fingerprint(each.text)) is not None:
            # One that was put back counts from then on.
            former.pop(fingerprint, None)
            former[fingerprint] = each
    return former


def _fingerprint(value: str | None) -> str | None:
    try:
        return WrappedDataKey(value=value).fingerprint if value else None
    except MalformedDataKey:
        return None


def _from_backup(evidence: CheckContext, fingerprint: str | None) -> str:
    """What takes the data key out of its backup, by the name that `backup` gave it."""
    name = file_name_of(evidence.settings.environment, fingerprint) if fingerprint else "FILE"
    return fixes.wizard(evidence, "restore", "--from-backup", name, "--confirm", evidence.stack)


def _back(evidence: CheckContext, fingerprint: str | None, former: dict[str, FormerText]) -> str:
    """What puts that data key back: out of the ledger, out of the store's own history, out of a backup."""
    if fingerprint is None:
        return _from_backup(evidence, _on_vercel(evidence))
    kept = evidence.once("kept", lambda: evidence.aws.key_rotation.version(evidence.settings, fingerprint))
    if kept is not None:
        return _restore(evidence, fingerprint)
    if fingerprint not in former:
        return _from_backup(evidence, fingerprint)
    name, version = evidence.settings.names.stored_data_key, former[fingerprint].version
    if evidence.settings.secret_store is SecretStore.SECRETS_MANAGER:
        moved = ("--version-stage", "AWSCURRENT", "--move-to-version-id", version)
        current = [each.version for each in former.values() if each.version != version]
        away = ("--remove-from-version-id", current[-1]) if current else ()
        return fixes.aws(evidence, "secretsmanager", "update-secret-version-stage", "--secret-id", name, *moved, *away)
    # Through a file of the caller's own: the wrapped key is in no command line, and the AWS CLI reads it twice.
    wanted = f"Parameters[?Version==`{version}`].{{Name: Name, Value: Value, Type: Type}} | [0]"
    read = fixes.aws(
        evidence,
        *("ssm", "get-parameter-history", "--name", name, "--with-decryption", "--query", wanted, "--output", "json"),
    )
    write = fixes.aws(evidence, "ssm", "put-parameter", "--overwrite")
    return f'kept=$(mktemp) && {read} > "$kept" && {write} --cli-input-json "file://$kept" && rm "$kept"'


def _restore(evidence: CheckContext, fingerprint: str) -> str:
    words = ("--version", fingerprint, "--confirm", evidence.stack, fixes.anew(evidence))
    return fixes.wizard(evidence, "restore", *words)


def _other_key(evidence: CheckContext, stored_data_key: StoredDataKey, key_arn: str, wanted: str) -> Finding:
    return Finding(
        cause="escrow-of-another-key",
        what=f"the data key in {stored_data_key.parameter} is wrapped by {key_arn}, and the stack's key is {wanted}",
        why="the stack's key cannot open it: KMS answers IncorrectKeyException",
        command=fixes.wizard(evidence, "rotate", "--reencrypt", wanted, "--confirm", evidence.stack),
        then=RESTART,
    )


# --- the proof ----------------------------------------------------------------------------------------------------


def the_proof(evidence: CheckContext) -> Iterator[Told]:
    """Whether the application opens its data key: asked as the application, where its credentials can be had."""
    stored_data_key, key, settings = evidence.stored_data_key, evidence.key, evidence.settings
    if not isinstance(stored_data_key, StoredDataKey) or not isinstance(key, KeyFact):
        return
    batch = AppVariables(region=settings.region, key_arn=key.arn, wrapped=stored_data_key.wrapped)
    principals: dict[str, DeployTarget] = {}
    for target in deploy_targets(settings.deploy_targets):
        arn = evidence.outputs.principal_of(target.name) if evidence.outputs else settings.app_principal_arns[0]
        principals.setdefault(arn, target)
    for arn, target in principals.items():
        if (verdict := _verdict(evidence, arn, target, batch)) is None:
            continue  # What its policies say is told by the checks of the access.
        if isinstance(verdict, SetupError):
            yield NotChecked.of("the proof as the application", verdict)
        elif verdict.proved:
            yield Passed(what=f"as {verdict.principal}, the data key {verdict.fingerprint} opens")
        else:
            yield _failed(evidence, arn, verdict, batch)


def _verdict(
    evidence: CheckContext, arn: str, target: DeployTarget, batch: AppVariables
) -> ChildResult | SetupError | None:
    container_first = target.container_credentials_first
    search = evidence.once(
        f"credentials {arn}",
        lambda: evidence.aws.application_credentials.app_credentials(arn, container_first=container_first),
    )
    if isinstance(search, SetupError) or search.found is None:
        return None
    credentials = search.found
    # Nothing was made a moment ago that would have to settle: what is refused now is refused.
    return evidence.once(f"proof {arn}", lambda: evidence.clients.prover.prove(credentials, batch, retry_seconds=0))


_BY_VERDICT = {
    "WrongLength": "data-key-wrong-length",
    "WrongKey": "unwrap-failed",
    "InvalidCiphertext": "unwrap-failed",
    "AccessDenied": "access-denied",
}


def _failed(evidence: CheckContext, arn: str, verdict: ChildResult, batch: AppVariables) -> Finding:
    cause = _BY_VERDICT.get(verdict.cause, "proof-failed")
    denied = ("cloudtrail", "lookup-events", "--lookup-attributes", "AttributeKey=EventName,AttributeValue=Decrypt")
    look = fixes.aws(evidence, *denied, "--max-results", "10")
    if cause in ("data-key-wrong-length", "unwrap-failed"):
        look = former_data_key(evidence, batch.wrapped)
    return Finding(
        cause=cause,
        what=f"as {verdict.principal or arn}, the data key {batch.wrapped.fingerprint} does not open: {verdict.cause}",
        why=verdict.message,
        command=look,
        then=RESTART,
    )


ACCESS_CHECKS: tuple[Check, ...] = (
    the_proof,
    the_escrow,
)
