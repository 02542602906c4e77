"""A wrapped key that the application opens, in a child process, and its key check value against what is recorded.

Reads through the clients. `record` writes tags, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from components.settings import Outputs, Settings
from components.settings.arn import Arn
from wizard.core.data_key import WrappedDataKey
from wizard.core.errors import DataKeyConflict, ResourceError, SetupError, Unreachable, attempted
from wizard.core.models.delivery import AppVariables
from wizard.core.models.rotation import DataKeyVersion
from wizard.core.models.verification import AccessKey, AppCredentials, ChildResult, CredentialsSearch
from wizard.core.next_command import eonpro
from wizard.data_key import guard
from wizard.targets.port import DeployTarget

if TYPE_CHECKING:
    from wizard.aws.client import AwsClient
    from wizard.data_key.verification import DecryptVerifier

OpenKey = Callable[[WrappedDataKey], WrappedDataKey]
"""Adds its key check value to a wrapped key, where the application can open it from here."""


def as_application(
    aws: AwsClient,
    prover: DecryptVerifier,
    settings: Settings,
    outputs: Outputs,
    wrapped: WrappedDataKey,
    *,
    targets: Iterable[DeployTarget],
    reading: Sequence[WrappedDataKey] = (),
    access_key: AccessKey | None = None,
    unchanged: str = "nothing was changed",
) -> tuple[str, ChildResult] | None:
    """The principal of the first target whose credentials are at hand, and its answer after a round trip; else None.

    `access_key`: the application's, created in this run. Raises Unreachable where KMS does not answer.
    """
    variables = AppVariables(region=settings.region, key_arn=outputs.key_arn, wrapped=wrapped)
    for target in targets:
        principal = outputs.principal_of(target.name)
        search = (
            created(access_key)
            if access_key and principal == outputs.app_user_arn
            else aws.application_credentials.app_credentials(
                principal, container_first=target.container_credentials_first
            )
        )
        credentials = search.credentials
        if credentials is None:
            continue
        result = prover.prove(credentials, variables, full=True, reading=reading)
        if not result.is_answer:
            raise Unreachable(
                f"whether the application can open {wrapped.fingerprint} could not be verified: KMS did not answer "
                f"({result.cause}: {result.message}); {unchanged}",
                "wait a minute, then run the same command again",
            )
        return principal, result
    return None


def created(key: AccessKey) -> CredentialsSearch:
    """The credentials of an access key that this run has created."""
    how = f"its access key {key.id}, created just now"
    return CredentialsSearch(credentials=AppCredentials(how=how, access_key_id=key.id, secret_access_key=key.secret))


def opened(wrapped: WrappedDataKey, check_values: Mapping[str, str]) -> WrappedDataKey:
    """The wrapped key with the key check value that it was opened to; without one, as it is."""
    return replace(wrapped, check_value=check_values.get(wrapped.fingerprint, wrapped.check_value))


def corrected(versions: Iterable[DataKeyVersion], check_values: Mapping[str, str]) -> tuple[DataKeyVersion, ...]:
    """The versions with the key check values that they were opened to, whatever their tags say."""
    return tuple(replace(version, wrapped=opened(version.wrapped, check_values)) for version in versions)


def another_key(
    wrapped: WrappedDataKey,
    versions: Collection[DataKeyVersion],
    *,
    same_as: str | None = None,
    others: Collection[DataKeyVersion] = (),
    is_new: bool = False,
) -> str | None:
    """Why a wrapped key opens to another key than it should, by the check values; None where none says so.

    `versions`: of the stored value that it is for; `others`: of the other ones. `same_as`: the fingerprint of the first
    version of the same key. `is_new`: it is no version yet, and has to be the key of one. What is not known says
    nothing.
    """
    value = wrapped.check_value
    if value is None:
        return None
    for version in versions:
        is_same = version.fingerprint == wrapped.fingerprint or version.same_as == same_as
        if is_same and version.wrapped.check_value not in (None, value):
            return (
                f"{wrapped.fingerprint} opens to the key {value}, and {version.fingerprint}, which should be the same "
                f"key, to {version.wrapped.check_value}"
            )
    if any(version.wrapped.check_value == value for version in others):
        return f"{wrapped.fingerprint} opens to the key {value}, which is the application's other key"
    # What it says of itself proves nothing, unless it is kept.
    ours = [version for version in versions if version.kept or version.fingerprint != wrapped.fingerprint]
    # A key that never was in use has no records: that it is another one proves nothing either.
    known = {version.wrapped.check_value for version in ours if version.was_current} - {None}
    if is_new and known and all(version.wrapped.check_value != value for version in ours):
        return (
            f"{wrapped.fingerprint} opens to the key {value}, and no version that was in use does (they open to "
            f"{', '.join(sorted(map(str, known)))})"
        )
    return None


def record(aws: AwsClient, settings: Settings, outputs: Outputs, wrapped: WrappedDataKey) -> bool:
    """Record the key check value to which a stored value, which the settings name, was opened, in every Region.

    The stack's own comes last: until then it is not known, and the next proof goes on. A caller who is not allowed to
    write tags records nothing: False.
    """
    for arn in reversed(outputs.key_arns):
        region = Arn.parse(arn).region
        regional = aws if region == aws.region else aws.with_region(region)
        if isinstance(attempted(regional.key_rotation.record_check_value, settings, wrapped), SetupError):
            return False
    return True


def require_check_value(
    aws: AwsClient, settings: Settings, outputs: Outputs, wrapped: WrappedDataKey, open_key: OpenKey
) -> WrappedDataKey:
    """The wrapped key with its key check value, which is recorded. Raises ResourceError where nobody here opens it."""
    known = wrapped if wrapped.check_value else open_key(wrapped)
    refuse_unknown(settings, known)
    if known is not wrapped:
        record(aws, settings, outputs, known)
    return known


def refuse_unknown(settings: Settings, wrapped: WrappedDataKey) -> None:
    """Raises ResourceError where the settings ask for the key check value of a wrapped key, and it is not known."""
    if settings.key_check_value and wrapped.check_value is None:
        raise ResourceError(
            f"the settings ask for the key check value of the {settings.names.noun} {wrapped.fingerprint}, which is "
            "not known: only the application opens it, and its credentials are not available here; nothing was "
            "delivered",
            "set EONPRO_APP_PROFILE, or EONPRO_APP_ACCESS_KEY_ID and EONPRO_APP_SECRET_ACCESS_KEY, and run the same "
            "command again",
        )


def refuse(problem: str | None, settings: Settings) -> None:
    """Raises DataKeyConflict for an answer of `another_key`, before anything is written."""
    if problem:
        listing = eonpro("restore", *guard.key_option(settings), advice="lists the versions; nothing is replaced")
        raise DataKeyConflict(f"{problem}; nothing was changed", listing)
