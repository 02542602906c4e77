"""The profiles of the AWS configuration files: how each comes by its credentials, and which of them is signed in to.

Pure: botocore's reading of the files in, facts out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from wizard.core.models.discovery import ProfileFact, ProfileKind

Config = Mapping[str, Any]
"""What botocore makes of both files (`Session.full_config`); those of ~/.aws/credentials win."""


@dataclass(frozen=True, kw_only=True)
class SignIn:
    """A sign-in that a person makes with the AWS CLI, and that a profile's credentials hang on."""

    profile: str
    command: str
    """`sso login` for IAM Identity Center, `login` for a console sign-in."""

    @property
    def line(self) -> str:
        """What a person types."""
        return f"aws {self.command} --profile {self.profile}"


def profile_facts(config: Config) -> tuple[ProfileFact, ...]:
    """A fact for each profile, in the order of the files."""
    return tuple(profile_fact(config, name) for name in config["profiles"])


def profile_fact(config: Config, name: str) -> ProfileFact:
    """The profile of that name; one without credentials for a name that no file has."""
    profile = _profile(config, name)
    kind = _kind(profile)
    serials = (each.get("mfa_serial") for each in _chain(config, name) if _kind(each) is ProfileKind.ROLE)
    return ProfileFact(
        name=name,
        kind=kind,
        role_arn=profile.get("role_arn") if kind in (ProfileKind.ROLE, ProfileKind.WEB_IDENTITY) else None,
        mfa_serial=next((serial for serial in serials if serial), None),
        region=profile.get("region"),
    )


def sign_in_of(config: Config, name: str) -> SignIn | None:
    """The sign-in behind a profile: its own, or that of the profile whose credentials it assumes its role with."""
    for profile in _chain(config, name):
        if _kind(profile) is ProfileKind.SIGN_IN:
            return SignIn(profile=profile["name"], command="sso login" if _by_sso(profile) else "login")
    return None


def sso_region_of(config: Config, name: str) -> str | None:
    """The Region of the IAM Identity Center that a profile speaks of."""
    profile = _profile(config, name)
    session = config.get("sso_sessions", {}).get(profile.get("sso_session"), {})
    return session.get("sso_region") or profile.get("sso_region") or None


def _profile(config: Config, name: str) -> Mapping[str, Any]:
    found = config["profiles"].get(name, {})
    return {**found, "name": name}


def _chain(config: Config, name: str) -> Iterator[Mapping[str, Any]]:
    """The profile, and those it takes its credentials from, until one repeats itself."""
    seen: set[str] = set()
    while name and name not in seen:
        seen.add(name)
        profile = _profile(config, name)
        yield profile
        name = str(profile.get("source_profile") or "") if _kind(profile) is ProfileKind.ROLE else ""


def _by_sso(profile: Mapping[str, Any]) -> bool:
    return "sso_account_id" in profile or "sso_role_name" in profile


def _kind(profile: Mapping[str, Any]) -> ProfileKind:
    # In the order in which botocore takes them (`botocore.credentials.create_credential_resolver`).
    if "role_arn" in profile:
        return ProfileKind.WEB_IDENTITY if "web_identity_token_file" in profile else ProfileKind.ROLE
    if _by_sso(profile):
        return ProfileKind.SIGN_IN
    if "aws_access_key_id" in profile:
        return ProfileKind.KEYS
    if "login_session" in profile:
        return ProfileKind.SIGN_IN
    if "credential_process" in profile:
        return ProfileKind.PROCESS
    return ProfileKind.NONE
