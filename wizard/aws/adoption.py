"""What somebody set up by hand under the stack's names, with all that is needed to compare and import it.

Asks KMS, IAM, CloudTrail and S3, side by side; changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from components.contract import Settings, Thing
from wizard.aws import kms, permissions, trail
from wizard.aws.session import Session
from wizard.errors import ResourceError, Unsupported
from wizard.facts import Found, HandMade

_NO_ENTITY = ("NoSuchEntity",)


@dataclass(frozen=True, kw_only=True)
class _Look:
    """What one look-up found: things to import, and fields of HandMade."""

    things: tuple[Found, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


_NOTHING = _Look()


def find_hand_made(session: Session, settings: Settings) -> HandMade:
    """Everything that can be taken in; what the settings bring along themselves is not looked up.

    Raises ResourceError for what no import could carry over: imported key material, a permissions boundary that the
    settings do not name, a bucket of another Region.
    """
    found = session.together(
        lambda: _tolerant(lambda: _key(session, settings)),
        lambda: _tolerant(lambda: _role(session, settings)),
        lambda: _tolerant(lambda: _policy(session, settings)),
        lambda: _tolerant(lambda: _trail(session, settings)),
    )
    facts: dict[str, Any] = {}
    for look in found:
        facts.update(look.facts)
    return HandMade(things=tuple(thing for look in found for thing in look.things), **facts)


def _tolerant(look: Callable[[], _Look]) -> _Look:
    # An endpoint without the service has nothing of it.
    try:
        return look()
    except Unsupported:
        return _NOTHING


# --- the key ------------------------------------------------------------------------------------------------------


def _key(session: Session, settings: Settings) -> _Look:
    alias = settings.names.alias
    key = kms.alias_target(session, alias)
    if key is None:
        return _NOTHING
    policy, described = session.together(
        lambda: kms.key_policy(session, key.arn),
        lambda: session.call("kms", "DescribeKey", KeyId=key.arn),
    )
    _refuse_unlike(alias, described["KeyMetadata"])
    return _Look(
        things=(
            Found(thing=Thing.KEY, id=key.arn.rpartition("/")[2], arn=key.arn),
            Found(thing=Thing.ALIAS, id=alias, arn=alias),
        ),
        facts={"key": key, "key_policy": policy},
    )


def _refuse_unlike(alias: str, metadata: Mapping[str, Any]) -> None:
    """Kinds of keys that the program's key cannot stand for, whatever else they are like.

    https://docs.aws.amazon.com/kms/latest/APIReference/API_KeyMetadata.html
    """
    arn = str(metadata["Arn"])
    beside = "set up another environment beside it: --environment NAME --stack NAME"
    origin = str(metadata.get("Origin") or "AWS_KMS")
    if origin != "AWS_KMS":
        raise ResourceError(
            f"the key {arn} of {alias} has material that KMS did not make ({origin}): it is never rotated by KMS, "
            "and this stack makes no such key",
            beside,
        )
    kind = (metadata.get("MultiRegionConfiguration") or {}).get("MultiRegionKeyType")
    if kind == "REPLICA":
        primary = metadata["MultiRegionConfiguration"].get("PrimaryKey", {})
        raise ResourceError(
            f"the key {arn} of {alias} is a replica; its primary is {primary.get('Arn', 'in another Region')}",
            f"run in the primary's Region: --region {primary.get('Region', 'REGION')}; or {beside}",
        )


# --- the application ----------------------------------------------------------------------------------------------


def _role(session: Session, settings: Settings) -> _Look:
    if not settings.makes_role:
        return _NOTHING
    answer = session.find("iam", "GetRole", absent=_NO_ENTITY, RoleName=settings.names.app_role)
    if answer is None:
        return _NOTHING
    role = answer["Role"]
    boundary = (role.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn")
    if boundary and boundary != settings.permissions_boundary_arn:
        raise ResourceError(
            f"the role {role['Arn']} has the permissions boundary {boundary}, which the settings do not name: "
            "to adopt the role would take it away",
            f"keep it: --permissions-boundary {boundary}",
        )
    return _Look(
        things=(Found(thing=Thing.APPLICATION_ROLE, id=str(role["RoleName"]), arn=str(role["Arn"])),),
        facts={"role_arn": str(role["Arn"]), "role_trust": role["AssumeRolePolicyDocument"]},
    )


def _policy(session: Session, settings: Settings) -> _Look:
    # A name is unique in its account whatever its path, and GetPolicy wants the ARN, path included.
    policies = session.pages("iam", "ListPolicies", "Policies", Scope="Local")
    found = next((each for each in policies if each["PolicyName"] == settings.names.app_policy), None)
    if found is None:
        return _NOTHING
    arn = str(found["Arn"])
    document, attachment = session.together(
        lambda: permissions.policy_document(session, arn),
        lambda: _attachment(session, settings, arn),
    )
    return _Look(
        things=(Found(thing=Thing.APPLICATION_POLICY, id=arn, arn=arn), *attachment),
        facts={"policy_arn": arn, "policy": document},
    )


def _attachment(session: Session, settings: Settings, policy_arn: str) -> tuple[Found, ...]:
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
    return (Found(thing=Thing.POLICY_ATTACHMENT, id=id_, arn=id_),)


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
    found = trail.find_trail(session, names.trail) or next(
        (each for each in trail.list_trails(session) if each.name == names.trail), None
    )
    if found is None:
        return _NOTHING
    # Its name may be any: the trail tells it.
    bucket = _bucket(session, settings, found.bucket)
    return _Look(
        things=(Found(thing=Thing.TRAIL, id=found.arn, arn=found.arn), *bucket.things),
        facts={"trail": found, **bucket.facts},
    )


def _bucket(session: Session, settings: Settings, bucket: str) -> _Look:
    account = settings.account_id
    if not bucket or trail.bucket_owner(session, bucket, account) != "ours":
        return _NOTHING

    def ask(operation: str, *absent: str) -> Any:
        try:
            return session.find("s3", operation, absent=absent, Bucket=bucket, ExpectedBucketOwner=account)
        except Unsupported:
            return None

    location = ask("GetBucketLocation") or {}
    home = _region_of(location.get("LocationConstraint"))
    if location and home != session.region:
        raise ResourceError(
            f"the bucket {bucket} is in {home}, and this stack in {session.region}",
            "use the trail as it is, with its bucket: --trail ARN --trail-bucket NAME; or name another bucket",
        )
    policy, retention, *settled = session.together(
        lambda: ask("GetBucketPolicy", "NoSuchBucketPolicy"),
        lambda: trail.bucket_retention(session, bucket, account),
        *(lambda operation=operation, absent=absent: ask(operation, absent) for _, operation, absent in _SETTINGS),
    )
    things = [Thing.BUCKET, *([Thing.BUCKET_POLICY] if policy else [])]
    things += [thing for (thing, _, _), answer in zip(_SETTINGS, settled, strict=True) if answer is not None]
    return _Look(
        things=tuple(Found(thing=thing, id=bucket, arn=bucket) for thing in things),
        facts={"retention": retention, "bucket_policy": _document(bucket, policy)},
    )


_SETTINGS = (
    # Every bucket has these two, set or not: without versioning it is told as none.
    (Thing.BUCKET_VERSIONING, "GetBucketVersioning", "NoSuchBucket"),
    (Thing.BUCKET_ENCRYPTION, "GetBucketEncryption", "ServerSideEncryptionConfigurationNotFoundError"),
    (Thing.BUCKET_PUBLIC_ACCESS, "GetPublicAccessBlock", "NoSuchPublicAccessBlockConfiguration"),
    (Thing.BUCKET_OWNERSHIP, "GetBucketOwnershipControls", "OwnershipControlsNotFoundError"),
    (Thing.BUCKET_LIFECYCLE, "GetBucketLifecycleConfiguration", "NoSuchLifecycleConfiguration"),
)
"""Settings of a bucket that are resources of their own: how each is read, and the code for a bucket without it."""


def _region_of(constraint: str | None) -> str:
    # https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLocation.html: the oldest names are still told.
    return {None: "us-east-1", "": "us-east-1", "EU": "eu-west-1"}.get(constraint, constraint or "us-east-1")


def _document(bucket: str, answer: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    if not answer:
        return None
    document = json.loads(answer["Policy"])
    if not isinstance(document, dict):
        raise ResourceError(
            f"the policy of {bucket} is no JSON object", f"aws s3api get-bucket-policy --bucket {bucket}"
        )
    return document
