"""Which credentials, which Region and which endpoint: decided once, with where each came from.

Reads the given environment and the AWS configuration files it names; calls no service.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError

from wizard.aws.auth.errors import ErrorSource, translate
from wizard.aws.auth.http import PatientSession, watch
from wizard.aws.auth.profiles import SignIn, profile_fact, profile_facts, sign_in_of
from wizard.core.errors import CredentialsError
from wizard.core.models.discovery import ProfileFact, ProfileKind
from wizard.core.next_command import Command

FALLBACK_REGION = "us-east-1"
"""Where the account is asked who it is while nothing names a Region."""


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """What `connect` decided."""

    region: str
    region_source: str | None
    """None: nothing names a Region, `FALLBACK_REGION` stands in until one is chosen."""
    profile: str | None
    keys: Credentials | None = field(repr=False)
    """The environment's own credentials, when they are the ones to use."""
    incomplete: str | None
    """The variable that the environment's credentials lack."""
    disagreements: tuple[str, ...]
    source: ProfileFact | None = None
    """The profile whose credentials are used; None for those of the environment."""
    sign_in: SignIn | None = None
    """What a person does first, for the credentials of that profile."""

    @property
    def handed_out(self) -> bool:
        """Whether a child process gets the session's keys: by the profile alone it would ask or sign in again."""
        return self.source is not None and self.source.kind in _OF_A_SESSION


_OF_A_SESSION = (ProfileKind.ROLE, ProfileKind.SIGN_IN, ProfileKind.PROCESS)


def botocore_session(profile: str | None, environ: Mapping[str, str]) -> PatientSession:
    """A botocore session whose profile and files are named here, not by the process's environment."""
    session = PatientSession(environ=environ, session_vars={"profile": (None, None, None, None)}, profile=profile)
    for variable, name in (
        ("config_file", "AWS_CONFIG_FILE"),
        ("credentials_file", "AWS_SHARED_CREDENTIALS_FILE"),
    ):
        if environ.get(name):
            session.set_config_variable(variable, environ[name])
    watch(session)
    return session


def profiles(environ: Mapping[str, str]) -> tuple[ProfileFact, ...]:
    """The profiles of the AWS configuration files. Raises CredentialsError for files that cannot be read."""
    try:
        return profile_facts(botocore_session(None, environ).full_config)
    except BotoCoreError as error:
        raise translate(error, action="profiles", origin=ErrorSource(region=FALLBACK_REGION)) from error


def environment_credentials(environ: Mapping[str, str], prefix: str = "AWS_") -> tuple[Credentials | None, str | None]:
    """The access key of the environment, or else the one variable that is missing of it."""
    identifier, secret = environ.get(f"{prefix}ACCESS_KEY_ID"), environ.get(f"{prefix}SECRET_ACCESS_KEY")
    if identifier and secret:
        return Credentials(identifier, secret, environ.get(f"{prefix}SESSION_TOKEN") or None, method="env"), None
    if identifier or secret:
        return None, f"{prefix}SECRET_ACCESS_KEY" if identifier else f"{prefix}ACCESS_KEY_ID"
    return None, None


def resolve(*, profile: str | None, region: str | None, environ: Mapping[str, str]) -> Resolved:
    """Decide, by the order that AWS's newer SDKs keep.

    Profile: argument > the environment's keys > AWS_PROFILE > AWS_DEFAULT_PROFILE > `default`.
    Region: argument > AWS_REGION > AWS_DEFAULT_REGION > the profile's.
    botocore alone would read only AWS_DEFAULT_REGION, and AWS_DEFAULT_PROFILE before AWS_PROFILE.

    Raises CredentialsError when a profile is named that is in no file.
    """
    keys, incomplete = environment_credentials(environ)
    named = environ.get("AWS_PROFILE") or environ.get("AWS_DEFAULT_PROFILE") or None
    by_environment = profile is None and (keys is not None or incomplete is not None)
    chosen = profile or (None if by_environment else named)
    session = botocore_session(chosen, environ)
    try:
        if chosen is not None and chosen not in session.available_profiles:
            known = ", ".join(session.available_profiles) or "none at all"
            raise CredentialsError(
                f"there is no AWS profile {chosen} (the files have {known})",
                Command(f"aws configure --profile {chosen}", advice="or name another"),
            )
        config = session.full_config
    except BotoCoreError as error:
        raise translate(error, action="profile", origin=ErrorSource(region=FALLBACK_REGION)) from error
    of_profile = profile_fact(config, chosen or named or "default").region
    candidates = (
        (region, "the answer"),
        (environ.get("AWS_REGION"), "AWS_REGION"),
        (environ.get("AWS_DEFAULT_REGION"), "AWS_DEFAULT_REGION"),
        (of_profile, f"the profile {chosen or named or 'default'}"),
    )
    found, source = next(((value, name) for value, name in candidates if value), (FALLBACK_REGION, None))
    contradictions = [*_of_regions(region, environ, chosen or named or "default", of_profile)]
    return Resolved(
        region=str(found),
        region_source=source,
        profile=chosen,
        keys=keys if by_environment else None,
        incomplete=incomplete if by_environment else None,
        disagreements=(*contradictions, *_of_credentials(profile, by_environment, environ)),
        source=None if by_environment else profile_fact(config, chosen or "default"),
        sign_in=None if by_environment else sign_in_of(config, chosen or "default"),
    )


def _of_regions(
    region: str | None, environ: Mapping[str, str], profile: str, of_profile: str | None
) -> tuple[str, ...]:
    first, second = environ.get("AWS_REGION"), environ.get("AWS_DEFAULT_REGION")
    used = first or second
    if region is not None or not used:
        return ()
    found = []
    if first and second and first != second:
        found.append(f"AWS_REGION says {first}, AWS_DEFAULT_REGION says {second}: {first} is used")
    if of_profile and of_profile != used:
        name = "AWS_REGION" if first else "AWS_DEFAULT_REGION"
        found.append(f"{name} says {used}, the profile {profile} says {of_profile}: {used} is used")
    return tuple(found)


def _of_credentials(profile: str | None, by_environment: bool, environ: Mapping[str, str]) -> tuple[str, ...]:
    found = []
    mine, other = environ.get("AWS_PROFILE"), environ.get("AWS_DEFAULT_PROFILE")
    has_keys = bool(environ.get("AWS_ACCESS_KEY_ID") or environ.get("AWS_SECRET_ACCESS_KEY"))
    if by_environment and (mine or other):
        found.append(
            f"AWS_ACCESS_KEY_ID is set and so is the profile {mine or other}: the environment's credentials are used"
        )
    elif profile is not None and has_keys:
        found.append(f"the profile {profile} was asked for and AWS_ACCESS_KEY_ID is set: the profile {profile} is used")
    elif profile is None and mine and other and mine != other:
        found.append(f"AWS_PROFILE says {mine}, AWS_DEFAULT_PROFILE says {other}: {mine} is used")
    return tuple(found)


_FILES = ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")
_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


def child_environment(resolved: Resolved, environ: Mapping[str, str], keys: Credentials | None) -> dict[str, str]:
    """What a child process needs in its environment to use the same credentials, Region and endpoints.

    `keys` are those of the session, where it has any of its own: the environment's, an assumed role's, a sign-in's.
    An empty value takes back what the parent has there: AWS's SDKs take empty for absent.
    """
    passed = {
        name: value
        for name, value in environ.items()
        if name.startswith("AWS_ENDPOINT_URL") or name in _FILES and value
    }
    passed |= {"AWS_REGION": resolved.region, "AWS_DEFAULT_REGION": resolved.region}
    if keys:
        passed |= dict(zip(_KEYS, (keys.access_key, keys.secret_key, keys.token or ""), strict=True))
    if resolved.profile:
        # Beside keys, which go before it, so that the child stumbles over no profile that the parent names.
        passed |= {"AWS_PROFILE": resolved.profile, "AWS_DEFAULT_PROFILE": resolved.profile}
        passed |= {} if keys else dict.fromkeys(_KEYS, "")
    return passed
