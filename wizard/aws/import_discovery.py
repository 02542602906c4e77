"""Finds resources with the stack's names, created manually or left by a stack, with the facts for an import.

Asks KMS, IAM, CloudTrail, S3 and Parameter Store, in parallel; changes nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from components.settings import ResourceKind, Settings
from components.settings.arn import Arn, resource_name
from components.settings.names import Names
from wizard.aws import existing_resources, iam, kms
from wizard.aws import trail as trails
from wizard.aws.auth.errors import code_of
from wizard.aws.auth.session import Session
from wizard.aws.auth.session_client import SessionClient
from wizard.aws.data_keys.stores import ParameterStore
from wizard.core.data_key import MalformedDataKey, WrappedDataKey
from wizard.core.errors import PermissionDenied, SetupError, Unsupported
from wizard.core.models.account import DiscoveredDataKey, DiscoveredResource, DiscoveredSetup

_NO_ENTITY = ("NoSuchEntity",)


@dataclass(frozen=True, kw_only=True)
class _Answer:
    """The answer of one look-up: resources to import, and fields of DiscoveredSetup."""

    resources: tuple[DiscoveredResource, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


_NOTHING = _Answer()


class ImportDiscovery(SessionClient):
    """Finds resources that the stack can import."""

    def discover_setup(self, settings: Settings) -> DiscoveredSetup:
        """Everything that can be imported; resources that the settings name themselves are not looked up."""
        answers = self._session.together(
            lambda: _tolerant(lambda: _key(self._session, settings)),
            lambda: _tolerant(lambda: _role(self._session, settings)),
            lambda: _tolerant(lambda: _policy(self._session, settings)),
            lambda: _tolerant(lambda: _trail(self._session, settings)),
            lambda: _tolerant(lambda: _other_keys(self._session, settings)),
            *(
                lambda lookup=lookup: _tolerant(lambda: _Answer(resources=lookup()))
                for lookup in existing_resources.tagged_lookups(self._session, settings)
            ),
        )
        facts: dict[str, Any] = {}
        for answer in answers:
            facts.update(answer.facts)
        return DiscoveredSetup(things=tuple(entry for answer in answers for entry in answer.resources), **facts)


def _tolerant(lookup: Callable[[], _Answer]) -> _Answer:
    # An endpoint without the service has none of its resources.
    try:
        return lookup()
    except Unsupported:
        return _NOTHING


# --- the key ------------------------------------------------------------------------------------------------------


def _key(session: Session, settings: Settings) -> _Answer:
    alias = settings.names.alias
    key = kms.KmsKeys(session).alias_target(alias)
    if key is None:
        return _NOTHING
    policy, data_key = session.together(
        lambda: kms.KmsKeys(session).key_policy(key.arn),
        lambda: _data_key(session, key.arn, settings.names),
    )
    return _Answer(
        resources=(
            DiscoveredResource(thing=ResourceKind.KEY, id=resource_name(key.arn), arn=key.arn),
            DiscoveredResource(thing=ResourceKind.ALIAS, id=alias, arn=alias),
        ),
        facts={"key": key, "key_policy": policy, "data_key": data_key},
    )


def _data_key(session: Session, key_arn: str, names: Names) -> DiscoveredDataKey | None:
    """The data key that the guide's script for ECS stored, if it belongs to this key.

    The script's names carry no environment, so a data key counts only together with the name of its KMS key.
    """
    try:
        parameters = ParameterStore(session).read([names.guide_data_key, names.guide_key])
    except (PermissionDenied, Unsupported):
        return None
    named_key = parameters[names.guide_key].value.strip() if names.guide_key in parameters else ""
    key = Arn.parse(key_arn)
    if names.guide_data_key not in parameters or named_key not in (
        key_arn,
        key.name,
        names.alias,
        str(key.with_resource(names.alias)),
    ):
        return None
    try:
        wrapped = WrappedDataKey(value=parameters[names.guide_data_key].value)
    except MalformedDataKey:
        wrapped = None
    return DiscoveredDataKey(wrapped=wrapped, exists=True, key_arn=named_key)


def _other_keys(session: Session, settings: Settings) -> _Answer:
    found = existing_resources.other_keys(session, settings)
    return _Answer(
        resources=existing_resources.other_key_resources(found, settings),
        facts={
            "logs_key": found.get(settings.names.trail_key_alias),
            "documents_key": found.get(settings.names.documents_key_alias),
        },
    )


# --- the application ----------------------------------------------------------------------------------------------


def _role(session: Session, settings: Settings) -> _Answer:
    if not settings.makes_role:
        return _NOTHING
    answer = session.find("iam", "GetRole", absent=_NO_ENTITY, RoleName=settings.names.app_role)
    if answer is None:
        return _NOTHING
    role = answer["Role"]
    others = _other_policies(session, settings, str(role["RoleName"]))
    return _Answer(
        resources=(
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
        *(str(policy["PolicyArn"]) for policy in attached if policy["PolicyName"] != own),
        *(f"inline {name}" for name in inline),
    )


def _policy(session: Session, settings: Settings) -> _Answer:
    # A name is unique in its account, but GetPolicy needs the ARN, path included.
    policies = session.pages("iam", "ListPolicies", "Policies", Scope="Local")
    policy = next((policy for policy in policies if policy["PolicyName"] == settings.names.app_policy), None)
    if policy is None:
        return _NOTHING
    arn = str(policy["Arn"])
    document, attachment = session.together(
        lambda: iam.Iam(session).policy_document(arn),
        lambda: _attachment(session, settings, arn),
    )
    return _Answer(
        resources=(DiscoveredResource(thing=ResourceKind.APPLICATION_POLICY, id=arn, arn=arn), *attachment),
        facts={"policy_arn": arn, "policy": document},
    )


def _attachment(session: Session, settings: Settings, policy_arn: str) -> tuple[DiscoveredResource, ...]:
    principal = settings.app_principal_arn
    if principal is None and not settings.makes_role:
        return ()
    name = Arn.parse(principal).name if principal else settings.names.app_role
    operation, parameter = ("ListAttachedRolePolicies", "RoleName")
    if principal and ":user/" in principal:
        operation, parameter = ("ListAttachedUserPolicies", "UserName")
    if not _is_attached(session, operation, {parameter: name}, policy_arn):
        return ()
    id_ = f"{name}/{policy_arn}"
    return (DiscoveredResource(thing=ResourceKind.POLICY_ATTACHMENT, id=id_, arn=id_),)


def _is_attached(session: Session, operation: str, holder: Mapping[str, str], policy_arn: str) -> bool:
    attached = session.pages("iam", operation, "AttachedPolicies", **holder)
    try:
        return any(policy["PolicyArn"] == policy_arn for policy in attached)
    except SetupError as error:
        if code_of(error.__cause__) in _NO_ENTITY:
            return False
        raise


# --- the trail and its bucket -------------------------------------------------------------------------------------


def _trail(session: Session, settings: Settings) -> _Answer:
    if not settings.makes_trail:
        return _NOTHING
    names = settings.names
    # A trail of all Regions has its name in every Region, whichever its home is.
    trail = trails.find_trail(session, names.trail) or next(
        (trail for trail in trails.CloudTrail(session).list_trails() if trail.name == names.trail), None
    )
    if trail is None:
        return _NOTHING
    # The bucket may have any name: the trail names it.
    bucket = _bucket(session, settings, trail.bucket)
    return _Answer(
        resources=(DiscoveredResource(thing=ResourceKind.TRAIL, id=trail.arn, arn=trail.arn), *bucket.resources),
        facts={"trail": trail, **bucket.facts},
    )


def _bucket(session: Session, settings: Settings, bucket: str) -> _Answer:
    account = settings.account_id
    if not bucket or trails.bucket_owner(session, bucket, account) != "ours":
        return _NOTHING

    def ask(operation: str, *absent: str) -> Any:
        try:
            return session.find("s3", operation, absent=absent, Bucket=bucket, ExpectedBucketOwner=account)
        except Unsupported:
            return None

    location = ask("GetBucketLocation") or {}
    home = region_of_location(location.get("LocationConstraint"))
    if location and home != session.region:
        # Only its own Region describes the rest of it.
        return _Answer(
            resources=(DiscoveredResource(thing=ResourceKind.BUCKET, id=bucket, arn=bucket),),
            facts={"bucket_region": home},
        )
    policy, retention, bucket_settings = session.together(
        lambda: ask("GetBucketPolicy", "NoSuchBucketPolicy"),
        lambda: trails.CloudTrail(session).bucket_retention(bucket),
        lambda: existing_resources.bucket_settings(session, bucket, account, ResourceKind.BUCKET),
    )
    kinds = [ResourceKind.BUCKET, *([ResourceKind.BUCKET_POLICY] if policy else []), *bucket_settings]
    return _Answer(
        resources=tuple(DiscoveredResource(thing=kind, id=bucket, arn=bucket) for kind in kinds),
        facts={"retention": retention, "bucket_policy": trails.bucket_policy_of(bucket, policy)},
    )


def region_of_location(constraint: str | None) -> str:
    """The Region of a bucket, by the LocationConstraint of GetBucketLocation."""
    # https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLocation.html: the oldest names are still in use.
    return {None: "us-east-1", "": "us-east-1", "EU": "eu-west-1"}.get(constraint, constraint or "us-east-1")
