"""What AWS authorizes a call for: the IAM actions that it needs, each on its resource, under the request's conditions.

It may read the emulator's IAM, KMS and Secrets Manager in this process.
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from moto.ecs.models import ecs_backends
from moto.iam.models import iam_backends
from moto.secretsmanager.models import secretsmanager_backends

from sandbox.aws.protocol import Call
from sandbox.state import ACCOUNT

Context = dict[str, tuple[str, ...]]

UNAUTHORIZED = frozenset({("sts", "GetCallerIdentity")})
"""What needs no permission. https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html"""


@dataclass(frozen=True, kw_only=True)
class Need:
    """One action on one resource; `context` holds the condition keys of this request beside the caller's own."""

    action: str
    resource: str = "*"
    context: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def needs(call: Call) -> tuple[Need, ...]:
    """All that a call needs, but what a key's own policy decides; an operation unknown here needs its name on `*`."""
    if not call.operation or (call.service, call.operation) in UNAUTHORIZED:
        return ()
    found = _SERVICES.get(call.service, _of_no_resource)(call)
    region = {"aws:RequestedRegion": (call.region,)}
    return tuple(Need(action=one.action, resource=one.resource, context=region | dict(one.context)) for one in found)


def _of_no_resource(call: Call) -> Iterator[Need]:
    yield Need(action=f"{call.service}:{call.operation}")


def _arn(call: Call, service: str, rest: str) -> str:
    return f"arn:aws:{service}:{call.region}:{ACCOUNT}:{rest}"


def _tags(pairs: Iterable[tuple[object, object]]) -> Context:
    found = {f"aws:RequestTag/{name}": (str(value),) for name, value in pairs}
    return {**found, "aws:TagKeys": tuple(name.partition("/")[2] for name in found)} if found else {}


def _members(call: Call, name: str) -> Iterator[Mapping[str, Any]]:
    """The members of a list: of a JSON body, or spelled `Name.member.1.Key` in a form."""
    given = call.parameters.get(name)
    if isinstance(given, list):
        yield from (one for one in given if isinstance(one, Mapping))
        return
    numbered: dict[int, dict[str, Any]] = {}
    for key, value in call.parameters.items():
        if match := re.fullmatch(rf"{name}\.member\.(\d+)\.(\w+)", key):
            numbered.setdefault(int(match[1]), {})[match[2]] = value
    yield from numbered.values()


def _named_tags(call: Call, name: str = "Tags") -> Context:
    return _tags(
        (one.get("Key", one.get("TagKey")), one.get("Value", one.get("TagValue"))) for one in _members(call, name)
    )


def _passed(role_arn: object, service: str) -> Iterator[Need]:
    """Handing a role to a service. https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html"""
    if role_arn:
        yield Need(
            action="iam:PassRole",
            resource=str(role_arn),
            context={"iam:PassedToService": (f"{service}.amazonaws.com",)},
        )


# --- one function a service ---------------------------------------------------------------------------------------


def _of_iam(call: Call) -> Iterator[Need]:
    given, context = call.parameters, _named_tags(call)
    if boundary := given.get("PermissionsBoundary"):
        context["iam:PermissionsBoundary"] = (str(boundary),)
    if "PolicyArn" in given and call.operation.startswith(("Attach", "Detach")):
        context["iam:PolicyARN"] = (str(given["PolicyArn"]),)
    resource, kind = _iam_resource(call)
    yield Need(action=f"iam:{call.operation}", resource=resource, context=context)
    if call.operation.startswith("Create") and any("Tags.member" in name for name in given):
        yield Need(action=f"iam:Tag{kind}", resource=resource, context=context)


def _iam_resource(call: Call) -> tuple[str, str]:
    """What an IAM call is about, and the word for it in the names of actions."""
    given, iam, account = call.parameters, iam_backends[ACCOUNT]["aws"], f"arn:aws:iam::{ACCOUNT}:"
    path = str(given.get("Path", "/")).lstrip("/")
    if "RoleName" in given:
        there = next((role.arn for role in iam.get_roles() if role.name == given["RoleName"]), None)
        return there or f"{account}role/{path}{given['RoleName']}", "Role"
    if "UserName" in given:
        user = iam.users.get(given["UserName"])
        return user.arn if user else f"{account}user/{path}{given['UserName']}", "User"
    if "PolicyName" in given:
        return f"{account}policy/{path}{given['PolicyName']}", "Policy"
    for name in ("PolicyArn", "PolicySourceArn", "OpenIDConnectProviderArn"):
        if name in given:
            return str(given[name]), "Policy" if name == "PolicyArn" else "OpenIDConnectProvider"
    if "AccessKeyId" in given:
        owners = (user.arn for user in iam.users.values() if _has_key(user, str(given["AccessKeyId"])))
        return next(owners, "*"), "User"
    if "Url" in given:
        return f"{account}oidc-provider/{str(given['Url']).removeprefix('https://')}", "OpenIDConnectProvider"
    return "*", ""


def _has_key(user: Any, access_key_id: str) -> bool:
    return any(key.access_key_id == access_key_id for key in user.access_keys)


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
"""Operations whose action has another name; https://docs.aws.amazon.com/AmazonS3/latest/API/ says it on each page."""


def _of_s3(call: Call) -> Iterator[Need]:
    bucket, _, key = call.path.lstrip("/").partition("/")
    on_object = "Object" in call.operation and not call.operation.startswith(
        ("List", "GetObjectLockC", "PutObjectLockC")
    )
    resource = f"arn:aws:s3:::{bucket}{f'/{key}' if on_object else ''}" if bucket else "*"
    yield Need(action=f"s3:{_S3_ACTIONS.get(call.operation, call.operation)}", resource=resource)


def _of_kms(call: Call) -> Iterator[Need]:
    """What no key policy decides: making keys, naming them, listing them."""
    given, operation = call.parameters, call.operation
    if operation in ("CreateAlias", "UpdateAlias", "DeleteAlias"):
        yield Need(action=f"kms:{operation}", resource=_arn(call, "kms", str(given.get("AliasName"))))
    elif operation in ("CreateKey", "ReplicateKey"):
        yield from _new_key(call)
    elif "KeyId" not in given and "CiphertextBlob" not in given or operation == "ListAliases":
        yield Need(action=f"kms:{operation}")


def _new_key(call: Call) -> Iterator[Need]:
    """Of the key that CreateKey makes here, or ReplicateKey in its Region; it has no ARN yet, so it is any key's.

    A multi-Region key needs the service-linked role that keeps its replicas alike.
    https://docs.aws.amazon.com/kms/latest/developerguide/multi-region-keys-auth.html
    """
    given = call.parameters
    region = str(given.get("ReplicaRegion", call.region))
    context = {**_named_tags(call), "aws:RequestedRegion": (region,)}
    context["kms:KeySpec"] = (str(given.get("KeySpec", given.get("CustomerMasterKeySpec", "SYMMETRIC_DEFAULT"))),)
    any_key = f"arn:aws:kms:{region}:{ACCOUNT}:key/*"
    yield Need(action="kms:CreateKey", context=context)
    if given.get("Tags"):
        yield Need(action="kms:TagResource", resource=any_key, context=context)
    if given.get("MultiRegion") or call.operation == "ReplicateKey":
        linked = "aws-service-role/mrk.kms.amazonaws.com/AWSServiceRoleForKeyManagementServiceMultiRegionKeys"
        yield Need(
            action="iam:CreateServiceLinkedRole",
            resource=f"arn:aws:iam::{ACCOUNT}:role/{linked}",
            context={"iam:AWSServiceName": ("mrk.kms.amazonaws.com",)},
        )


def _of_ssm(call: Call) -> Iterator[Need]:
    given = call.parameters
    names = given.get("Names") or [given.get("Name") or given.get("ResourceId") or given.get("Path")]
    for name in names:
        resource = _arn(call, "ssm", f"parameter/{_parameter(str(name))}") if name else "*"
        yield Need(action=f"ssm:{call.operation}", resource=resource, context=_named_tags(call))
        if given.get("Tags") and call.operation == "PutParameter":
            yield Need(action="ssm:AddTagsToResource", resource=resource, context=_named_tags(call))


def _parameter(name: str) -> str:
    return name.partition(":parameter/")[2] if name.startswith("arn:") else name.lstrip("/")


def _of_secretsmanager(call: Call) -> Iterator[Need]:
    given = call.parameters
    name = given.get("SecretId", given.get("Name"))
    # A policy has wildcards for the six characters that end a secret's ARN; a new one does not have them yet.
    resource = _secret(call, str(name)) if name else "*"
    yield Need(action=f"secretsmanager:{call.operation}", resource=resource, context=_named_tags(call))
    if given.get("Tags") and call.operation == "CreateSecret":
        yield Need(action="secretsmanager:TagResource", resource=resource, context=_named_tags(call))


def _secret(call: Call, name: str) -> str:
    there = secretsmanager_backends[ACCOUNT][call.region].secrets.get(name)
    if there is not None:
        return str(there.arn)
    return name if name.startswith("arn:") else _arn(call, "secretsmanager", f"secret:{name}-AbCdEf")


def _of_sns(call: Call) -> Iterator[Need]:
    given = call.parameters
    resource = given.get("TopicArn") or given.get("ResourceArn")
    resource = resource or (_arn(call, "sns", str(given["Name"])) if "Name" in given else "*")
    context = _named_tags(call)
    if call.operation == "Subscribe":
        context |= {"sns:Protocol": (str(given.get("Protocol")),), "sns:Endpoint": (str(given.get("Endpoint")),)}
    yield Need(action=f"sns:{call.operation}", resource=str(resource), context=context)
    if call.operation == "CreateTopic" and context:
        yield Need(action="sns:TagResource", resource=str(resource), context=context)


def _of_events(call: Call) -> Iterator[Need]:
    given, context = call.parameters, _named_tags(call)
    rule = given.get("Rule", given.get("Name"))
    resource = str(given.get("ResourceARN") or (_arn(call, "events", f"rule/{rule}") if rule else "*"))
    yield Need(action=f"events:{call.operation}", resource=resource, context=context)
    if call.operation == "PutRule" and context:
        yield Need(action="events:TagResource", resource=resource, context=context)
    for target in _members(call, "Targets"):
        yield from _passed(target.get("RoleArn"), "events")


def _of_cloudwatch(call: Call) -> Iterator[Need]:
    given, context = call.parameters, _named_tags(call)
    names = [given["AlarmName"]] if "AlarmName" in given else []
    resources = [_arn(call, "cloudwatch", f"alarm:{name}") for name in names]
    # Alarms are looked for among all of them, whatever their names; a metric is no resource.
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/iam-identity-based-access-control-cw.html
    of_all = "*" if "Metric" in call.operation and call.operation.startswith(("Get", "List")) else None
    resource = str(of_all or given.get("ResourceARN") or next(iter(resources), _arn(call, "cloudwatch", "alarm:*")))
    yield Need(action=f"cloudwatch:{call.operation}", resource=resource, context=context)
    if call.operation == "PutMetricAlarm" and context:
        yield Need(action="cloudwatch:TagResource", resource=resource, context=context)


def _of_logs(call: Call) -> Iterator[Need]:
    """A group's ARN ends in `:*`, but for its tags.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/iam-access-control-overview-cwl.html
    """
    given = call.parameters
    context = _tags((given.get("tags") or {}).items())
    group = given.get("logGroupName")
    bare = str(given.get("resourceArn") or (_arn(call, "logs", f"log-group:{group}") if group else "*"))
    resource = bare if bare == "*" or "resourceArn" in given else f"{bare}:*"
    yield Need(action=f"logs:{call.operation}", resource=resource, context=context)
    if call.operation == "CreateLogGroup" and context:
        yield Need(action="logs:TagResource", resource=bare, context=context)


def _of_cloudtrail(call: Call) -> Iterator[Need]:
    given, context = call.parameters, _named_tags(call, "TagsList")
    name = given.get("Name") or given.get("TrailName") or next(iter(given.get("ResourceIdList") or ()), None)
    name = name or given.get("ResourceId")
    resource = "*" if not name else str(name) if ":" in str(name) else _arn(call, "cloudtrail", f"trail/{name}")
    yield Need(action=f"cloudtrail:{call.operation}", resource=resource, context=context)
    if call.operation == "CreateTrail" and context:
        yield Need(action="cloudtrail:AddTags", resource=resource, context=context)
    yield from _passed(given.get("CloudWatchLogsRoleArn"), "cloudtrail")


def _of_ecr(call: Call) -> Iterator[Need]:
    repository = call.parameters.get("repositoryName")
    resource = _arn(call, "ecr", f"repository/{repository}") if repository else "*"
    yield Need(action=f"ecr:{call.operation}", resource=resource)


def _of_ecs(call: Call) -> Iterator[Need]:
    given, operation = call.parameters, call.operation
    context = ecs_context(call) | _tags((one.get("key"), one.get("value")) for one in _members(call, "tags"))
    for resource in ecs_resources(call):
        yield Need(action=f"ecs:{operation}", resource=resource, context=context)
        if given.get("tags") and operation.startswith(("Create", "Register")):
            made_by = {**context, "ecs:CreateAction": (operation,)}
            yield Need(action="ecs:TagResource", resource=resource, context=made_by)
    if operation == "RegisterTaskDefinition":
        for role in ("taskRoleArn", "executionRoleArn"):
            yield from _passed(given.get(role), "ecs-tasks")


def _by_another_judge(call: Call) -> Iterator[Need]:
    """Roles: the trust policy has a say in these, and `sandbox.aws.moto_patches.sts` judges both together."""
    return iter(())


_SERVICES: Mapping[str, Callable[[Call], Iterator[Need]]] = {
    "cloudtrail": _of_cloudtrail,
    "ecr": _of_ecr,
    "ecs": _of_ecs,
    "events": _of_events,
    "iam": _of_iam,
    "kms": _of_kms,
    "logs": _of_logs,
    "monitoring": _of_cloudwatch,
    "s3": _of_s3,
    "secretsmanager": _of_secretsmanager,
    "sns": _of_sns,
    "ssm": _of_ssm,
    "sts": _by_another_judge,
}
"""By the name that a call is signed for."""


_ECS_WITHOUT_CLUSTER = ("RegisterTaskDefinition", "DescribeTaskDefinition", "DeregisterTaskDefinition")


def ecs_context(call: Call) -> dict[str, tuple[str, ...]]:
    """The cluster that the call is in, and the task definition that a service is to run."""
    found: dict[str, tuple[str, ...]] = {}
    if call.operation not in _ECS_WITHOUT_CLUSTER:
        found["ecs:cluster"] = (_arn(call, "ecs", f"cluster/{_ecs_cluster(call)}"),)
    if call.operation in ("CreateService", "UpdateService") and call.parameters.get("taskDefinition"):
        found["ecs:task-definition"] = (_ecs_task_definition(call, str(call.parameters["taskDefinition"])),)
    return found


def ecs_resources(call: Call) -> list[str]:
    """What the call is about; reading and deregistering task definitions, and most listing, are about no resource."""
    given, operation, cluster = call.parameters, call.operation, _ecs_cluster(call)
    if operation == "RegisterTaskDefinition":
        family = str(given.get("family"))
        revision = len(ecs_backends[ACCOUNT][call.region].task_definitions.get(family, ())) + 1
        return [_arn(call, "ecs", f"task-definition/{family}:{revision}")]
    if operation in ("CreateCluster", "DeleteCluster", "UpdateCluster"):
        return [_arn(call, "ecs", f"cluster/{cluster}")]
    if operation == "DescribeClusters":
        return [_arn(call, "ecs", f"cluster/{_last_part(one)}") for one in given.get("clusters") or ["default"]]
    if operation == "ListTasks":
        return [_arn(call, "ecs", f"container-instance/{cluster}/*")]
    kind = "task" if operation.endswith(("Task", "Tasks")) else "service"
    named = given.get(f"{kind}s") or [given.get("serviceName" if operation == "CreateService" else kind)]
    if operation.startswith("List") or not any(named):
        return ["*"]
    return [_arn(call, "ecs", f"{kind}/{cluster}/{_last_part(one)}") for one in named]


def _ecs_task_definition(call: Call, named: str) -> str:
    """The revision that is meant, as it is resolved before the call is authorized."""
    family, _, revision = _last_part(named).partition(":")
    newest = max(ecs_backends[ACCOUNT][call.region].task_definitions.get(family, {1: None}))
    return _arn(call, "ecs", f"task-definition/{family}:{revision or newest}")


def _ecs_cluster(call: Call) -> str:
    return _last_part(call.parameters.get("cluster") or call.parameters.get("clusterName") or "default")


def _last_part(name_or_arn: object) -> str:
    return str(name_or_arn).rpartition("/")[2]
