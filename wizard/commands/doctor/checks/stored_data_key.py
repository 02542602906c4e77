"""The stored data key of the data key: there, a wrapped key, the one that its tags speak of, and of the stack's KMS key.

Pure: reads through the context. No value is told; what mends a stored data key puts back a version that is kept.
"""

from __future__ import annotations

from collections.abc import Iterator

from components.settings import SecretStore
from wizard.commands.backup.document import file_name_of
from wizard.commands.doctor import context as fixes
from wizard.commands.doctor.checks.principal import RESTART
from wizard.commands.doctor.context import CheckContext
from wizard.commands.doctor.diagnosis import Check, CheckResult, Finding, NotChecked, Passed
from wizard.core.data_key import MalformedDataKey, WrappedDataKey
from wizard.core.errors import DataKeyConflict, SetupError
from wizard.core.models.access import FormerText
from wizard.core.models.account import KeyFact
from wizard.core.models.delivery import AppVariables, ChildResult, StoredDataKey
from wizard.targets.port import DeployTarget, deploy_targets

_LOST = "without it nothing delivers the data key again, and a new one would open no record"


def check_stored_data_key(context: CheckContext) -> Iterator[CheckResult]:
    """Whether the stored data key holds the data key that its tags speak of, wrapped by the stack's key."""
    stored_data_key, name = context.stored_data_key, context.settings.names.stored_data_key
    if isinstance(stored_data_key, DataKeyConflict):
        yield _conflict(context, stored_data_key)
    elif isinstance(stored_data_key, SetupError):
        yield NotChecked.of(f"the stored data key {name}", stored_data_key)
    elif stored_data_key is None:
        yield from _missing(context)
    elif (
        stored_data_key.key_arn is not None
        and context.key_arn is not None
        and stored_data_key.key_arn != context.key_arn
    ):
        yield _other_key(context, stored_data_key, stored_data_key.key_arn, context.key_arn)
    else:
        yield Passed(what=f"{name} holds the data key {stored_data_key.wrapped.fingerprint}")


def _missing(context: CheckContext) -> Iterator[CheckResult]:
    name = context.settings.names.stored_data_key
    if context.outputs is None:
        return  # Nothing is built; or what is built is not known, and told so.
    fingerprints = context.version_fingerprints
    fingerprint = _on_vercel(context)
    version = next((each for each in _versions(fingerprints) if fingerprint in (None, each)), None)
    if version is not None:
        command, advice = _restore(context, version), ""
    elif fingerprint is None and not _was_delivered(context):
        yield Finding(
            cause="data-key-not-created",
            what=f"there is no data key yet in {name}",
            why="the stack is built, and no data key was made and delivered; the application would make its own",
            command=fixes.push(context),
        )
        return
    else:
        command = _from_backup(context, fingerprint)
        advice = f"run it in the folder with the backup of {fingerprint}" if command else _backup_advice(context)
    yield Finding(
        cause="stored-key-missing",
        what=f"the stored data key {name} is gone",
        why=_LOST,
        command=command,
        advice=advice,
    )


def _versions(fingerprints: frozenset[str] | SetupError) -> tuple[str, ...]:
    return () if isinstance(fingerprints, SetupError) else tuple(sorted(fingerprints))


def _on_vercel(context: CheckContext) -> str | None:
    """The fingerprint of the data key that production has, by value or comment."""
    variables = context.vercel_variables
    for variable in () if variables is None or isinstance(variables, SetupError) else variables:
        if variable.name == "ENCRYPTED_PHI_KEY" and variable.in_production:
            return _fingerprint(variable.value) or variable.claimed
    return None


def _was_delivered(context: CheckContext) -> bool:
    variables = context.vercel_variables
    if variables is not None and not isinstance(variables, SetupError) and variables:
        return True
    stored = context.stored_values(context.settings.region)
    return isinstance(stored, SetupError) or bool(stored)


def _conflict(context: CheckContext, conflict: DataKeyConflict) -> CheckResult:
    """The stored data key holds no wrapped key, or another than its tag says."""
    name = context.settings.names.stored_data_key
    stored = context.once("seat", lambda: context.aws.key_rotation.stored_key(context.settings))
    if isinstance(stored, SetupError):
        return NotChecked.of(f"the stored data key {name}", conflict)
    former = _former(context)
    if stored.wrapped is None:
        version = stored.tagged or next(reversed(former), None)
        return Finding(
            cause="stored-key-malformed",
            what=f"{name} holds no wrapped data key: somebody wrote something else over it",
            why=f"{_LOST}; running instances keep their key until they restart",
            command=(command := _back(context, version, former)),
            advice=RESTART if command else _backup_advice(context),
        )
    if tuple(former) == (stored.wrapped.fingerprint,):
        return Finding(
            cause="stored-key-tag-changed",
            what=f"the tag of {name} says {stored.tagged}, and it holds {stored.wrapped.fingerprint}, its only value so far",
            why="the value was never replaced, so the tag was; every delivery refuses until the two agree",
            command=_tag(context, stored.wrapped),
        )
    return Finding(
        cause="stored-key-replaced",
        what=f"{name} holds the data key {stored.wrapped.fingerprint}, and its tag says {stored.tagged}",
        why="somebody wrote another data key over it; what it encrypts the right one does not open",
        command=(command := _back(context, stored.tagged, former)),
        advice=RESTART if command else _backup_advice(context),
    )


def restore_previous(context: CheckContext, now: WrappedDataKey) -> str:
    """What puts the data key back that the stored data key had before this one; a backup, where it had no other."""
    former = _former(context)
    before = [name for name in former if name != now.fingerprint] or [
        name for name in _versions(context.version_fingerprints) if name != now.fingerprint
    ]
    back = _back(context, before[-1] if before else None, former)
    if not back or " restore " in back:
        return back
    # The store's own history has the value alone; the tags have to speak of it again.
    return f"{back} && {_tag(context, WrappedDataKey(value=former[before[-1]].text))}"


def _tag(context: CheckContext, wrapped: WrappedDataKey) -> str:
    name, pair = context.settings.names.stored_data_key, f"Key=eonpro:fingerprint,Value={wrapped.fingerprint}"
    if context.settings.secret_store is SecretStore.SECRETS_MANAGER:
        return fixes.aws(context, "secretsmanager", "tag-resource", "--secret-id", name, "--tags", pair)
    of = ("--resource-type", "Parameter", "--resource-id", name)
    return fixes.aws(context, "ssm", "add-tags-to-resource", *of, "--tags", pair)


def _former(context: CheckContext) -> dict[str, FormerText]:
    """What the stored data key has had, by fingerprint, what it had last at the end, as far as the store keeps it."""
    name, store = context.settings.names.stored_data_key, context.settings.secret_store
    history = context.once("history", lambda: context.access_diagnostics.history(name, store))
    former: dict[str, FormerText] = {}
    for former_text in () if isinstance(history, SetupError) else history:
        if (fingerprint := _fingerprint(former_text.text)) is not None:
            # One that was put back counts from then on.
            former.pop(fingerprint, None)
            former[fingerprint] = former_text
    return former


def _fingerprint(value: str | None) -> str | None:
    try:
        return WrappedDataKey(value=value).fingerprint if value else None
    except MalformedDataKey:
        return None


def _from_backup(context: CheckContext, fingerprint: str | None) -> str:
    """The command that restores the data key from its backup, by the file's default name; empty for no fingerprint."""
    if fingerprint is None:
        return ""
    name = file_name_of(context.settings.environment, fingerprint)
    return fixes.wizard(context, "restore", "--from-backup", name, "--confirm", context.stack)


def _backup_advice(context: CheckContext) -> str:
    command = fixes.wizard(context, "restore", "--from-backup", "FILE", "--confirm", context.stack)
    return f"no version of the data key is known here; restore it from a backup: {command}"


def _back(context: CheckContext, fingerprint: str | None, former: dict[str, FormerText]) -> str:
    """What puts that data key back: out of the ledger, out of the store's own history, out of a backup."""
    if fingerprint is None:
        return _from_backup(context, _on_vercel(context))
    stored_version = context.once("kept", lambda: context.aws.key_rotation.version(context.settings, fingerprint))
    if stored_version is not None:
        return _restore(context, fingerprint)
    if fingerprint not in former:
        return _from_backup(context, fingerprint)
    name, version = context.settings.names.stored_data_key, former[fingerprint].version
    if context.settings.secret_store is SecretStore.SECRETS_MANAGER:
        moved = ("--version-stage", "AWSCURRENT", "--move-to-version-id", version)
        current = [each.version for each in former.values() if each.version != version]
        away = ("--remove-from-version-id", current[-1]) if current else ()
        return fixes.aws(context, "secretsmanager", "update-secret-version-stage", "--secret-id", name, *moved, *away)
    # Through a file of the caller's own: the wrapped key is in no command line, and the AWS CLI reads it twice.
    query = f"Parameters[?Version==`{version}`].{{Name: Name, Value: Value, Type: Type}} | [0]"
    read = fixes.aws(
        context,
        *("ssm", "get-parameter-history", "--name", name, "--with-decryption", "--query", query, "--output", "json"),
    )
    write = fixes.aws(context, "ssm", "put-parameter", "--overwrite")
    return f'version=$(mktemp) && {read} > "$version" && {write} --cli-input-json "file://$version" && rm "$version"'


def _restore(context: CheckContext, fingerprint: str) -> str:
    words = ("--version", fingerprint, "--confirm", context.stack, fixes.redeploy_flag(context))
    return fixes.wizard(context, "restore", *words)


def _other_key(context: CheckContext, stored_data_key: StoredDataKey, key_arn: str, expected: str) -> Finding:
    return Finding(
        cause="stored-key-of-another-kms-key",
        what=f"the data key in {stored_data_key.parameter} is wrapped by {key_arn}, and the stack's key is {expected}",
        why="the stack's key cannot open it: KMS answers IncorrectKeyException",
        command=fixes.wizard(context, "rotate", "--reencrypt", expected, "--confirm", context.stack),
        advice=RESTART,
    )


# --- the proof ----------------------------------------------------------------------------------------------------


def check_decryption(context: CheckContext) -> Iterator[CheckResult]:
    """Whether the application opens its data key: asked as the application, where its credentials can be had."""
    stored_data_key, key, settings = context.stored_data_key, context.key, context.settings
    if not isinstance(stored_data_key, StoredDataKey) or not isinstance(key, KeyFact):
        return
    variables = AppVariables(region=settings.region, key_arn=key.arn, wrapped=stored_data_key.wrapped)
    principals: dict[str, DeployTarget] = {}
    for target in deploy_targets(settings.deploy_targets):
        arn = context.outputs.principal_of(target.name) if context.outputs else settings.app_principal_arns[0]
        principals.setdefault(arn, target)
    for arn, target in principals.items():
        if (result := _verdict(context, arn, target, variables)) is None:
            continue  # What its policies say is told by the checks of the access.
        if isinstance(result, SetupError):
            yield NotChecked.of("the proof as the application", result)
        elif result.proved:
            yield Passed(what=f"as {result.principal}, the data key {result.fingerprint} opens")
        else:
            yield _failed(context, arn, result, variables)


def _verdict(
    context: CheckContext, arn: str, target: DeployTarget, variables: AppVariables
) -> ChildResult | SetupError | None:
    container_first = target.container_credentials_first
    search = context.once(
        f"credentials {arn}",
        lambda: context.aws.application_credentials.app_credentials(arn, container_first=container_first),
    )
    if isinstance(search, SetupError) or search.credentials is None:
        return None
    credentials = search.credentials
    # Nothing was made a moment ago that would have to settle: what is refused now is refused.
    return context.once(f"proof {arn}", lambda: context.clients.prover.prove(credentials, variables, retry_seconds=0))


_BY_VERDICT = {
    "WrongLength": "data-key-wrong-length",
    "WrongKey": "unwrap-failed",
    "InvalidCiphertext": "unwrap-failed",
    "AccessDenied": "access-denied",
}


def _failed(context: CheckContext, arn: str, result: ChildResult, variables: AppVariables) -> Finding:
    cause = _BY_VERDICT.get(result.cause, "proof-failed")
    denied = ("cloudtrail", "lookup-events", "--lookup-attributes", "AttributeKey=EventName,AttributeValue=Decrypt")
    command = fixes.aws(context, *denied, "--max-results", "10")
    if cause in ("data-key-wrong-length", "unwrap-failed"):
        command = restore_previous(context, variables.wrapped)
    return Finding(
        cause=cause,
        what=f"as {result.principal or arn}, the data key {variables.wrapped.fingerprint} does not open: {result.cause}",
        why=result.message,
        command=command,
        advice=RESTART,
    )


ACCESS_CHECKS: tuple[Check, ...] = (
    check_decryption,
    check_stored_data_key,
)
