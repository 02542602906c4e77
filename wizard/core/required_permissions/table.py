"""The measured permissions: which actions a role needs on which resource, under which condition.

Reads `measured.json` in this folder, which the tests compare with what whole set-ups need. `policy` grants these
permissions and the preflight checks them, so that the two cannot differ.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from components.policies.boundary import keeping_statements, tagged
from components.policies.stack import alert_rules_of, other_keys_of, reads_itself, trail_arn_of
from components.settings import ResourceKind, Settings
from components.settings.arn import Arn
from wizard.core.required_permissions.resources import (
    BOUNDARY,
    CREATE_ONLY,
    FEATURES,
    LOGS_KEY,
    RECORDS,
    REPLICAS_ELSEWHERE,
    STORED_KEYS,
    Setup,
    kept_keys_of,
    resources_of,
)

TABLE = Path(__file__).with_name("measured.json")

UNCHECKED = frozenset(
    {
        "access-analyzer:CheckNoNewAccess",
        "access-analyzer:CheckNoPublicAccess",
        "access-analyzer:ValidatePolicy",
        "iam:PutRolePermissionsBoundary",
        "iam:PutUserPermissionsBoundary",
        "kms:ListGrants",
        "kms:ListKeys",
    }
)
"""Actions of the operator's policy that the set-up can do without: the preflight does not ask for them.

The keys are listed only after a run that was interrupted. A boundary is put on a role that had none or another.
"""

BOUNDED = frozenset(
    {
        "iam:AttachRolePolicy",
        "iam:AttachUserPolicy",
        "iam:CreateRole",
        "iam:CreateUser",
        "iam:PutRolePermissionsBoundary",
        "iam:PutRolePolicy",
        "iam:PutUserPermissionsBoundary",
    }
)
"""The operator's actions that make a role or a user, or give it permissions: only where it has the settings' boundary.

https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html#access_policies_boundaries-delegate
"""

_TAGGING = frozenset({"iam:TagOpenIDConnectProvider", "iam:TagPolicy", "iam:TagRole", "iam:TagUser"})
"""Tags of a role or a user are conditions of other policies of the account (aws:PrincipalTag): only the stack's own."""


def read_elsewhere() -> frozenset[tuple[str, str]]:
    """The (resource, action) pairs of the replicas in Regions that the settings do not name; no healthy stack has any.

    Nothing is refused where they are lacking: then who has access there is unknown.
    """
    return frozenset((REPLICAS_ELSEWHERE, action) for action in load("unmeasured")[REPLICAS_ELSEWHERE])


@dataclass(frozen=True, kw_only=True)
class RequiredPermission:
    """Actions that are needed together, on one resource."""

    actions: tuple[str, ...]
    resource: str
    region: str
    """Region of the request: policies may have a condition for it (aws:RequestedRegion)."""
    context: Mapping[str, tuple[str, ...]]
    """The request's other condition keys: the tags of a new key, the service that a role is passed to. One without a
    value is not in the request."""


def load(role: str) -> dict[str, dict[str, Any]]:
    """A part of the table: actions by resource, each with the features that need it; none if always needed."""
    part: dict[str, dict[str, Any]] = _tables()[role]
    return part


@cache
def _tables() -> dict[str, Any]:
    tables: dict[str, Any] = json.loads(TABLE.read_text(encoding="utf-8"))
    return tables


def measured_actions(setup: Setup, role: str, resource: str) -> set[str]:
    rows = load(role).get(resource, {})
    return {
        action
        for action, features in rows.items()
        if not features or any(FEATURES[feature](setup) for feature in features)
    }


def operator_actions(setup: Setup, resource: str) -> set[str]:
    """The operator's actions on a resource: measured, or reads of the AWS provider; no creations of what exists."""
    unmeasured = {action for part in ("provider reads", "unmeasured") for action in load(part).get(resource, {})}
    return (measured_actions(setup, "operator", resource) | unmeasured) - _existing_creations(setup.settings, resource)


def later_actions(settings: Settings, resource: str) -> set[str]:
    """A new version of a policy that the stack makes: a hash key, another target or another Region is in it later.

    AWS has no condition for what a policy is attached to. So there is none where a principal may have it whose only
    limit is its policies: without a boundary in the settings, imported, or of somebody else.
    """
    holders = {
        "application's policy": settings.app_principal_arn,
        "policy that reads the variables": settings.ecs_execution_role_arn
        or (settings.app_principal_arn if reads_itself(settings) else None),
    }
    is_bounded = settings.permissions_boundary_arn is not None and not settings.adopted
    return {"iam:CreatePolicyVersion"} if is_bounded and holders.get(resource, "somebody") is None else set()


_CREATIONS: Mapping[str, tuple[ResourceKind, str]] = {
    "application's role": (ResourceKind.APPLICATION_ROLE, "iam:CreateRole"),
    "application's policy": (ResourceKind.APPLICATION_POLICY, "iam:CreatePolicy"),
    "trail": (ResourceKind.TRAIL, "cloudtrail:CreateTrail"),
    "trail's bucket": (ResourceKind.BUCKET, "s3:CreateBucket"),
    "account": (ResourceKind.KEY, "kms:CreateKey"),
    "new keys": (ResourceKind.KEY, "kms:TagResource"),
}


def _existing_creations(settings: Settings, resource: str) -> set[str]:
    """The creating actions of a resource that was imported or that belongs to somebody else."""
    imported = {entry.partition("=")[0] for entry in settings.adopted}
    creates_other_key = bool(settings.replica_regions or other_keys_of(settings))
    creations = set()
    if resource == "Vercel's identity provider" and settings.vercel_oidc_provider_arn:
        creations |= {"iam:CreateOpenIDConnectProvider", "iam:TagOpenIDConnectProvider"}
    kind, action = _CREATIONS.get(resource, (None, ""))
    if kind is not None and kind in imported and not (kind is ResourceKind.KEY and creates_other_key):
        creations.add(action)
    if (
        resource in ("application's role", "existing application role", "existing application user")
        and ResourceKind.POLICY_ATTACHMENT in imported
    ):
        creations |= {"iam:AttachRolePolicy", "iam:AttachUserPolicy"}
    return creations


def condition_of(setup: Setup, resource: str, action: str) -> dict[str, Any]:
    """The condition that restricts an action beyond its resource; empty for none.

    https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
    """
    settings = setup.settings
    if action == "iam:PassRole":
        service = {"log role": "cloudtrail", "forwarding role": "events"}[resource]
        return {"StringEquals": {"iam:PassedToService": f"{service}.amazonaws.com"}}
    if action == "iam:CreateServiceLinkedRole":
        return {"StringEquals": {"iam:AWSServiceName": "mrk.kms.amazonaws.com"}}
    if action in BOUNDED:
        return _bounded(setup, resource, action)
    if action in _TAGGING:
        # A repair sends only the tags that differ.
        return {
            "StringEqualsIfExists": tagged(settings, "RequestTag"),
            "ForAllValues:StringEquals": {"aws:TagKeys": list(settings.tags)},
        }
    if action == "kms:CreateKey":
        regions = list(settings.regions) if len(settings.regions) > 1 else settings.region
        return {"StringEquals": {**tagged(settings, "RequestTag"), "aws:RequestedRegion": regions}}
    if resource == "new keys":
        # CreateKey with tags needs kms:TagResource on every key. A key that exists has an alias, or the tags of its
        # owner; a new one has neither. https://docs.aws.amazon.com/kms/latest/developerguide/tag-permissions.html
        return {
            "StringEquals": tagged(settings, "RequestTag"),
            "StringEqualsIfExists": tagged(settings, "ResourceTag"),
            "Null": {"kms:ResourceAliases": "true"},
        }
    if resource == "keys":
        return {"StringEquals": tagged(settings, "ResourceTag")}
    if resource == LOGS_KEY:
        return _for_trail(settings)
    if action == "ssm:PutParameter" and resource in CREATE_ONLY:
        # A request without the key overwrites nothing either.
        # https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-policy-conditions.html
        return {"StringNotEquals": {OVERWRITE: "true"}}
    return _of_alerts(settings, action)


def _of_alerts(settings: Settings, action: str) -> dict[str, Any]:
    """The condition with which the alerts go only where the settings say."""
    if action == "events:PutTargets":
        # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-conditions.html
        targets = {rule.target for rule in alert_rules_of(settings) if rule.target}
        return {"ForAllValues:ArnEquals": {"events:TargetArn": sorted(targets)}}
    if action == "cloudwatch:PutMetricAlarm":
        # An action can also end machines or run a function.
        # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/iam-cw-condition-keys-alarm-actions.html
        return {
            "ForAllValues:StringEquals": {"cloudwatch:AlarmActions": settings.arn("sns", settings.names.alert_topic)}
        }
    if action == "sns:Subscribe":
        return {"StringEquals": {"sns:Protocol": "email", "sns:Endpoint": list(settings.alert_emails)}}
    return {}


def _for_trail(settings: Settings) -> dict[str, Any]:
    """The condition that the logs' key is used for this stack's trail alone."""
    # CloudTrail names the trail, and S3 the object:
    # https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-kms-key-policy-for-cloudtrail.html
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html#encryption-context
    return {
        "ForAnyValue:StringEquals": {"kms:ResourceAliases": settings.names.trail_key_alias},
        "StringEquals": {
            "kms:ViaService": f"s3.{settings.region}.amazonaws.com",
            "kms:EncryptionContext:aws:cloudtrail:arn": trail_arn_of(settings),
        },
        "StringLike": {"kms:EncryptionContext:aws:s3:arn": settings.arn("s3", f"{settings.names.trail_bucket}/*")},
    }


OVERWRITE = "ssm:Overwrite"
"""The condition key of PutParameter: whether the request may replace the value of a parameter that exists."""

_OF_OTHERS = ("existing application role", "existing application user", "existing execution role")
"""Principals that the stack did not make, and does not bound."""


def _bounded(setup: Setup, resource: str, action: str) -> dict[str, Any]:
    """The condition of an action that gives a principal permissions: the policies to attach, and its boundary.

    Without a boundary in the settings there is none: so an administrator without one can still set up a stack.
    """
    boundary = setup.settings.permissions_boundary_arn
    attached = {"ArnEquals": {"iam:PolicyARN": _policy_arns(setup)}} if action.startswith("iam:Attach") else {}
    if boundary is None or resource in _OF_OTHERS:
        return attached
    return {**attached, "StringEquals": {"iam:PermissionsBoundary": boundary}}


def _policy_arns(setup: Setup) -> list[str]:
    known = resources_of(setup)
    return [arn for name in ("application's policy", "policy that reads the variables") for arn in known.get(name, ())]


# --- what the preflight asks IAM's simulator ----------------------------------------------------------------------


def required(settings: Settings, caller_arn: str) -> tuple[RequiredPermission, ...]:
    """The grants of `policy operator` for these settings, without UNCHECKED, as the caller's future requests."""
    setup = Setup(settings=settings, operator=caller_arn)
    checked = _checked(setup)
    return tuple(_of_requests(setup, checked, held=checked))


def required_to_replace(settings: Settings) -> tuple[RequiredPermission, ...]:
    """What `policy promotion` grants on the stored keys of these settings, as the requests of a replacement."""
    setup = Setup(settings=settings, operator="")
    actions = sorted(measured_actions(setup, "promotion", STORED_KEYS))
    replaced = {STORED_KEYS: (kept_keys_of(settings)[STORED_KEYS], actions)}
    return tuple(_of_requests(setup, replaced, held={**_checked(setup), **replaced}))


_Actions = Mapping[str, tuple[tuple[str, ...], list[str]]]
"""The ARNs of each resource, and the actions on them."""


def _checked(setup: Setup) -> _Actions:
    """The ARNs of each resource of `policy operator`, and its actions without UNCHECKED."""
    return {
        resource: (arns, sorted(operator_actions(setup, resource) - UNCHECKED))
        for resource, arns in resources_of(setup).items()
        if resource not in (BOUNDARY, REPLICAS_ELSEWHERE, RECORDS)
    }


def _of_requests(setup: Setup, checked: _Actions, *, held: _Actions) -> Iterator[RequiredPermission]:
    """The actions on each resource, as the requests that need them.

    `held`: what the caller's policies may be about, whatever is asked: their conditions name other keys, too.
    """
    common = _common_context(
        setup, ((resource, action) for resource, (_, actions) in held.items() for action in actions)
    )
    for resource, (arns, actions) in checked.items():
        by_context: dict[str, list[str]] = {}
        for action in actions:
            for context in _contexts(setup, resource, action):
                by_context.setdefault(json.dumps(context), []).append(action)
        new = dict.fromkeys(tagged(setup.settings, "ResourceTag"), ()) if resource == "new keys" else {}
        for text, together in by_context.items():
            sent = {key: (value,) for key, value in json.loads(text).items()}
            for arn, region in _requests(setup, resource, arns, together):
                yield RequiredPermission(
                    actions=tuple(together), resource=arn, region=region, context={**common, **new, **sent}
                )


def _common_context(setup: Setup, actions: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """The condition keys of the operator's policy as every request has them: the tags are those of the settings, and
    the others are in those requests only that are conditioned on them.
    """
    conditions = [condition_of(setup, *action) for action in actions]
    conditions += [statement.get("Condition", {}) for statement in keeping_statements(setup.settings)]
    used = {key for condition in conditions for tested in condition.values() for key in tested}
    tags = {**tagged(setup.settings, "RequestTag"), **tagged(setup.settings, "ResourceTag")}
    return {
        **dict.fromkeys(sorted(used - {"aws:RequestedRegion"}), ()),
        **{key: (value,) for key, value in tags.items()},
        "aws:TagKeys": tuple(setup.settings.tags),
    }


_A_VERSION = "0123456789abcdef"
"""The name of a version of a wrapped key in its folder: any fingerprint."""

_SENT = ("ArnEquals", "StringEquals", "StringLike", "ForAllValues:ArnEquals", "ForAllValues:StringEquals")
"""The operators whose keys a request of the set-up has."""

_READERS = frozenset({"execution role", "existing execution role", "role that reads the variables"})
"""The roles that get the second of the two policies, which reads the variables."""


def _contexts(setup: Setup, resource: str, action: str) -> Iterator[dict[str, str]]:
    """The condition of an action as the requests carry it, one value for each key.

    The Region is passed separately, and the tags' names are the same in all requests. The set-up sends one request for
    each e-mail address.
    """
    values = {
        key: [value] if isinstance(value, str) else value
        for operator, condition in condition_of(setup, resource, action).items()
        for key, value in condition.items()
        # The others are about what a new resource does not have.
        if operator in _SENT and key not in ("aws:RequestedRegion", "aws:TagKeys")
    }
    if action == "ssm:PutParameter":
        values[OVERWRITE] = [str(resource not in CREATE_ONLY).lower()]
    position = -1 if resource in _READERS else 0
    for address in values.get("sns:Endpoint", [""]):
        yield {key: address if key == "sns:Endpoint" else value[position] for key, value in values.items()}


def _requests(setup: Setup, resource: str, arns: tuple[str, ...], actions: list[str]) -> Iterator[tuple[str, str]]:
    """ARNs with the Regions of the requests: patterns become the ARNs that will exist, `*` each Region of a key."""
    settings = setup.settings
    iam_region = settings.iam_region
    if resource == "callers":
        yield setup.operator, iam_region
        return
    for arn in arns:
        if arn == "*":
            everywhere = "kms:CreateKey" in actions
            is_iam = all(action.startswith("iam:") for action in actions)
            regions = settings.regions if everywhere else (iam_region if is_iam else settings.region,)
            yield from ((arn, region) for region in regions)
            continue
        named = Arn.parse(arn)
        region = named.region or (iam_region if named.service == "iam" else settings.region)
        if resource in ("parameters", "secrets"):
            # Name by name: a caller whose policies list the variables is allowed all that is needed.
            names = [*(settings.variables if settings.uses_store else settings.wrapped_keys)]
            folders = [of_key.names.versions for of_key in settings.of_each_key]
            names += [f"{folder.rpartition('/')[2]}/{_A_VERSION}" for folder in folders]
            ending = "-AbCdEf" if resource == "secrets" else ""
            yield from ((f"{arn.removesuffix('*')}{name}{ending}", region) for name in names)
        else:
            yield arn.replace("??????", "AbCdEf"), region
