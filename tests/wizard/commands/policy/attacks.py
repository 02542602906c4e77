"""What an attacker with a printed policy does, and what counts as harm: data alone, which the product does not know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components import policies

Document = Mapping[str, Any]
Context = Mapping[str, tuple[str, ...]]

ANYTHING: Document = policies.policy([{"Sid": "All", "Effect": "Allow", "Action": "*", "Resource": "*"}])
NOTHING: Document = policies.policy([])
ADMINISTRATOR_ACCESS = "arn:aws:iam::aws:policy/AdministratorAccess"

# --- what the attacker does

CREDENTIALS = (
    "iam:CreateAccessKey",
    "iam:CreateLoginProfile",
    "iam:UpdateLoginProfile",
    "iam:CreateServiceSpecificCredential",
)
"""On a user: the attacker signs in as it."""

OWN_POLICIES = {"user": ("iam:PutUserPolicy",), "role": ("iam:PutRolePolicy",)}
ATTACHING = {"user": ("iam:AttachUserPolicy",), "role": ("iam:AttachRolePolicy",)}
MAKING = {"user": "iam:CreateUser", "role": "iam:CreateRole"}
ENDING = {"user": "iam:DeleteUser", "role": "iam:DeleteRole"}
UNBINDING = {
    "user": ("iam:DeleteUserPermissionsBoundary", "iam:PutUserPermissionsBoundary"),
    "role": ("iam:DeleteRolePermissionsBoundary", "iam:PutRolePermissionsBoundary"),
}
REWRITING = ("iam:CreatePolicyVersion", "iam:SetDefaultPolicyVersion")
"""On a managed policy: its content is the attacker's."""

SERVICES: Mapping[str, tuple[str, ...]] = {
    "lambda.amazonaws.com": ("lambda:CreateFunction",),
    "ec2.amazonaws.com": ("ec2:RunInstances",),
    "ecs-tasks.amazonaws.com": ("ecs:RegisterTaskDefinition", "ecs:UpdateService"),
    "ecs.amazonaws.com": ("ecs:CreateService",),
    "cloudformation.amazonaws.com": ("cloudformation:CreateStack",),
    "codebuild.amazonaws.com": ("codebuild:CreateProject",),
    "glue.amazonaws.com": ("glue:CreateJob",),
    "sagemaker.amazonaws.com": ("sagemaker:CreateNotebookInstance",),
    "states.amazonaws.com": ("states:CreateStateMachine",),
    "ssm.amazonaws.com": ("ssm:StartAutomationExecution",),
    "scheduler.amazonaws.com": ("scheduler:CreateSchedule",),
    "pods.eks.amazonaws.com": ("eks:CreatePodIdentityAssociation",),
    "events.amazonaws.com": ("events:PutTargets",),
    "cloudtrail.amazonaws.com": ("cloudtrail:UpdateTrail",),
}
"""Passing a role to a service, and what makes the service act with it."""

# --- what counts as harm

READ, BECOME, END, RULE, DESTROY = (
    "read a data key",
    "become the application",
    "end trail, logs, alerts or lock",
    "rule the account",
    "destroy the data key",
)
DESTROYING: tuple[tuple[str, Context], ...] = (
    ("ssm:PutParameter", {"ssm:overwrite": ("true",)}),
    ("ssm:DeleteParameter", {}),
    ("ssm:DeleteParameters", {}),
    *(
        (f"secretsmanager:{action}", {})
        for action in (
            "PutSecretValue",
            "UpdateSecret",
            "UpdateSecretVersionStage",
            "RotateSecret",
            "PutResourcePolicy",
            "DeleteSecret",
        )
    ),
)
"""On a copy of a wrapped key: a hundred times more, and the store's history has nothing else either."""
READING = ("kms:Decrypt", "kms:ReEncryptFrom")
GIVING = ("kms:PutKeyPolicy", "kms:CreateGrant")
"""On a key: a principal of another account can then decrypt."""

KEYS_OF_OTHERS = (
    "kms:GetKeyPolicy",
    "kms:CreateAlias",
    "kms:EnableKeyRotation",
    "kms:ReplicateKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:TagResource",
)
"""On a key that is not the stack's."""

LOGS: Mapping[str, Context] = {
    "outside S3": {"kms:viaservice": ()},
    "of another trail": {
        "kms:encryptioncontext:aws:cloudtrail:arn": ("arn:aws:cloudtrail:us-east-1:{account}:trail/another",)
    },
    "of another bucket": {"kms:encryptioncontext:aws:s3:arn": ("arn:aws:s3:::somebodys-bucket/file",)},
}
"""Requests to decrypt with the key of the audit logs that are not the reading of this trail's logs."""


@dataclass(frozen=True, kw_only=True)
class Harm:
    """Actions that are harm on the resources of one kind."""

    of: str
    actions: tuple[str, ...]


ENDS: tuple[Harm, ...] = (
    Harm(
        of="trail",
        actions=(
            "cloudtrail:StopLogging",
            "cloudtrail:DeleteTrail",
            "cloudtrail:UpdateTrail",
            "cloudtrail:PutEventSelectors",
            "cloudtrail:PutInsightSelectors",
        ),
    ),
    Harm(
        of="bucket",
        actions=(
            "s3:DeleteBucket",
            "s3:DeleteBucketPolicy",
            "s3:PutBucketPolicy",
            "s3:PutLifecycleConfiguration",
            "s3:PutBucketVersioning",
            "s3:PutBucketObjectLockConfiguration",
            "s3:PutBucketPublicAccessBlock",
            "s3:PutReplicationConfiguration",
            "s3:PutEncryptionConfiguration",
            "s3:PutBucketAcl",
        ),
    ),
    Harm(
        of="logs",
        actions=(
            "s3:DeleteObject",
            "s3:DeleteObjectVersion",
            "s3:PutObject",
            "s3:PutObjectRetention",
            "s3:PutObjectLegalHold",
            "s3:BypassGovernanceRetention",
        ),
    ),
    Harm(
        of="log group",
        actions=(
            "logs:DeleteLogGroup",
            "logs:PutRetentionPolicy",
            "logs:DeleteRetentionPolicy",
            "logs:DeleteLogStream",
            "logs:DisassociateKmsKey",
        ),
    ),
    Harm(of="log stream", actions=("logs:PutLogEvents",)),
    Harm(of="event bus", actions=("events:PutEvents",)),
    Harm(
        of="rule",
        actions=(
            "events:DeleteRule",
            "events:DisableRule",
            "events:RemoveTargets",
            "events:PutRule",
            "events:PutTargets",
        ),
    ),
    Harm(
        of="topic", actions=("sns:DeleteTopic", "sns:SetTopicAttributes", "sns:RemovePermission", "sns:AddPermission")
    ),
    Harm(of="subscription", actions=("sns:Unsubscribe", "sns:SetSubscriptionAttributes")),
    Harm(
        of="alarm",
        actions=(
            "cloudwatch:DeleteAlarms",
            "cloudwatch:DisableAlarmActions",
            "cloudwatch:SetAlarmState",
            "cloudwatch:PutMetricAlarm",
        ),
    ),
    Harm(of="logs' key", actions=("kms:DisableKey", "kms:ScheduleKeyDeletion", "kms:PutKeyPolicy")),
    Harm(of="key", actions=("kms:DisableKey", "kms:ScheduleKeyDeletion")),
)

RULES: tuple[tuple[str, str, Context], ...] = (
    *(
        (action, resource, {"iam:permissionsboundary": (), "iam:policyarn": (ADMINISTRATOR_ACCESS,)})
        for action, resource in (
            ("iam:CreateUser", "user/of-the-attacker"),
            ("iam:CreateRole", "role/of-the-attacker"),
            ("iam:CreateRole", "role/{names.app_role}"),
            ("iam:CreateUser", "user/{names.app_user}"),
            ("iam:PutUserPolicy", "user/somebody"),
            ("iam:AttachUserPolicy", "user/somebody"),
            ("iam:AttachUserPolicy", "user/{names.app_user}"),
            ("iam:AddUserToGroup", "group/administrators"),
            ("iam:CreateAccessKey", "user/somebody"),
            ("iam:UpdateLoginProfile", "user/somebody"),
            ("iam:PutRolePolicy", "role/somebodys-admin"),
            ("iam:PutRolePolicy", "role/{names.execution_role}"),
            ("iam:PutRolePolicy", "role/{names.log_role}"),
            ("iam:AttachRolePolicy", "role/somebodys-admin"),
            ("iam:AttachRolePolicy", "role/{names.app_role}"),
            ("iam:UpdateAssumeRolePolicy", "role/somebodys-admin"),
            ("iam:DeleteRolePermissionsBoundary", "role/somebodys-admin"),
            ("iam:CreatePolicyVersion", "policy/Somebodys"),
            ("iam:CreateOpenIDConnectProvider", "oidc-provider/of.the.attacker"),
            ("iam:CreateSAMLProvider", "saml-provider/of-the-attacker"),
        )
    ),
    # A stack's principal without the boundary, and a policy whose content the attacker may have written.
    *(
        (action, resource, {"iam:permissionsboundary": (), "iam:policyarn": (policy,)})
        for action, resource in (
            ("iam:AttachRolePolicy", "role/{names.app_role}"),
            ("iam:AttachRolePolicy", "role/{names.execution_role}"),
            ("iam:AttachRolePolicy", "role/{names.secrets_role}"),
            ("iam:AttachUserPolicy", "user/{names.app_user}"),
        )
        for policy in (
            "arn:aws:iam::{account}:policy/{names.app_policy}",
            "arn:aws:iam::{account}:policy/{names.parameter_policy}",
            "arn:aws:iam::{account}:policy/{names.secret_policy}",
        )
    ),
    # A stack's principal with the boundary, or a role of somebody else, and somebody else's policy.
    (
        "iam:AttachRolePolicy",
        "role/their-task",
        {"iam:permissionsboundary": (), "iam:policyarn": (ADMINISTRATOR_ACCESS,)},
    ),
    *(
        (action, resource, {"iam:permissionsboundary": ("{boundary}",), "iam:policyarn": (ADMINISTRATOR_ACCESS,)})
        for action, resource in (
            ("iam:AttachRolePolicy", "role/{names.app_role}"),
            ("iam:AttachRolePolicy", "role/{names.execution_role}"),
            ("iam:AttachRolePolicy", "role/{names.secrets_role}"),
            ("iam:AttachUserPolicy", "user/{names.app_user}"),
        )
    ),
    # Another boundary than the stack's.
    *(
        (action, resource, {"iam:permissionsboundary": (ADMINISTRATOR_ACCESS,)})
        for action, resource in (
            ("iam:PutRolePermissionsBoundary", "role/{names.app_role}"),
            ("iam:PutRolePermissionsBoundary", "role/{names.execution_role}"),
            ("iam:PutUserPermissionsBoundary", "user/{names.app_user}"),
        )
    ),
    # Tags by which a policy of somebody else lets a principal in.
    *(
        (action, resource, context)
        for action, resource in (
            ("iam:TagRole", "role/{names.app_role}"),
            ("iam:TagRole", "role/{names.execution_role}"),
            ("iam:TagRole", "role/{names.log_role}"),
            ("iam:TagUser", "user/{names.app_user}"),
            ("iam:TagPolicy", "policy/{names.app_policy}"),
            ("iam:TagOpenIDConnectProvider", "oidc-provider/oidc.vercel.com/eonpro"),
        )
        for context in (
            {"aws:tagkeys": ("Department",), "aws:requesttag/application": (), "aws:requesttag/environment": ()},
            {
                "aws:tagkeys": ("Application",),
                "aws:requesttag/application": ("Payroll",),
                "aws:requesttag/environment": (),
            },
            {
                "aws:tagkeys": ("Environment",),
                "aws:requesttag/application": (),
                "aws:requesttag/environment": ("Another",),
            },
        )
    ),
    *(
        ("iam:PassRole", resource, {"iam:passedtoservice": ("lambda.amazonaws.com",)})
        for resource in ("role/{names.log_role}", "role/{names.forwarding_role}", "role/{names.app_role}")
    ),
    (
        "iam:CreateServiceLinkedRole",
        "role/aws-service-role/mrk.kms.amazonaws.com/AWSServiceRoleForKeyManagementServiceMultiRegionKeys",
        {"iam:awsservicename": ("somebodys.amazonaws.com",)},
    ),
)
"""Actions of IAM that let somebody in, each with the request's keys; an empty one is absent."""

ELSEWHERE: tuple[tuple[str, str, Context], ...] = (
    ("s3:GetObject", "arn:aws:s3:::somebodys-bucket/file", {}),
    ("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:us-east-1:{account}:secret:somebodys-AbCdEf", {}),
    ("ssm:GetParameters", "arn:aws:ssm:us-east-1:{account}:parameter/somebodys/secret", {}),
    ("dynamodb:Scan", "arn:aws:dynamodb:us-east-1:{account}:table/somebodys", {}),
    ("logs:PutLogEvents", "arn:aws:logs:us-east-1:{account}:log-group:somebodys:log-stream:one", {}),
    ("ecr:BatchGetImage", "arn:aws:ecr:us-east-1:{account}:repository/somebodys", {}),
    *(
        (
            "sns:Subscribe",
            "arn:aws:sns:{region}:{account}:{names.alert_topic}",
            {"sns:protocol": (protocol,), "sns:endpoint": (endpoint,)},
        )
        for protocol, endpoint in (("email", "of@the.attacker"), ("https", "{email}"))
    ),
    *(
        ("events:PutTargets", "arn:aws:events:{region}:{account}:rule/{names.key_changes_rule}", {key: targets})
        for key, targets in (
            ("events:targetarn", ("arn:aws:sns:{region}:999999999999:of-the-attacker",)),
            ("events:targetarn", ("{topic}", "arn:aws:lambda:{region}:{account}:function:somebodys")),
        )
    ),
    *(
        (
            "cloudwatch:PutMetricAlarm",
            "arn:aws:cloudwatch:{region}:{account}:alarm:{names.denied_use_rule}",
            {"cloudwatch:alarmactions": ("{topic}", action)},
        )
        for action in (
            "arn:aws:automate:{region}:ec2:terminate",
            "arn:aws:sns:{region}:999999999999:of-the-attacker",
            "arn:aws:lambda:{region}:{account}:function:somebodys",
        )
    ),
    *(
        (
            "kms:CreateKey",
            "*",
            {
                "aws:requesttag/application": (application,),
                "aws:requesttag/environment": (environment,),
                "aws:requestedregion": (region,),
            },
        )
        for application, environment, region in (
            ("Payroll", "{environment}", "{region}"),
            ("EONPRO", "Another", "{region}"),
            ("EONPRO", "{environment}", "ap-south-1"),
        )
    ),
    # A key without an alias: the tags that are asked for, and those that it has.
    *(
        (
            "kms:TagResource",
            "arn:aws:kms:{region}:{account}:key/new",
            {
                "kms:resourcealiases": aliases,
                "aws:requesttag/application": (asked[0],),
                "aws:requesttag/environment": (asked[1],),
                "aws:resourcetag/application": (has[0],),
                "aws:resourcetag/environment": (has[1],),
            },
        )
        for asked, has, aliases in (
            (("Payroll", "{environment}"), ("EONPRO", "{environment}"), ()),
            (("EONPRO", "Another"), ("EONPRO", "{environment}"), ()),
            (("EONPRO", "{environment}"), ("Payroll", "{environment}"), ()),
            (("EONPRO", "{environment}"), ("EONPRO", "Another"), ()),
            (("EONPRO", "{environment}"), ("EONPRO", "{environment}"), ("alias/somebodys",)),
        )
    ),
    ("ecs:ListServices", "*", {"ecs:cluster": ("arn:aws:ecs:{region}:{account}:cluster/somebodys",)}),
    (
        "ecs:ListTasks",
        "arn:aws:ecs:{region}:{account}:container-instance/{cluster}/*",
        {"ecs:cluster": ("arn:aws:ecs:{region}:{account}:cluster/somebodys",)},
    ),
    ("ecs:TagResource", "arn:aws:ecs:{region}:{account}:task-definition/somebodys:1", {"ecs:createaction": ()}),
)
"""What is not the stack's."""
