"""The profiles of the AWS configuration files: how each gets its credentials, and which sign-in it needs.

Pure: takes the files as botocore parsed them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from wizard.core.models.account import ProfileFact, ProfileKind
from wizard.core.next_command import NO_COMMAND, Command, Text, chain, shell

Config = Mapping[str, Any]
"""Both files as botocore parses them (`Session.full_config`); ~/.aws/credentials takes precedence."""


BY_SSO, BY_LOGIN = ("sso", "login"), ("login",)
"""The sign-ins, as words of the AWS CLI."""


@dataclass(frozen=True, kw_only=True)
class SignIn:
    """A sign-in with the AWS CLI that a profile's credentials depend on."""

    profile: str
    command: tuple[str, ...]
    """`sso login` for IAM Identity Center, `login` for a console sign-in."""

    @property
    def line(self) -> Command:
        """The command to type."""
        return shell("aws", *self.command, "--profile", self.profile)


def profile_facts(config: Config) -> tuple[ProfileFact, ...]:
    """A fact for each profile, in the order of the files."""
    return tuple(profile_fact(config, name) for name in config["profiles"])


def profile_fact(config: Config, name: str) -> ProfileFact:
    """The profile of that name; one without credentials where no file has it."""
    profile = _profile(config, name)
    kind = _kind(profile)
    serials = (source.get("mfa_serial") for source in _chain(config, name) if _kind(source) is ProfileKind.ROLE)
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
            return SignIn(profile=profile["name"], command=BY_SSO if _by_sso(profile) else BY_LOGIN)
    return None


def renewal_of(config: Config, name: str, *, instead_of_keys: bool = False) -> Command:
    """The command that gives a profile new credentials; `instead_of_keys`: those of the environment are not used then.

    `aws login` creates a profile, and refuses one that has credentials of another kind.
    https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-sign-in.html
    """
    last = [*_chain(config, name)][-1]
    by_name = () if last["name"] == "default" else ("--profile", last["name"])
    kind, then, command = _kind(last), "then run the same command again", NO_COMMAND
    if needed := sign_in_of(config, name):
        command = needed.line
    elif kind is ProfileKind.NONE:
        command = shell("aws", *BY_LOGIN, *by_name)
        then = Text("with IAM Identity Center instead: ", shell("aws", "configure", "sso", *by_name))
    elif kind is ProfileKind.KEYS and not instead_of_keys:
        command, then = (
            shell("aws", "configure", *by_name),
            "it asks for a new access key; then run the same command again",
        )
    elif not instead_of_keys:
        command, then = (
            shell("aws", "sts", "get-caller-identity", *by_name),
            "its source may say why it gives no credentials",
        )
    keys = shell("unset", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    return chain(keys if instead_of_keys else NO_COMMAND, command, advice=then)


def sso_region_of(config: Config, name: str) -> str | None:
    """The Region of the IAM Identity Center that a profile names."""
    profile = _profile(config, name)
    session = config.get("sso_sessions", {}).get(profile.get("sso_session"), {})
    return session.get("sso_region") or profile.get("sso_region") or None


def _profile(config: Config, name: str) -> Mapping[str, Any]:
    return {**config["profiles"].get(name, {}), "name": name}


def _chain(config: Config, name: str) -> Iterator[Mapping[str, Any]]:
    """The profile and its source profiles, until one repeats."""
    visited: set[str] = set()
    while name and name not in visited:
        visited.add(name)
        profile = _profile(config, name)
        yield profile
        name = str(profile.get("source_profile") or "") if _kind(profile) is ProfileKind.ROLE else ""


def _by_sso(profile: Mapping[str, Any]) -> bool:
    return "sso_account_id" in profile or "sso_role_name" in profile


def _kind(profile: Mapping[str, Any]) -> ProfileKind:
    # In botocore's order (`botocore.credentials.create_credential_resolver`).
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
