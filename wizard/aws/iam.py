"""The caller, the account's Regions, its users and roles, the application user's access keys, and managed policies.

Asks STS, IAM, Account Management and EC2; creates, switches off and deletes access keys, and changes nothing else.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

from components.settings.arn import Arn
from wizard.aws.auth.credentials import FALLBACK_REGION
from wizard.aws.auth.errors import code_of
from wizard.aws.auth.http import skew_of
from wizard.aws.auth.session import Session
from wizard.aws.auth.session_client import SessionClient, or_none, utc
from wizard.core import errors, retry
from wizard.core.models.account import Identity, Principal, RegionFact
from wizard.core.models.verification import AccessKey, AccessKeyFact
from wizard.core.next_command import Text, shell
from wizard.core.retry import Reason

T = TypeVar("T")

SERVICE_LINKED = "/aws-service-role/"
"""Path of the roles that only an AWS service can assume."""


def account_of(session: Session) -> str:
    """The caller's account, before anything else of the caller is known. Raises CredentialsError, Unreachable."""
    return str(_caller(session)["Account"])


def identify(session: Session) -> Identity:
    """The caller, as STS and IAM answer; asked once for every Region. Raises CredentialsError, Unreachable."""
    identity: Identity = session.once("identity", lambda: _identify(session))
    return identity


def _caller(session: Session) -> Mapping[str, Any]:
    def ask(session: Session) -> Mapping[str, Any]:
        # Alone and first: this call has the shortest time-out, so an endpoint that does not answer is noticed soon.
        answer: Mapping[str, Any] = session.call("sts", "GetCallerIdentity")
        session.record_skew(skew_of(answer))
        return answer

    caller: Mapping[str, Any] = session.once("caller", lambda: _in_known_region(session, ask))
    return caller


def caller(session: Session) -> Identity:
    """The caller's identity without the account's alias, which nothing but the display waits for."""
    identity: Identity = session.once("identity without alias", lambda: _identify_caller(session))
    return identity


def _identify(session: Session) -> Identity:
    _caller(session)
    identity: Identity
    aliases, identity = session.together(
        lambda: or_none(lambda: session.call("iam", "ListAccountAliases")), lambda: caller(session)
    )
    return replace(identity, account_alias=next(iter((aliases or {}).get("AccountAliases", ())), None))


def _identify_caller(session: Session) -> Identity:
    answer = _caller(session)
    account, arn = str(answer["Account"]), str(answer["Arn"])
    principal_arn, guess = _principal_arn(session, arn)
    source = f"{session.source}; {guess}" if guess else session.source
    return Identity(account_id=account, arn=arn, principal_arn=principal_arn, account_alias=None, source=source)


def _in_known_region(session: Session, ask: Callable[[Session], T]) -> T:
    """The answer of the session's Region, else of the fallback Region: a Region that is switched off does not know the
    account's credentials (https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-regions.html)."""
    try:
        return ask(session)
    except (errors.CredentialsError, errors.Unreachable) as error:
        # An endpoint from the environment is the same for every Region. AWS has no endpoint for an unknown Region.
        same_endpoint = isinstance(error, errors.Unreachable) and session.endpoint("sts") is not None
        if same_endpoint or session.region == FALLBACK_REGION:
            raise
        try:
            return ask(session.with_region(FALLBACK_REGION))
        except errors.SetupError:
            raise error from error.__cause__


def _principal_arn(session: Session, arn: str) -> tuple[str, str]:
    """The principal's own ARN, and in words which part of it is assumed; empty where IAM confirmed it all."""
    caller = Arn.find(arn)
    if caller is None:
        raise session.unreadable("its Arn is none", "sts", "GetCallerIdentity")
    iam = replace(caller, service="iam")
    if caller.kind == "assumed-role":
        role = caller.path.rpartition("/")[0]
        # The session's ARN lacks the role's path, which a key policy needs.
        if role_arn := _role_arn(session, role):
            return role_arn, ""
        path, guess = _path_without_iam(session, role)
        return str(iam.with_resource(f"role{path}{role}")), guess
    if caller.kind == "federated-user":
        raise errors.CredentialsError(
            f"{arn} is a federation session, not an IAM user or role: a key policy cannot name it",
            "use the credentials of an IAM user or role: AWS_PROFILE=…",
        )
    # Some emulators say `sts` where STS says `iam`.
    return str(iam) if caller.service == "sts" else arn, ""


_SSO_ROLE = "AWSReservedSSO_"
_SSO_PATH = "/aws-reserved/sso.amazonaws.com/"
_SSO_HOME = "us-east-1"
"""The one Region that is not in the path of Identity Center's roles."""


def _path_without_iam(session: Session, role: str) -> tuple[str, str]:
    if not role.startswith(_SSO_ROLE):
        return "/", "the role's path is unknown (iam:GetRole), / is assumed"
    region = session.sso_region()
    if region is None:
        return _SSO_PATH, f"the role's path is unknown (iam:GetRole), {_SSO_HOME}'s is assumed"
    path = _SSO_PATH if region == _SSO_HOME else f"{_SSO_PATH}{region}/"
    return path, f"the role's path is unknown (iam:GetRole), that of the profile's sso_region {region} is assumed"


def _role_arn(session: Session, name: str) -> str | None:
    answer = or_none(lambda: session.find("iam", "GetRole", absent=("NoSuchEntity",), RoleName=name))
    return str(answer["Role"]["Arn"]) if answer else None


def list_regions(session: Session) -> tuple[RegionFact, ...]:
    """The Regions of the partition, by name, including those that the account has switched off."""
    places = session.region_places()
    regions: tuple[RegionFact, ...] | None = None
    for ask in (_account_regions, _ec2_regions):
        if regions := or_none(partial(_in_known_region, session, ask)):
            break
    regions = regions or _sorted((name, True) for name in session.service_regions("kms"))
    return tuple(replace(fact, place=places.get(fact.name, "")) for fact in regions)


def _account_regions(session: Session) -> tuple[RegionFact, ...]:
    regions = session.pages("account", "ListRegions", "Regions")
    return _sorted((str(region["RegionName"]), region["RegionOptStatus"] in _ON) for region in regions)


_ON = ("ENABLED", "ENABLED_BY_DEFAULT")


def _ec2_regions(session: Session) -> tuple[RegionFact, ...]:
    regions = session.call("ec2", "DescribeRegions", AllRegions=True)["Regions"]
    return _sorted((str(region["RegionName"]), region.get("OptInStatus") != "not-opted-in") for region in regions)


def _sorted(regions: Iterable[tuple[str, bool]]) -> tuple[RegionFact, ...]:
    return tuple(RegionFact(name=name, enabled=enabled) for name, enabled in sorted(regions))


class Iam(SessionClient):
    """The users, roles and policies of the account."""

    def list_principals(self) -> tuple[Principal, ...]:
        """The account's users, then its roles, by ARN; no service-linked roles."""
        users, roles = self._session.together(
            lambda: [str(user["Arn"]) for user in self._session.pages("iam", "ListUsers", "Users")],
            lambda: [
                str(role["Arn"])
                for role in self._session.pages("iam", "ListRoles", "Roles")
                if not role["Path"].startswith(SERVICE_LINKED)
            ],
        )
        return tuple(Principal(arn=arn) for arn in (*sorted(users), *sorted(roles)))

    def find_principal(self, arn: str) -> Principal | None:
        """The user or role with exactly this ARN, path included; None when there is none.

        The caller and the account's root are not looked up: STS has confirmed them.
        """
        principal = Principal(arn=arn)
        if arn == identify(self._session).principal_arn:
            return principal
        if Arn.parse(arn).account != account_of(self._session):
            return None
        if principal.kind == "root":
            return principal
        operation, parameter, key = {
            "user": ("GetUser", "UserName", "User"),
            "role": ("GetRole", "RoleName", "Role"),
        }[principal.kind]
        answer = self._session.find(
            "iam", operation, absent=("NoSuchEntity", "ValidationError"), **{parameter: principal.name}
        )
        return principal if answer and answer[key]["Arn"] == arn else None

    def list_access_keys(self, user: str) -> tuple[AccessKeyFact, ...]:
        """The user's access keys, the oldest first; none where there is no such user.

        When a key was last used is None where the caller is not allowed to know.
        """
        # IAM allows a user two keys, which is one page.
        answer = self._session.find("iam", "ListAccessKeys", absent=_ABSENT, UserName=user) or {}
        keys = answer.get("AccessKeyMetadata", ())
        used = self._session.together(
            *(lambda key=key: _last_used(self._session, str(key["AccessKeyId"])) for key in keys)
        )
        facts = (
            AccessKeyFact(
                id=str(key["AccessKeyId"]),
                active=key["Status"] == "Active",
                made=key["CreateDate"].astimezone(UTC),
                last_used=last,
            )
            for key, last in zip(keys, used, strict=True)
        )
        return tuple(sorted(facts, key=lambda fact: (fact.made, fact.id)))

    def make_access_key(self, user: str) -> AccessKey:
        """A new, active access key. Waits a few seconds for a user that was created a moment ago.

        Sent once. Raises OutcomeUnknown when the answer, and with it the secret, was lost: the key may exist.
        Raises ResourceError when the user already has two, which is IAM's limit
        (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html).
        """

        def reason(error: errors.SetupError) -> Reason | None:
            return Reason.CONSISTENCY if code_of(error.__cause__) in _ABSENT else None

        def create() -> AccessKey:
            key = self._session.call("iam", "CreateAccessKey", UserName=user)["AccessKey"]
            return AccessKey(id=str(key["AccessKeyId"]), secret=str(key["SecretAccessKey"]))

        try:
            return retry.call(create, clock=self._session.clock, seconds=_NEW_USER_SECONDS, reason=reason)
        except errors.ResourceError as error:
            if code_of(error.__cause__) not in _FULL:
                raise
            delete = shell("aws", "iam", "delete-access-key", "--user-name", user, "--access-key-id", "KEY-ID")
            raise errors.ResourceError(
                f"the user {user} already has two access keys, which is IAM's limit",
                shell(
                    *("aws", "iam", "list-access-keys", "--user-name", user),
                    advice=Text("then switch off and delete the key that nobody uses: ", delete),
                ),
            ) from error.__cause__

    def retire_access_key(self, user: str, key_id: str) -> None:
        """Switch the access key off; it can be switched on again."""
        self._session.call("iam", "UpdateAccessKey", UserName=user, AccessKeyId=key_id, Status="Inactive")

    def delete_access_key(self, user: str, key_id: str) -> None:
        """Delete a key that is switched off; a key that no longer exists is no error.

        Raises UsageError, before anything is deleted, for an active key. Switching it off first shows who still uses
        it, and can be undone; a deletion cannot.
        """
        existing = next((key for key in self.list_access_keys(user) if key.id == key_id), None)
        if existing is None:
            return
        if existing.active:
            raise errors.UsageError(
                f"the access key {key_id} of the user {user} is active; it was not deleted",
                shell(
                    *("aws", "iam", "update-access-key", "--user-name", user, "--access-key-id", key_id),
                    *("--status", "Inactive"),
                    advice="and check that nothing fails without it",
                ),
            )
        self._session.find("iam", "DeleteAccessKey", absent=_ABSENT, UserName=user, AccessKeyId=key_id)

    def policy_document(self, policy_arn: str) -> Mapping[str, object] | None:
        """The default version of a managed policy; None where there is no such policy."""
        found = self._session.find("iam", "GetPolicy", absent=_ABSENT, PolicyArn=policy_arn)
        if found is None:
            return None
        version = found["Policy"]["DefaultVersionId"]
        answer = self._session.call("iam", "GetPolicyVersion", PolicyArn=policy_arn, VersionId=version)
        document = answer["PolicyVersion"]["Document"]
        if not isinstance(document, dict):
            raise errors.ResourceError(
                f"the policy {policy_arn} is not a JSON object",
                shell("aws", "iam", "get-policy-version", "--policy-arn", policy_arn, "--version-id", version),
            )
        return document


def document_or_none(session: Session, policy_arn: str) -> Mapping[str, object] | None:
    """The default version of a managed policy; None where it cannot be read."""
    return or_none(lambda: Iam(session).policy_document(policy_arn))


_ABSENT = ("NoSuchEntity", "NoSuchEntityException")
_NEW_USER_SECONDS = 10.0
"""Longest time until IAM knows a new user."""
_FULL = ("LimitExceeded", "LimitExceededException")


def _last_used(session: Session, key_id: str) -> datetime | None:
    try:
        answer = session.find("iam", "GetAccessKeyLastUsed", absent=_ABSENT, AccessKeyId=key_id) or {}
    except (errors.PermissionDenied, errors.Unsupported):
        return None
    return utc(answer.get("AccessKeyLastUsed", {}).get("LastUsedDate"))
