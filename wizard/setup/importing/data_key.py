"""The data key of a manual set-up: which one the application uses, and whether the stack can import it.

`verify_before_storing` decrypts as the application; everything else is pure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from components.settings import DATA_KEY_VARIABLE, Outputs, ResourceKind, Settings, Target
from components.settings.arn import Arn
from wizard.core.data_key import WrappedDataKey, input_variable
from wizard.core.errors import DataKeyConflict, Problem, SetupError, attempted
from wizard.core.models.account import DiscoveredDataKey, DiscoveredSetup
from wizard.core.models.delivery import StoredDataKey
from wizard.core.next_command import Text, shell
from wizard.data_key import opening
from wizard.setup.importing.obstacles import OTHER_ENVIRONMENT
from wizard.targets.port import deploy_target

if TYPE_CHECKING:
    from wizard.aws.client import AwsClient
    from wizard.data_key.verification import DecryptVerifier

DATA_KEY_INPUT_VARIABLE = input_variable(DATA_KEY_VARIABLE)

NONE_YET = "none"
"""Entered instead of a data key: the application never had one under this key."""


def data_key_obstacle(
    data_key: DiscoveredDataKey,
    discovered: DiscoveredSetup,
    stored_data_key: StoredDataKey | None,
    *,
    entered: WrappedDataKey | None = None,
) -> Problem | None:
    """Why the application's data key cannot become the stack's; None where it can, or where there is none.

    `entered`: the value that a person typed, or the environment variable EONPRO_ENCRYPTED_PHI_KEY.
    """
    application_key = data_key.wrapped or entered
    if two := _two_data_keys(data_key, discovered, entered):
        return two
    if stored_data_key is not None:
        return _conflict_with_stored(application_key, discovered, stored_data_key)
    if not data_key.exists and entered is None:
        return None
    if discovered.key is None:
        return _without_key(data_key)
    if data_key.key_arn is not None and not _names(data_key.key_arn, discovered):
        return Problem(
            what=f"AWS_KMS_KEY_ID on Vercel names {data_key.key_arn}, and the alias points to {discovered.key.arn}",
            why=f"{DATA_KEY_VARIABLE} on Vercel is wrapped by the first key, and the second cannot decrypt it",
            next=_use(discovered, data_key.key_arn),
        )
    if application_key is not None and data_key.claimed not in (None, application_key.fingerprint):
        return Problem(
            what=f"the data key entered ({application_key.fingerprint}) is not the one on Vercel "
            f"({data_key.claimed}, by its comment)",
            why="the records are encrypted under one of them, and Vercel does not show its value",
            next=f"export {DATA_KEY_INPUT_VARIABLE}=…   # the one whose fingerprint is {data_key.claimed}",
            exit_code=2,
        )
    if application_key is None:
        return Problem(
            what=f"{DATA_KEY_VARIABLE} exists on Vercel, but its value is not available",
            why="the stack stores a copy of the wrapped data key; another data key could not open the records",
            next=f"export {DATA_KEY_INPUT_VARIABLE}=…   # as printed when it was generated, or from your backup",
            exit_code=2,
        )
    return None


def _two_data_keys(
    data_key: DiscoveredDataKey, discovered: DiscoveredSetup, entered: WrappedDataKey | None
) -> Problem | None:
    """Why the data keys of the application, of Parameter Store and of the person are not one."""
    application_key = data_key.wrapped or entered
    stored = discovered.data_key.wrapped if discovered.data_key is not None else None
    if stored is not None and application_key not in (None, stored):
        return Problem(
            what=f"the application has the data key {application_key.fingerprint if application_key else ''}, "
            f"and Parameter Store holds {stored.fingerprint} with the same key",
            why="records may be encrypted under either data key, and the stack can hold only one",
            next="find out which of the two opens the records, and remove the other, or "
            "set up another environment for it: --environment NAME --stack NAME",
        )
    if data_key.wrapped is not None and entered is not None and data_key.wrapped != entered:
        return Problem(
            what=f"the data key entered ({entered.fingerprint}) is not the one on Vercel "
            f"({data_key.wrapped.fingerprint})",
            why="the records are encrypted under one of them, and it is not known which",
            next=shell(
                "unset", DATA_KEY_INPUT_VARIABLE, advice="Vercel shows its value, which the application uses now"
            ),
            exit_code=2,
        )
    return None


def in_use(vercel: DiscoveredDataKey | None, discovered: DiscoveredSetup) -> DiscoveredDataKey:
    """The data key in use: the one on Vercel, otherwise the one in Parameter Store."""
    if vercel is not None and vercel.exists:
        return vercel
    return discovered.data_key or DiscoveredDataKey(
        wrapped=None, exists=False, key_arn=vercel.key_arn if vercel else None
    )


def unknown_data_key(discovered: DiscoveredSetup) -> Problem:
    """A key was created manually, and its data key is not known: no other one is made without a question."""
    key = discovered.key
    assert key is not None, "the caller checks it"
    return Problem(
        what=f"it is not known which data key the application has under the key {key.arn}",
        why="the stack stores a copy of the wrapped data key, and another one could not open the records",
        next=f"copy {DATA_KEY_VARIABLE} from where the application gets it: export {DATA_KEY_INPUT_VARIABLE}=…   "
        f"or, if there never was one: export {DATA_KEY_INPUT_VARIABLE}={NONE_YET}",
        exit_code=2,
    )


def imported_data_key(data_key: DiscoveredDataKey | None, entered: WrappedDataKey | None) -> WrappedDataKey | None:
    """The data key to store, with the key check value that the application has; None if there is none, or if
    `data_key_obstacle` returns a problem.
    """
    wrapped = data_key.wrapped if data_key is not None else None
    found = None if wrapped is not None and entered not in (None, wrapped) else wrapped or entered
    return replace(found, check_value=data_key.check_value) if found and data_key else found


def _conflict_with_stored(
    application_key: WrappedDataKey | None, discovered: DiscoveredSetup, stored_data_key: StoredDataKey
) -> Problem | None:
    if application_key is not None and application_key != stored_data_key.wrapped:
        return Problem(
            what=f"{stored_data_key.parameter} holds the data key {stored_data_key.wrapped.fingerprint}, "
            f"and the application has {application_key.fingerprint}",
            why="records may be encrypted under either; neither was changed",
            next="find out which one opens the records, and use the stack of that one (--stack NAME), or "
            "another environment: --environment NAME --stack NAME",
        )
    if discovered.key is not None and stored_data_key.key_arn not in (None, discovered.key.arn):
        return Problem(
            what=f"{stored_data_key.parameter} holds a data key wrapped by {stored_data_key.key_arn}, "
            f"and the alias points to {discovered.key.arn}",
            why="the imported key could not open it",
            next=_use(discovered, stored_data_key.key_arn),
        )
    return None


def _use(discovered: DiscoveredSetup, key_arn: str) -> Text:
    return Text(
        "point the alias to the key in use: ",
        shell("aws", "kms", "update-alias", "--alias-name", _alias(discovered), "--target-key-id", key_arn),
        f"   or {OTHER_ENVIRONMENT}",
    )


def _without_key(data_key: DiscoveredDataKey) -> Problem:
    key = data_key.key_arn or "KEY"
    return Problem(
        what=f"an {DATA_KEY_VARIABLE} exists already, and no alias of this stack points to the key that wrapped it",
        why="a new key could not open it, and the records under it would be lost",
        next=Text(
            "point an alias to the key that wrapped it: ",
            shell("aws", "kms", "create-alias", "--alias-name", "ALIAS", "--target-key-id", key),
            "   and run this again",
        ),
    )


def _names(text: str, discovered: DiscoveredSetup) -> bool:
    """Whether an AWS_KMS_KEY_ID names the discovered key: its ARN, its id, its alias, the alias's ARN."""
    key, alias = discovered.key, _alias(discovered)
    assert key is not None, "the caller checks it"
    arn = Arn.parse(key.arn)
    return text.strip() in (key.arn, arn.name, alias, str(arn.with_resource(alias)))


def _alias(discovered: DiscoveredSetup) -> str:
    return next((resource.id for resource in discovered.things if resource.thing is ResourceKind.ALIAS), "ALIAS")


@dataclass(frozen=True, kw_only=True)
class ImportVerification:
    """The verification of an imported data key before it is stored."""

    proved: bool
    """False where the application's credentials are not available; the data key is stored all the same."""
    message: str
    wrapped: WrappedDataKey
    """The data key; with its key check value, where it was opened."""


def verify_before_storing(
    *,
    aws: AwsClient,
    prover: DecryptVerifier,
    settings: Settings,
    outputs: Outputs,
    targets: tuple[Target, ...],
    wrapped: WrappedDataKey,
) -> ImportVerification:
    """Decrypt the data key as the application, at the first target whose credentials are available.

    Raises DataKeyConflict if the application cannot decrypt it; then nothing is written.
    """
    unchanged = "it was not stored, and nothing was delivered"
    answer = opening.as_application(
        aws, prover, settings, outputs, wrapped, targets=map(deploy_target, targets), unchanged=unchanged
    )
    if answer is None:
        why = "the application's credentials are not available here"
        message = f"{wrapped.fingerprint} is stored without a verification: {why}"
        return ImportVerification(proved=False, message=message, wrapped=wrapped)
    principal, result = answer
    if not result.proved or result.fingerprint != wrapped.fingerprint:
        cause = f"{result.cause}: {result.message}" if not result.proved else f"it opened {result.fingerprint}"
        raise DataKeyConflict(
            f"the application cannot open the data key {wrapped.fingerprint} with the key {outputs.key_arn} "
            f"({cause}); {unchanged}",
            f"if it belongs to another key: unset {DATA_KEY_INPUT_VARIABLE}, or copy the whole ENCRYPTED_PHI_KEY "
            "from where the application gets it; if the application is not allowed to use the key: --repair all; "
            "then run the same command again",
        )
    opened = opening.opened(wrapped, result.check_values)
    versions = attempted(aws.key_rotation.versions, settings)
    # What an interrupted import left was never in use.
    known = [] if isinstance(versions, SetupError) else [each for each in versions if each.was_current]
    problem = opening.another_key(opened, known, is_new=True)
    if wrapped.check_value not in (None, opened.check_value):
        problem = (
            f"{wrapped.fingerprint} opens to the key {opened.check_value}, and the application expects the key "
            f"{wrapped.check_value}"
        )
    if problem:
        hint = f"find out which key the records are under; if another one: export {DATA_KEY_INPUT_VARIABLE}=…"
        raise DataKeyConflict(f"{problem}; {unchanged}", hint)
    message = f"{wrapped.fingerprint} is opened by the key, as {principal}"
    return ImportVerification(proved=True, message=message, wrapped=opened)
