"""Who the caller is, which Regions the account has, and whom it could name as administrators.

Asks STS, IAM, Account Management and EC2; changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from wizard.aws.clock import skew_of
from wizard.aws.resolution import FALLBACK_REGION
from wizard.aws.session import Session
from wizard.errors import CredentialsError, PermissionDenied, ResourceError, SetupError, Unreachable, Unsupported
from wizard.facts import Identity, Principal, RegionFact

T = TypeVar("T")

SERVICE_LINKED = "/aws-service-role/"
"""Path of the roles that only an AWS service can assume."""

_NOT_TO_BE_HAD = (PermissionDenied, Unsupported, ResourceError)


def identify(session: Session) -> Identity:
    """The caller, as STS answers. Raises CredentialsError, Unreachable."""
    return _wherever_it_is_known(session, _identify)


def _identify(session: Session) -> Identity:
    # Alone and first: an endpoint that is silent is found out by this one call, which is not patient.
    answer = session.call("sts", "GetCallerIdentity")
    session.heard(skew_of(answer))
    account, arn = str(answer["Account"]), str(answer["Arn"])
    alias, (principal_arn, guess) = session.together(
        lambda: _account_alias(session), lambda: _principal_arn(session, arn)
    )
    source = f"{session.source}; {guess}" if guess else session.source
    return Identity(account_id=account, arn=arn, principal_arn=principal_arn, account_alias=alias, source=source)


def _wherever_it_is_known(session: Session, ask: Callable[[Session], T]) -> T:
    """The answer of the session's Region, else of the one that is never off: in a Region that is off an account's
    credentials are not known (https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-regions.html)."""
    try:
        return ask(session)
    except (CredentialsError, Unreachable) as error:
        # An endpoint that is named and silent is so for every Region; AWS has none for a Region that it has not.
        silent = isinstance(error, Unreachable) and session.endpoint("sts") is not None
        if silent or session.region == FALLBACK_REGION:
            raise
        try:
            return ask(session.with_region(FALLBACK_REGION))
        except SetupError:
            raise error from error.__cause__


def _account_alias(session: Session) -> str | None:
    try:
        return next(iter(session.call("iam", "ListAccountAliases")["AccountAliases"]), None)
    except _NOT_TO_BE_HAD:
        return None


def _principal_arn(session: Session, arn: str) -> tuple[str, str]:
    """The principal's own ARN, and in words what of it is not IAM's answer; nothing where all is."""
    _, partition, service, _, account, rest = arn.split(":", 5)
    kind, _, name = rest.partition("/")
    iam = f"arn:{partition}:iam::{account}:"
    if kind == "assumed-role":
        role = name.rsplit("/", 1)[0]
        # The session's ARN has lost the role's path, which a key policy needs.
        if found := _role_arn(session, role):
            return found, ""
        path, guess = _path_without_iam(session, role)
        return f"{iam}role{path}{role}", guess
    if kind == "federated-user":
        raise CredentialsError(
            f"{arn} is a federation session, no IAM user or role: the key policy cannot name it",
            "use the credentials of an IAM user or role: AWS_PROFILE=…",
        )
    # Some emulators say `sts` where STS says `iam`.
    return f"{iam}{rest}" if service == "sts" else arn, ""


_SSO_ROLE = "AWSReservedSSO_"
_SSO_PATH = "/aws-reserved/sso.amazonaws.com/"
_SSO_HOME = "us-east-1"
"""The one Region that is no part of the path of Identity Center's roles."""


def _path_without_iam(session: Session, role: str) -> tuple[str, str]:
    if not role.startswith(_SSO_ROLE):
        return "/", "the role's path is not known (iam:GetRole), / is supposed"
    region = session.sso_region()
    if region is None:
        return _SSO_PATH, f"the role's path is not known (iam:GetRole), {_SSO_HOME}'s is supposed"
    path = _SSO_PATH if region == _SSO_HOME else f"{_SSO_PATH}{region}/"
    return path, f"the role's path is not known (iam:GetRole), that of the profile's sso_region {region} is supposed"


def _role_arn(session: Session, name: str) -> str | None:
    try:
        found = session.find("iam", "GetRole", absent=("NoSuchEntity",), RoleName=name)
    except _NOT_TO_BE_HAD:
        return None
    return str(found["Role"]["Arn"]) if found else None


def list_regions(session: Session) -> tuple[RegionFact, ...]:
    """The Regions of the partition, by name, with those the account has switched off."""
    for ask in (_account_regions, _ec2_regions):
        try:
            found = _wherever_it_is_known(session, ask)
        except _NOT_TO_BE_HAD:
            continue
        if found:
            return found
    return tuple(RegionFact(name=name, enabled=True) for name in sorted(session.service_regions("kms")))


def _account_regions(session: Session) -> tuple[RegionFact, ...]:
    regions = session.pages("account", "ListRegions", "Regions")
    return _sorted((str(region["RegionName"]), region["RegionOptStatus"] in _ON) for region in regions)


_ON = ("ENABLED", "ENABLED_BY_DEFAULT")


def _ec2_regions(session: Session) -> tuple[RegionFact, ...]:
    regions = session.call("ec2", "DescribeRegions", AllRegions=True)["Regions"]
    return _sorted((str(region["RegionName"]), region.get("OptInStatus") != "not-opted-in") for region in regions)


def _sorted(regions: Iterable[tuple[str, bool]]) -> tuple[RegionFact, ...]:
    return tuple(RegionFact(name=name, enabled=enabled) for name, enabled in sorted(regions))


def list_principals(session: Session) -> tuple[Principal, ...]:
    """The account's users, then its roles, by ARN; no service-linked roles."""
    users, roles = session.together(
        lambda: [str(user["Arn"]) for user in session.pages("iam", "ListUsers", "Users")],
        lambda: [
            str(role["Arn"])
            for role in session.pages("iam", "ListRoles", "Roles")
            if not role["Path"].startswith(SERVICE_LINKED)
        ],
    )
    return tuple(Principal(arn=arn) for arn in (*sorted(users), *sorted(roles)))


def find_principal(session: Session, arn: str, *, caller: Identity) -> Principal | None:
    """The user or role of that very ARN, path included; None when there is none.

    The caller is taken at STS's word, the account's root at its own.
    """
    wanted = Principal(arn=arn)
    if arn == caller.principal_arn:
        return wanted
    if arn.split(":")[4] != caller.account_id:
        return None
    if wanted.kind == "root":
        return wanted
    operation, parameter, key = {
        "user": ("GetUser", "UserName", "User"),
        "role": ("GetRole", "RoleName", "Role"),
    }[wanted.kind]
    found = session.find("iam", operation, absent=("NoSuchEntity", "ValidationError"), **{parameter: wanted.name})
    return wanted if found and found[key]["Arn"] == arn else None
