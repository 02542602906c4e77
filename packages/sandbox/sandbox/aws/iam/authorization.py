"""The IAM actions that AWS requires for a call, each with its resource and the request's condition keys.

Reads moto's IAM, KMS and Secrets Manager in this process.
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from moto.iam.models import iam_backends
from moto.secretsmanager.models import secretsmanager_backends

from sandbox.arns import parse as parse_arn
from sandbox.aws.iam.ecs_calls import ecs_context, ecs_resources
from sandbox.aws.protocol import Call
from sandbox.state import ACCOUNT

Context = dict[str, tuple[str, ...]]

UNAUTHORIZED = frozenset({("sts", "GetCallerIdentity")})
"""Calls that need no permission. https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html"""


@dataclass(frozen=True, kw_only=True)
class RequiredAction:
    """One action on one resource; `context` holds the request's condition keys, without the caller's."""

    action: str
    resource: str = "*"
    context: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def required_actions(call: Call) -> tuple[RequiredAction, ...]:
    """The actions that a call needs, without those of key policies; an unknown operation needs its own name."""
    if not call.operation or (call.service, call.operation) in UNAUTHORIZED:
        return ()
    actions = _SERVICES.get(call.service, _default_action)(call)
    region = {"aws:RequestedRegion": (call.region,)}
    return tuple(
        RequiredAction(action=item.action, resource=item.resource, context=region | dict(item.context))
        for item in actions
    )


def _default_action(call: Call) -> Iterator[RequiredAction]:
    yield RequiredAction(action=f"{call.service}:{call.operation}")


def _arn(call: Call, service: str, rest: str) -> str:
    return f"arn:aws:{service}:{call.region}:{ACCOUNT}:{rest}"


def _tags(pairs: Iterable[tuple[object, object]]) -> Context:
    tags = {f"aws:RequestTag/{name}": (str(value),) for name, value in pairs}
    return {**tags, "aws:TagKeys": tuple(name.partition("/")[2] for name in tags)} if tags else {}


def _members(call: Call, name: str) -> Iterator[Mapping[str, Any]]:
    """The members of a list: from a JSON body, or `Name.member.1.Key` in a form."""
    parameters = call.parameters.get(name)
    if isinstance(parameters, list):
        yield from (item for item in parameters if isinstance(item, Mapping))
        return
    numbered: dict[int, dict[str, Any]] = {}
    for key, value in call.parameters.items():
        if match := re.fullmatch(rf"{name}\.member\.(\d+)\.(\w+)", key):
            numbered.setdefault(int(match[1]), {})[match[2]] = value
    yield from numbered.values()


def _named_tags(call: Call, name: str = "Tags") -> Context:
    return _tags(
        (item.get("Key", item.get("TagKey")), item.get("Value", item.get("TagValue"))) for item in _members(call, name)
    )


def _pass_role(role_arn: object, service: str) -> Iterator[RequiredAction]:
    """Passing a role to a service. https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html"""
    if role_arn:
        yield RequiredAction(
            action="iam:PassRole",
            resource=str(role_arn),
            context={"iam:PassedToService": (f"{service}.amazonaws.com",)},
        )


def _and_tagging(
    call: Call, service: str, resource: object, context: Context, creating: str, tagging: str = "TagResource"
) -> Iterator[RequiredAction]:
    """The call's own action, and for a creation with tags the one of tagging."""
    yield RequiredAction(action=f"{service}:{call.operation}", resource=str(resource), context=context)
    if call.operation == creating and "aws:TagKeys" in context:
        yield RequiredAction(action=f"{service}:{tagging}", resource=str(resource), context=context)


# One function for each service


def _iam_actions(call: Call) -> Iterator[RequiredAction]:
    parameters, context = call.parameters, _named_tags(call)
    if boundary := parameters.get("PermissionsBoundary") or _boundary_of(call):
        context["iam:PermissionsBoundary"] = (str(boundary),)
    if "PolicyArn" in parameters and call.operation.startswith(("Attach", "Detach")):
        context["iam:PolicyARN"] = (str(parameters["PolicyArn"]),)
    resource, kind = _iam_resource(call)
    yield RequiredAction(action=f"iam:{call.operation}", resource=resource, context=context)
    if call.operation.startswith("Create") and any("Tags.member" in name for name in parameters):
        yield RequiredAction(action=f"iam:Tag{kind}", resource=resource, context=context)


_OF_THE_BOUNDED = re.compile("(Attach|Detach|Put|Delete)(Role|User)(Policy|PermissionsBoundary)")


def _boundary_of(call: Call) -> str | None:
    """The boundary of the role or user whose policies a call changes, which its condition key has.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html
    """
    if not _OF_THE_BOUNDED.fullmatch(call.operation):
        return None
    parameters, iam = call.parameters, iam_backends[ACCOUNT]["aws"]
    roles = (role for role in iam.get_roles() if role.name == parameters.get("RoleName"))
    holder = next(roles, None) or iam.users.get(parameters.get("UserName", ""))
    boundary = getattr(holder, "permissions_boundary", None)
    return str(boundary["PermissionsBoundaryArn"]) if boundary else None


def _iam_resource(call: Call) -> tuple[str, str]:
    """The ARN that an IAM call is about, and the resource's word in the names of actions."""
    parameters, iam, account = call.parameters, iam_backends[ACCOUNT]["aws"], f"arn:aws:iam::{ACCOUNT}:"
    path = str(parameters.get("Path", "/")).lstrip("/")
    if "RoleName" in parameters:
        existing = next((role.arn for role in iam.get_roles() if role.name == parameters["RoleName"]), None)
        return existing or f"{account}role/{path}{parameters['RoleName']}", "Role"
    if "UserName" in parameters:
        user = iam.users.get(parameters["UserName"])
        return user.arn if user else f"{account}user/{path}{parameters['UserName']}", "User"
    if "PolicyName" in parameters:
        return f"{account}policy/{path}{parameters['PolicyName']}", "Policy"
    for name in ("PolicyArn", "PolicySourceArn", "OpenIDConnectProviderArn"):
        if name in parameters:
            return str(parameters[name]), "Policy" if name == "PolicyArn" else "OpenIDConnectProvider"
    if "AccessKeyId" in parameters:
        id = str(parameters["AccessKeyId"])
        owners = (user.arn for user in iam.users.values() if any(key.access_key_id == id for key in user.access_keys))
        return next(owners, "*"), "User"
    if "Url" in parameters:
        return f"{account}oidc-provider/{str(parameters['Url']).removeprefix('https://')}", "OpenIDConnectProvider"
    return "*", ""


_S3_ACTIONS = {
    "DeleteBucketEncryption": "PutEncryptionConfiguration",
    "DeleteBucketLifecycle": "PutLifecycleConfiguration",
    "DeleteBucketOwnershipControls": "PutBucketOwnershipControls",
    "DeleteBucketTagging": "PutBucketTagging",
    "DeletePublicAccessBlock": "PutBucketPublicAccessBlock",
    "GetBucketAccelerateConfiguration": "GetAccelerateConfiguration",
    "GetBucketCors": "GetBucketCORS",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "GetBucketReplication": "GetReplicationConfiguration",
    "GetObjectLockConfiguration": "GetBucketObjectLockConfiguration",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "HeadBucket": "ListBucket",
    "HeadObject": "GetObject",
    "ListBuckets": "ListAllMyBuckets",
    "ListObjectVersions": "ListBucketVersions",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "PutBucketEncryption": "PutEncryptionConfiguration",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "PutObjectLockConfiguration": "PutBucketObjectLockConfiguration",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
}
"""Operations whose action has another name; https://docs.aws.amazon.com/AmazonS3/latest/API/ names it on each page."""


def _s3_actions(call: Call) -> Iterator[RequiredAction]:
    bucket, _, key = call.path.lstrip("/").partition("/")
    on_object = "Object" in call.operation and not call.operation.startswith(
        ("List", "GetObjectLockC", "PutObjectLockC")
    )
    resource = f"arn:aws:s3:::{bucket}{f'/{key}' if on_object else ''}" if bucket else "*"
    yield RequiredAction(action=f"s3:{_S3_ACTIONS.get(call.operation, call.operation)}", resource=resource)


def _kms_actions(call: Call) -> Iterator[RequiredAction]:
    """The actions that no key policy decides: creating, naming and listing keys."""
    parameters, operation = call.parameters, call.operation
    if operation in ("CreateAlias", "UpdateAlias", "DeleteAlias"):
        yield RequiredAction(action=f"kms:{operation}", resource=_arn(call, "kms", str(parameters.get("AliasName"))))
    elif operation in ("CreateKey", "ReplicateKey"):
        yield from _new_key(call)
    elif "KeyId" not in parameters and "CiphertextBlob" not in parameters or operation == "ListAliases":
        yield RequiredAction(action=f"kms:{operation}")


def _new_key(call: Call) -> Iterator[RequiredAction]:
    """The actions for a key that CreateKey creates, or ReplicateKey in another Region; it has no ARN yet.

    A multi-Region key needs the service-linked role that synchronizes its replicas.
    https://docs.aws.amazon.com/kms/latest/developerguide/multi-region-keys-auth.html
    """
    parameters = call.parameters
    region = str(parameters.get("ReplicaRegion", call.region))
    context = {**_named_tags(call), "aws:RequestedRegion": (region,)}
    spec = parameters.get("KeySpec", parameters.get("CustomerMasterKeySpec", "SYMMETRIC_DEFAULT"))
    context["kms:KeySpec"] = (str(spec),)
    any_key = f"arn:aws:kms:{region}:{ACCOUNT}:key/*"
    yield RequiredAction(action="kms:CreateKey", context=context)
    if parameters.get("Tags"):
        yield RequiredAction(action="kms:TagResource", resource=any_key, context=context)
    if parameters.get("MultiRegion") or call.operation == "ReplicateKey":
        linked = "aws-service-role/mrk.kms.amazonaws.com/AWSServiceRoleForKeyManagementServiceMultiRegionKeys"
        yield RequiredAction(
            action="iam:CreateServiceLinkedRole",
            resource=f"arn:aws:iam::{ACCOUNT}:role/{linked}",
            context={"iam:AWSServiceName": ("mrk.kms.amazonaws.com",)},
        )


def _ssm_actions(call: Call) -> Iterator[RequiredAction]:
    parameters = call.parameters
    names = parameters.get("Names") or [
        parameters.get("Name") or parameters.get("ResourceId") or parameters.get("Path")
    ]
    tags = _named_tags(call)
    # https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-policy-conditions.html
    overwrite = {"ssm:Overwrite": (str(parameters["Overwrite"]).lower(),)} if "Overwrite" in parameters else {}
    for name in names:
        resource = _arn(call, "ssm", f"parameter/{_parameter(str(name))}") if name else "*"
        yield RequiredAction(action=f"ssm:{call.operation}", resource=resource, context=tags | overwrite)
        if call.operation == "PutParameter" and tags:
            yield RequiredAction(action="ssm:AddTagsToResource", resource=resource, context=tags)


def _parameter(name: str) -> str:
    return parse_arn(name).path if name.startswith("arn:") else name.lstrip("/")


def _secretsmanager_actions(call: Call) -> Iterator[RequiredAction]:
    parameters = call.parameters
    name = parameters.get("SecretId", parameters.get("Name"))
    # Policies have wildcards for the last six characters of a secret's ARN; a new secret does not have them yet.
    resource = _secret(call, str(name)) if name else "*"
    yield from _and_tagging(call, "secretsmanager", resource, _named_tags(call), "CreateSecret")


def _secret(call: Call, name: str) -> str:
    existing = secretsmanager_backends[ACCOUNT][call.region].secrets.get(name)
    if existing is not None:
        return str(existing.arn)
    return name if name.startswith("arn:") else _arn(call, "secretsmanager", f"secret:{name}-AbCdEf")


def _sns_actions(call: Call) -> Iterator[RequiredAction]:
    parameters = call.parameters
    resource = parameters.get("TopicArn") or parameters.get("ResourceArn")
    resource = resource or (_arn(call, "sns", str(parameters["Name"])) if "Name" in parameters else "*")
    context = _named_tags(call)
    if call.operation == "Subscribe":
        context |= {
            "sns:Protocol": (str(parameters.get("Protocol")),),
            "sns:Endpoint": (str(parameters.get("Endpoint")),),
        }
    yield from _and_tagging(call, "sns", resource, context, "CreateTopic")


def _events_actions(call: Call) -> Iterator[RequiredAction]:
    parameters, context = call.parameters, _named_tags(call)
    rule = parameters.get("Rule", parameters.get("Name"))
    resource = str(parameters.get("ResourceARN") or (_arn(call, "events", f"rule/{rule}") if rule else "*"))
    targets = [*_members(call, "Targets")]
    if arns := tuple(str(target["Arn"]) for target in targets if "Arn" in target):
        context |= {"events:TargetArn": arns}
    yield from _and_tagging(call, "events", resource, context, "PutRule")
    for target in targets:
        yield from _pass_role(target.get("RoleArn"), "events")


_ALARM_ACTIONS = ("AlarmActions", "OKActions", "InsufficientDataActions")


def _cloudwatch_actions(call: Call) -> Iterator[RequiredAction]:
    parameters, context = call.parameters, _named_tags(call)
    # It is about the actions at any state.
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/iam-cw-condition-keys-alarm-actions.html
    if actions := tuple(arn for name in _ALARM_ACTIONS for arn in call.texts(name)):
        context |= {"cloudwatch:AlarmActions": actions}
    # Alarms are described for all names; a metric is no resource.
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/iam-identity-based-access-control-cw.html
    if "Metric" in call.operation and call.operation.startswith(("Get", "List")):
        resources = ["*"]
    elif "ResourceARN" in parameters:
        resources = [parameters["ResourceARN"]]
    else:
        names = () if call.operation.startswith("Describe") else call.texts("AlarmNames")
        resources = [_arn(call, "cloudwatch", f"alarm:{name}") for name in names or [parameters.get("AlarmName", "*")]]
    for resource in resources:
        yield from _and_tagging(call, "cloudwatch", resource, context, "PutMetricAlarm")


def _logs_actions(call: Call) -> Iterator[RequiredAction]:
    """A log group's ARN ends in `:*`, except in calls about its tags.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/iam-access-control-overview-cwl.html
    """
    parameters = call.parameters
    context = _tags((parameters.get("tags") or {}).items())
    group = parameters.get("logGroupName")
    bare = str(parameters.get("resourceArn") or (_arn(call, "logs", f"log-group:{group}") if group else "*"))
    resource = bare if bare == "*" or "resourceArn" in parameters else f"{bare}:*"
    yield RequiredAction(action=f"logs:{call.operation}", resource=resource, context=context)
    if call.operation == "CreateLogGroup" and context:
        yield RequiredAction(action="logs:TagResource", resource=bare, context=context)


def _cloudtrail_actions(call: Call) -> Iterator[RequiredAction]:
    parameters, context = call.parameters, _named_tags(call, "TagsList")
    first_id = next(iter(parameters.get("ResourceIdList") or ()), None)
    name = parameters.get("Name") or parameters.get("TrailName") or first_id or parameters.get("ResourceId")
    resource = "*" if not name else str(name) if ":" in str(name) else _arn(call, "cloudtrail", f"trail/{name}")
    yield from _and_tagging(call, "cloudtrail", resource, context, "CreateTrail", "AddTags")
    yield from _pass_role(parameters.get("CloudWatchLogsRoleArn"), "cloudtrail")


def _ecr_actions(call: Call) -> Iterator[RequiredAction]:
    repository = call.parameters.get("repositoryName")
    resource = _arn(call, "ecr", f"repository/{repository}") if repository else "*"
    yield RequiredAction(action=f"ecr:{call.operation}", resource=resource)


def _ecs_actions(call: Call) -> Iterator[RequiredAction]:
    parameters, operation = call.parameters, call.operation
    context = ecs_context(call) | _tags((item.get("key"), item.get("value")) for item in _members(call, "tags"))
    for resource in ecs_resources(call):
        yield RequiredAction(action=f"ecs:{operation}", resource=resource, context=context)
        if parameters.get("tags") and operation.startswith(("Create", "Register")):
            creation = {**context, "ecs:CreateAction": (operation,)}
            yield RequiredAction(action="ecs:TagResource", resource=resource, context=creation)
    if operation in ("RegisterTaskDefinition", "CreateExpressGatewayService"):
        for role in ("taskRoleArn", "executionRoleArn"):
            yield from _pass_role(parameters.get(role), "ecs-tasks")


_SERVICES: Mapping[str, Callable[[Call], Iterator[RequiredAction]]] = {
    "cloudtrail": _cloudtrail_actions,
    "ecr": _ecr_actions,
    "ecs": _ecs_actions,
    "events": _events_actions,
    "iam": _iam_actions,
    "kms": _kms_actions,
    "logs": _logs_actions,
    "monitoring": _cloudwatch_actions,
    "s3": _s3_actions,
    "secretsmanager": _secretsmanager_actions,
    "sns": _sns_actions,
    "ssm": _ssm_actions,
    # Assuming a role: `sandbox.aws.moto_patches.sts` evaluates the trust policy and IAM together.
    "sts": lambda call: iter(()),
}
"""By the service name in the call's signature."""
