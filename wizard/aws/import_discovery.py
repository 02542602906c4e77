"""What is there under the stack's names, created manually or left by a stack, with all that is needed to import it.

Asks KMS, IAM, CloudTrail and S3, side by side; changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from components.settings import ResourceKind, Settings
from wizard.aws import cloudtrail, existing_resources, iam, kms
from wizard.aws.auth.session import Session
from wizard.aws.data_keys.stores import ParameterStore
from wizard.core.data_key import MalformedDataKey, WrappedDataKey
from wizard.core.errors import PermissionDenied, ResourceError, Unsupported
from wizard.core.models.account import DiscoveredResource, DiscoveredSetup, FoundDataKey
from wizard.core.next_command import Command

GUIDE_DATA_KEY = "/eonpro/ENCRYPTED_PHI_KEY"
GUIDE_KEY = "/eonpro/AWS_KMS_KEY_ID"
"""Where `examples/manual-setup/guide.sh` puts the variables for ECS; the guide leaves the place open."""

_NO_ENTITY = ("NoSuchEntity",)


@dataclass(frozen=True, kw_only=True)
class _Look:
    """What one look-up found: things to import, and fields of HandMade."""

    things: tuple[DiscoveredResource, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


_NOTHING = _Look()


class ImportDiscovery:
    """What can be imported: a `wizard.core.ports.aws.ImportDiscovery`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def discover_setup(self, settings: Settings) -> DiscoveredSetup:
        """Everything that can be imported; what the settings bring along themselves is not looked up."""
        found = self._session.together(
            lambda: _tolerant(lambda: _key(self._session, settings)),
            lambda: _tolerant(lambda: _role(self._session, settings)),
            lambda: _tolerant(lambda: _policy(self._session, settings)),
            lambda: _tolerant(lambda: _trail(self._session, settings)),
            lambda: _tolerant(lambda: _logs_key(self._session, settings)),
            *(
                lambda look=look: _tolerant(lambda: _Look(things=look()))
                for look in existing_resources.looks(self._session, settings)
            ),
        )
        facts: dict[str, Any] = {}
        for look in found:
            facts.update(look.facts)
        return DiscoveredSetup(things=tuple(thing for look in found for thing in look.things), **facts)


def _tolerant(look: Callable[[], _Look]) -> _Look:
    # An endpoint without the service has nothing of it.
    try:
        return look()
    except Unsupported:
        return _NOTHING


# --- the key ------------------------------------------------------------------------------------------------------


def _key(session: Session, settings: Settings) -> _Look:
    alias = settings.names.alias
    key = kms.KmsKeys(session).alias_target(alias)
    if key is None:
        return _NOTHING
    policy, data_key = session.together(
        lambda: kms.KmsKeys(session).key_policy(key.arn),
        lambda: _data_key(session, key.arn, alias),
    )
    return _Look(
        things=(
            DiscoveredResource(thing=ResourceKind.KEY, id=key.arn.rpartition("/")[2], arn=key.arn),
            DiscoveredResource(thing=ResourceKind.ALIAS, id=alias, arn=alias),
        ),
        facts={"key": key, "key_policy": policy, "data_key": data_key},
    )


def _data_key(session: Session, key_arn: str, alias: str) -> FoundDataKey | None:
    """What Parameter Store has under the names of the guide's script for ECS, if that is of this key.

    The names carry no environment: without the key beside it nobody knows whose data key it is.
    """
    try:
        found = ParameterStore(session).read([GUIDE_DATA_KEY, GUIDE_KEY])
    except (PermissionDenied, Unsupported):
        return None
    told = found[GUIDE_KEY].value.strip() if GUIDE_KEY in found else ""
    where = key_arn.partition(":key/")[0]
    if GUIDE_DATA_KEY not in found or told not in (key_arn, key_arn.rpartition("/")[2], alias, f"{where}:{alias}"):
        return None
    try:
        wrapped = WrappedDataKey(value=found[GUIDE_DATA_KEY].value)
    except MalformedDataKey:
        wrapped = None
    return FoundDataKey(wrapped=wrapped, there=True, key_arn=told)


def _logs_key(session: Session, settings: Settings) -> _Look:
    key = existing_resources.logs_key(session, settings)
    return _Look(things=existing_resources.of_the_logs_key(key, settings), facts={"logs_key": key})


# --- the application ----------------------------------------------------------------------------------------------


def _role(session: Session, settings: Settings) -> _Look:
    if not settings.makes_role:
        return _NOTHING
    answer = session.find("iam", "GetRole", absent=_NO_ENTITY, RoleName=settings.names.app_role)
    if answer is None:
        return _NOTHING
    role = answer["Role"]
    others = _other_policies(session, settings, str(role["RoleName"]))
    return _Look(
        things=(
            DiscoveredResource(thing=ResourceKind.APPLICATION_ROLE, id=str(role["RoleName"]), arn=str(role["Arn"])),
        ),
        facts={
            "role_arn": str(role["Arn"]),
            "role_trust": role["AssumeRolePolicyDocument"],
            "role_boundary": (role.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn"),
            "role_policies": others,
        },
    )


def _other_policies(session: Session, settings: Settings, role: str) -> tuple[str, ...]:
    attached, inline = session.together(
        lambda: list(session.pages("iam", "ListAttachedRolePolicies", "AttachedPolicies", RoleName=role)),
        lambda: list(session.pages("iam", "ListRolePolicies", "PolicyNames", RoleName=role)),
    )
    own = settings.names.app_policy
    return (
        *(str(each["PolicyArn"]) for each in attached if each["PolicyName"] != own),
        *(f"inline {name}" for name in inline),
    )


def _policy(session: Session, settings: Settings) -> _Look:
    # A name is unique in its account whatever its path, and GetPolicy wants the ARN, path included.
    policies = session.pages("iam", "ListPolicies", "Policies", Scope="Local")
    found = next((each for each in policies if each["PolicyName"] == settings.names.app_policy), None)
    if found is None:
        return _NOTHING
    arn = str(found["Arn"])
    document, attachment = session.together(
        lambda: iam.Iam(session).policy_document(arn),
        lambda: _attachment(session, settings, arn),
    )
    return _Look(
        things=(DiscoveredResource(thing=ResourceKind.APPLICATION_POLICY, id=arn, arn=arn), *attachment),
        facts={"policy_arn": arn, "policy": document},
    )


def _attachment(session: Session, settings: Settings, policy_arn: str) -> tuple[DiscoveredResource, ...]:
    principal = settings.app_principal_arn
    if principal is None and not settings.makes_role:
        return ()
    name = principal.rpartition("/")[2] if principal else settings.names.app_role
    operation, of = ("ListAttachedRolePolicies", "RoleName")
    if principal and ":user/" in principal:
        operation, of = ("ListAttachedUserPolicies", "UserName")
    if not _is_attached(session, operation, {of: name}, policy_arn):
        return ()
    id_ = f"{name}/{policy_arn}"
    return (DiscoveredResource(thing=ResourceKind.POLICY_ATTACHMENT, id=id_, arn=id_),)


def _is_attached(session: Session, operation: str, of: Mapping[str, str], policy_arn: str) -> bool:
    marker: dict[str, str] = {}
    while True:
        answer = session.find("iam", operation, absent=_NO_ENTITY, **of, **marker)
        if answer is None:
            return False
        if any(each["PolicyArn"] == policy_arn for each in answer["AttachedPolicies"]):
            return True
        if not answer.get("IsTruncated"):
            return False
        marker = {"Marker": answer["Marker"]}


# --- the trail and its bucket -------------------------------------------------------------------------------------


def _trail(session: Session, settings: Settings) -> _Look:
    if settings.existing_trail_arn is not None:
        return _NOTHING
    names = settings.names
    # A trail of every Region has its name everywhere, wherever its home is.
    found = cloudtrail.find_trail(session, names.trail) or next(
        (each for each in cloudtrail.CloudTrail(session).list_trails() if each.name == names.trail), None
    )
    if found is None:
        return _NOTHING
    # Its name may be any: the trail tells it.
    bucket = _bucket(session, settings, found.bucket)
    return _Look(
        things=(DiscoveredResource(thing=ResourceKind.TRAIL, id=found.arn, arn=found.arn), *bucket.things),
        facts={"trail": found, **bucket.facts},
    )


def _bucket(session: Session, settings: Settings, bucket: str) -> _Look:
    account = settings.account_id
    if not bucket or cloudtrail.bucket_owner(session, bucket, account) != "ours":
        return _NOTHING

    def ask(operation: str, *absent: str) -> Any:
        try:
            return session.find("s3", operation, absent=absent, Bucket=bucket, ExpectedBucketOwner=account)
        except Unsupported:
            return None

    location = ask("GetBucketLocation") or {}
    home = _region_of(location.get("LocationConstraint"))
    if location and home != session.region:
        # What it is like only its own Region tells.
        return _Look(
            things=(DiscoveredResource(thing=ResourceKind.BUCKET, id=bucket, arn=bucket),),
            facts={"bucket_region": home},
        )
    policy, retention, settled = session.together(
        lambda: ask("GetBucketPolicy", "NoSuchBucketPolicy"),
        lambda: cloudtrail.CloudTrail(session).bucket_retention(bucket),
        lambda: existing_resources.settings_of_bucket(session, bucket, account, ResourceKind.BUCKET),
    )
    things = [ResourceKind.BUCKET, *([ResourceKind.BUCKET_POLICY] if policy else []), *settled]
    return _Look(
        things=tuple(DiscoveredResource(thing=thing, id=bucket, arn=bucket) for thing in things),
        facts={"retention": retention, "bucket_policy": _document(bucket, policy)},
    )


def _region_of(constraint: str | None) -> str:
    # https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLocation.html: the oldest names are still told.
    return {None: "us-east-1", "": "us-east-1", "EU": "eu-west-1"}.get(constraint, constraint or "us-east-1")


def _document(bucket: str, answer: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    if not answer:
        return None
    document = json.loads(answer["Policy"])
    if not isinstance(document, dict):
        raise ResourceError(
            f"the policy of {bucket} is no JSON object", Command(f"aws s3api get-bucket-policy --bucket {bucket}")
        )
    return document
