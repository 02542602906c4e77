"""Selects the credentials and the Region, once, with the source of each.

Reads the environment that it gets and the AWS configuration files it names; calls no service.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from difflib import get_close_matches

from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError
from botocore.session import Session as Botocore

from wizard.aws.auth.call_log import watch
from wizard.aws.auth.errors import LOGIN, ErrorSource, translate
from wizard.aws.auth.http import BoundedSession
from wizard.aws.auth.profiles import SignIn, profile_fact, profile_facts, renewal_of, sign_in_of
from wizard.core.errors import CredentialsError
from wizard.core.models.account import ProfileFact, ProfileKind
from wizard.core.next_command import Command, shell

FALLBACK_REGION = "us-east-1"
"""The Region that is asked for the caller's identity while no Region is named."""


_METHODS = {
    "shared-credentials-file": "the profile {profile}",
    "config-file": "the profile {profile}",
    "iam-role": "the instance's role",
    "container-role": "the container's role",
    "assume-role-with-web-identity": "the web identity token that AWS_WEB_IDENTITY_TOKEN_FILE names",
}


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """The selection of `connect`."""

    region: str
    region_source: str | None
    """None: nothing names a Region, `FALLBACK_REGION` is used until one is chosen."""
    profile: str | None
    keys: Credentials | None = field(repr=False)
    """The environment's credentials, when they are the ones to use."""
    incomplete: str | None
    """The variable that the environment's credentials lack."""
    disagreements: tuple[str, ...]
    source: ProfileFact | None = None
    """The profile whose credentials are used; None for those of the environment."""
    sign_in: SignIn | None = None
    """The sign-in that a person does first, where that profile needs one."""
    renewal: Command = LOGIN
    """The command that gives new credentials."""

    @property
    def passes_keys(self) -> bool:
        """Whether a child process gets the session's keys: with the profile alone it would have to sign in again."""
        return self.source is not None and self.source.kind in _TEMPORARY


_TEMPORARY = (ProfileKind.ROLE, ProfileKind.SIGN_IN, ProfileKind.PROCESS)


def botocore_session(profile: str | None, environ: Mapping[str, str]) -> BoundedSession:
    """A botocore session whose profile and files come from the arguments, not from the process's environment."""
    session = BoundedSession(environ=environ, session_vars={"profile": (None, None, None, None)}, profile=profile)
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
    """The access key in the environment, or else the name of the variable that is missing."""
    identifier, secret = environ.get(f"{prefix}ACCESS_KEY_ID"), environ.get(f"{prefix}SECRET_ACCESS_KEY")
    if identifier and secret:
        return Credentials(identifier, secret, environ.get(f"{prefix}SESSION_TOKEN") or None, method="env"), None
    if identifier or secret:
        return None, f"{prefix}SECRET_ACCESS_KEY" if identifier else f"{prefix}ACCESS_KEY_ID"
    return None, None


def resolve(*, profile: str | None, region: str | None, environ: Mapping[str, str]) -> Resolved:
    """Decide, in the order of AWS's newer SDKs.

    Profile: argument > the environment's keys > AWS_PROFILE > AWS_DEFAULT_PROFILE > `default`.
    Region: argument > AWS_REGION > AWS_DEFAULT_REGION > the profile's.
    botocore alone would read only AWS_DEFAULT_REGION, and AWS_DEFAULT_PROFILE before AWS_PROFILE.

    Raises CredentialsError for a profile that is in no file.
    """
    keys, incomplete = environment_credentials(environ)
    named = environ.get("AWS_PROFILE") or environ.get("AWS_DEFAULT_PROFILE") or None
    by_environment = profile is None and (keys is not None or incomplete is not None)
    chosen = profile or (None if by_environment else named)
    session = botocore_session(chosen, environ)
    try:
        if chosen is not None and chosen not in session.available_profiles:
            known = ", ".join(session.available_profiles) or "none at all"
            near = get_close_matches(chosen, session.available_profiles, 1) if profile is None else ()
            raise CredentialsError(
                f"there is no AWS profile {chosen} (the files have {known})",
                shell("export", f"AWS_PROFILE={near[0]}")
                if near
                else shell("aws", "login", "--profile", chosen, advice="creates it; or name another"),
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
    chosen_region, source = next(((value, name) for value, name in candidates if value), (FALLBACK_REGION, None))
    contradictions = [*_region_conflicts(region, environ, chosen or named or "default", of_profile)]
    return Resolved(
        region=str(chosen_region),
        region_source=source,
        profile=chosen,
        keys=keys if by_environment else None,
        incomplete=incomplete if by_environment else None,
        disagreements=(*contradictions, *_credential_conflicts(profile, by_environment, environ)),
        source=None if by_environment else profile_fact(config, chosen or "default"),
        sign_in=None if by_environment else sign_in_of(config, chosen or "default"),
        renewal=renewal_of(config, chosen or named or "default", instead_of_keys=by_environment),
    )


def _region_conflicts(
    region: str | None, environ: Mapping[str, str], profile: str, of_profile: str | None
) -> tuple[str, ...]:
    first, second = environ.get("AWS_REGION"), environ.get("AWS_DEFAULT_REGION")
    used = first or second
    if region is not None or not used:
        return ()
    conflicts = []
    if first and second and first != second:
        conflicts.append(f"AWS_REGION says {first}, AWS_DEFAULT_REGION says {second}: {first} is used")
    if of_profile and of_profile != used:
        name = "AWS_REGION" if first else "AWS_DEFAULT_REGION"
        conflicts.append(f"{name} says {used}, the profile {profile} says {of_profile}: {used} is used")
    return tuple(conflicts)


def _credential_conflicts(profile: str | None, by_environment: bool, environ: Mapping[str, str]) -> tuple[str, ...]:
    conflicts = []
    profile_name, default_profile = environ.get("AWS_PROFILE"), environ.get("AWS_DEFAULT_PROFILE")
    has_keys = bool(environ.get("AWS_ACCESS_KEY_ID") or environ.get("AWS_SECRET_ACCESS_KEY"))
    if by_environment and (profile_name or default_profile):
        conflicts.append(
            f"AWS_ACCESS_KEY_ID is set and so is the profile {profile_name or default_profile}: "
            "the environment's credentials are used"
        )
    elif profile is not None and has_keys:
        conflicts.append(
            f"the profile {profile} was asked for and AWS_ACCESS_KEY_ID is set: the profile {profile} is used"
        )
    elif profile is None and profile_name and default_profile and profile_name != default_profile:
        conflicts.append(
            f"AWS_PROFILE says {profile_name}, AWS_DEFAULT_PROFILE says {default_profile}: {profile_name} is used"
        )
    return tuple(conflicts)


_FILES = ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")
_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


def child_environment(resolved: Resolved, environ: Mapping[str, str], keys: Credentials | None) -> dict[str, str]:
    """The environment with which a child process uses the same credentials, Region and endpoints.

    `keys` are the session's own, if it has any: the environment's, an assumed role's, a sign-in's.
    An empty value hides the parent's: AWS's SDKs treat empty as absent.
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
        # Also with keys, which take precedence, so that the child does not use a profile that the parent names.
        passed |= {"AWS_PROFILE": resolved.profile, "AWS_DEFAULT_PROFILE": resolved.profile}
        passed |= {} if keys else dict.fromkeys(_KEYS, "")
    return passed


def source_of(resolved: Resolved, botocore: Botocore, *, lock: AbstractContextManager[object]) -> str:
    """The source of the credentials, in words. Without a profile or keys it tries the default chain once."""
    if resolved.keys is not None or resolved.incomplete:
        return "environment variables"
    if resolved.profile:
        return f"the profile {resolved.profile}"
    # botocore's session is not thread-safe.
    with lock:
        try:
            method = getattr(botocore.get_credentials(), "method", None)
        except BotoCoreError:
            method = None
    in_words = _METHODS.get(str(method), "the profile {profile}" if method else "the default chain")
    return in_words.format(profile="default")
