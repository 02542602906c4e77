"""Who asks, in which circumstances, and the policies that answer, by the names of docs/reference/authorizations.md.

Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from components import policies
from components.policies import trail
from components.policies.stack import application_trust_of, key_policy_of
from components.settings import APPLICATION_VARIABLES, Settings
from components.settings.arn import Arn, resource_name
from components.targets import vercel
from components.targets.ecs import execution_trust_policy, task_start_policy
from components.targets.eks import secrets_trust_of

Policy = Mapping[str, Any]
Statement = Mapping[str, Any]
Context = Mapping[str, str | None]
"""Condition keys of a request; None: without this key."""

ACCOUNT, FOREIGN = "111122223333", "999988887777"
REGION = "us-east-1"
IAM = f"arn:aws:iam::{ACCOUNT}"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
TEAM, PROJECT, CLUSTER = "acme", "portal", "clinic"
SSO = "aws-reserved/sso.amazonaws.com/"
EKS = f"{IAM}:oidc-provider/oidc.eks.{REGION}.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
AUDIENCE, TAG = "sts.amazonaws.com", "aws:RequestTag/kubernetes-"


def settings(**changes: Any) -> Settings:
    """The stack of the page, with changes to it."""
    return Settings.read(
        {
            "account_id": ACCOUNT,
            "region": REGION,
            "administrators": (f"{IAM}:role/key-admin", f"{IAM}:user/ops/second"),
            "deploy_targets": ("vercel", "ecs"),
            "vercel_team": TEAM,
            "vercel_project": PROJECT,
            **changes,
        }
    )


NAMES = settings().names
TRAIL = f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/{NAMES.trail}"
GROUP = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{NAMES.log_group}"
TOPIC, FALLBACK = (f"arn:aws:sns:{REGION}:{ACCOUNT}:{name}" for name in (NAMES.alert_topic, NAMES.fallback_topic))
ALARM = f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{NAMES.denied_use_rule}"
BUCKET, ACCESS_BUCKET = f"arn:aws:s3:::{NAMES.trail_bucket}", f"arn:aws:s3:::{NAMES.access_log_bucket}"
BUS = f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default"
OF_TRAIL, OF_GROUP, OF_TOPIC = (
    f"kms:EncryptionContext:{key}" for key in ("aws:cloudtrail:arn", "aws:logs:arn", "aws:sns:topicArn")
)


@dataclass(frozen=True, kw_only=True)
class Who:
    """A caller: a principal of AWS, a service, or the holder of a token of an identity provider."""

    identity: str
    """ARN of the user, role, root or identity provider; or the service's name."""
    kind: str = "AWS"
    """The element of a policy's Principal that names it: AWS, Service or Federated."""
    session: str | None = None
    """ARN of the role's session, if it is one."""
    iam: tuple[Statement, ...] = ()
    """The statements of the caller's own IAM policies."""
    context: Context = field(default_factory=dict)

    @property
    def account(self) -> str:
        """The account; empty for a service."""
        return Arn.parse(self.identity).account if self.kind == "AWS" else ""

    @property
    def names(self) -> tuple[str, ...]:
        """Every ARN by which a policy can name exactly this caller."""
        return (self.identity, *((self.session,) if self.session else ()))

    @property
    def request_context(self) -> Context:
        account = {"aws:PrincipalAccount": self.account, "kms:CallerAccount": self.account}
        own = {**account, "aws:PrincipalArn": self.identity} if self.kind == "AWS" else {}
        return {"aws:SecureTransport": "true", "s3:TlsVersion": "1.3", **own, **self.context}


def _may(*actions: str) -> tuple[Statement, ...]:
    return ({"Effect": "Allow", "Action": list(actions), "Resource": "*"},) if actions else ()


def _role(role: str, *actions: str, account: str = ACCOUNT) -> Who:
    session = f"arn:aws:sts::{account}:assumed-role/{resource_name(role)}/ada"
    return Who(identity=f"arn:aws:iam::{account}:role/{role}", session=session, iam=_may(*actions))


def _service(service: str, source: str | None = None, context: Context | None = None) -> Who:
    """A service on behalf of the account; `source` is the ARN of the resource, where it is known."""
    own = {"aws:PrincipalIsAWSService": "true", "aws:PrincipalServiceName": service, "aws:SourceAccount": ACCOUNT}
    return Who(identity=service, kind="Service", context={**own, "aws:SourceArn": source, **(context or {})})


def _token(provider: str, audience: str, subject: str) -> Who:
    issuer = Arn.parse(provider).path
    return Who(identity=provider, kind="Federated", context={f"{issuer}:aud": audience, f"{issuer}:sub": subject})


def _vercel(project: str = PROJECT, environment: str = "production", team: str = TEAM) -> Who:
    provider = f"{IAM}:oidc-provider/oidc.vercel.com/{team}"
    subject = f"owner:{team}:project:{project}:environment:{environment}"
    return _token(provider, vercel.vercel_audience(team=team), subject)


def _pod(name: str) -> Who:
    tags = {f"{TAG}namespace": name, f"{TAG}service-account": name}
    return _service("pods.eks.amazonaws.com", f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/{CLUSTER}", tags)


def _service_account(namespace: str = "eonpro", account: str = "eonpro", provider: str = EKS) -> Who:
    return _token(provider, AUDIENCE, f"system:serviceaccount:{namespace}:{account}")


WHO: Mapping[str, Who] = {
    "application": _role("eonpro-app-role"),
    "application with AdministratorAccess": _role("eonpro-app-role", "*"),
    "key administrator": _role("key-admin"),
    "key and account administrator": _role("key-admin", "*"),
    "second key administrator": Who(identity=f"{IAM}:user/ops/second"),
    "deletion administrator": Who(identity=f"{IAM}:user/security/deleter"),
    "incident responder": Who(identity=f"{IAM}:user/security/responder"),
    "user without IAM policies": Who(identity=f"{IAM}:user/developer"),
    "account administrator": _role("power", "*"),
    "root user": Who(identity=f"{IAM}:root", iam=_may("*")),
    "administrator of another account": _role("key-admin", "*", account=FOREIGN),
    "root user of another account": Who(identity=f"arn:aws:iam::{FOREIGN}:root", iam=_may("*")),
    "SSO administrator": _role(f"{SSO}eu-west-1/AWSReservedSSO_KeyAdmin_0123456789abcdef", "kms:*"),
    "SSO administrator of us-east-1": _role(f"{SSO}AWSReservedSSO_KeyAdmin_0123456789abcdef", "kms:*"),
    "SSO administrator without KMS": _role(f"{SSO}eu-west-1/AWSReservedSSO_KeyAdmin_0123456789abcdef"),
    "permission set KeyAdmin_Junior": _role(f"{SSO}eu-west-1/AWSReservedSSO_KeyAdmin_Junior_fedcba9876543210", "kms:*"),
    "another permission set": _role(f"{SSO}eu-west-1/AWSReservedSSO_Developer_fedcba9876543210", "kms:*"),
    "role of that name outside the path": _role("AWSReservedSSO_KeyAdmin_fake", "kms:*"),
    "execution role": Who(identity=f"{IAM}:role/eonpro-execution-role"),
    "secrets role": Who(identity=f"{IAM}:role/eonpro-secrets-role"),
    "log role": Who(identity=f"{IAM}:role/{NAMES.log_role}"),
    "forwarding role": Who(identity=f"{IAM}:role/eonpro-alerts-forwarding"),
    "CloudTrail": _service(
        "cloudtrail.amazonaws.com", TRAIL, {OF_TRAIL: TRAIL, "s3:x-amz-acl": "bucket-owner-full-control"}
    ),
    "AWS Config": _service("config.amazonaws.com", TRAIL, {"s3:x-amz-acl": "bucket-owner-full-control"}),
    "CloudWatch Logs": _service(f"logs.{REGION}.amazonaws.com", context={OF_GROUP: GROUP}),
    "CloudWatch alarm": _service("cloudwatch.amazonaws.com", ALARM, {OF_TOPIC: TOPIC}),
    "EventBridge": _service("events.amazonaws.com", context={OF_TOPIC: TOPIC}),
    "S3's access logging": _service("logging.s3.amazonaws.com", BUCKET),
    "ECS task": _service("ecs-tasks.amazonaws.com", f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/clinic/0123456789abcdef"),
    "Lambda function": _service("lambda.amazonaws.com", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:x"),
    "EC2 instance": _service("ec2.amazonaws.com"),
    "production function": _vercel(),
    "preview": _vercel(environment="preview"),
    "vercel dev": _vercel(environment="development"),
    "another project of the team": _vercel("blog"),
    "project whose name begins the same": _vercel("portal-evil"),
    "another team's project of that name": _vercel(team="evil"),
    "GitHub workflow": _token(
        f"{IAM}:oidc-provider/token.actions.githubusercontent.com",
        AUDIENCE,
        f"repo:{TEAM}/{PROJECT}:environment:production",
    ),
    "pod by Pod Identity": _pod("eonpro"),
    "External Secrets": _pod("external-secrets"),
    "pod by IRSA": _service_account(),
    "pod of another namespace": _service_account(namespace="default"),
    "pod of another service account": _service_account(account="default"),
    "pod of another cluster": _service_account(provider=EKS.replace("EXAMPLED539D", "OTHERD539D")),
}

FOREIGN_TRAIL, OTHER_TRAIL = TRAIL.replace(ACCOUNT, FOREIGN), TRAIL.replace(NAMES.trail, "other")
FOREIGN_TASK = f"arn:aws:ecs:{REGION}:{FOREIGN}:task/clinic/0123456789abcdef"
LONG_UNUSED = {"kms:TrailingDaysWithoutKeyUsage": "90"}

CIRCUMSTANCES: Mapping[str, Context] = {
    "90 days after the last use": LONG_UNUSED,
    "89 days after a use": {"kms:TrailingDaysWithoutKeyUsage": "89"},
    "90 days after the last use with a waiting period of 29 days": {
        **LONG_UNUSED,
        "kms:ScheduleKeyDeletionPendingWindowInDays": "29",
    },
    "over plain HTTP": {"aws:SecureTransport": "false", "s3:TlsVersion": None},
    "over TLS 1.1": {"s3:TlsVersion": "1.1"},
    "over TLS 1.0": {"s3:TlsVersion": "1.0"},
    "for another account": {"aws:SourceAccount": FOREIGN},
    "of another account": {"aws:SourceAccount": FOREIGN, "aws:SourceArn": FOREIGN_TASK},
    "in another Region": {"aws:SourceArn": f"arn:aws:ecs:eu-west-1:{ACCOUNT}:task/clinic/0123456789abcdef"},
    "without a source": {"aws:SourceAccount": None, "aws:SourceArn": None},
    "in another cluster": {"aws:SourceArn": f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/other"},
    "in another account's cluster of the same name": {
        "aws:SourceAccount": FOREIGN,
        "aws:SourceArn": f"arn:aws:eks:{REGION}:{FOREIGN}:cluster/{CLUSTER}",
    },
    "in another namespace": {f"{TAG}namespace": "default"},
    "of another service account": {f"{TAG}service-account": "default"},
    "without tags": {f"{TAG}namespace": None, f"{TAG}service-account": None},
    "for another audience": {
        f"{vercel.vercel_issuer(team=TEAM)}:aud": AUDIENCE,
        f"{Arn.parse(EKS).path}:aud": "vault",
    },
    "for another trail": {"aws:SourceArn": OTHER_TRAIL, OF_TRAIL: OTHER_TRAIL},
    "for a trail of another account": {"aws:SourceAccount": FOREIGN, "aws:SourceArn": FOREIGN_TRAIL},
    "without giving the object to the account": {"s3:x-amz-acl": None},
    "without a context": {OF_TRAIL: None},
    "for another log group": {OF_GROUP: GROUP.replace(NAMES.log_group, "/other")},
    "for another bucket": {"aws:SourceArn": "arn:aws:s3:::another-bucket"},
    "for a topic of another account": {OF_TOPIC: TOPIC.replace(ACCOUNT, FOREIGN)},
    "for no topic": {OF_TOPIC: None},
    "for another alarm": {"aws:SourceArn": f"{ALARM}-other"},
    "for an alarm of another account": {
        "aws:SourceAccount": FOREIGN,
        "aws:SourceArn": ALARM.replace(ACCOUNT, FOREIGN),
    },
}


class Kind(StrEnum):
    """The evaluation rules of a policy.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
    """

    KEY = "key"
    """Policy of a KMS key: IAM policies count only where it delegates to them."""
    RESOURCE = "resource"
    """Policy of a bucket or a topic: in its own account an IAM policy is enough."""
    TRUST = "trust"
    """Trust policy of a role."""
    IDENTITY = "identity"
    """Identity policy of a role or user."""


@dataclass(frozen=True)
class Answering:
    """A policy that the program makes, and the resource that is asked for where the page names none."""

    kind: Kind
    policy: Policy
    resource: str


def _key(**changes: Any) -> Answering:
    return Answering(Kind.KEY, key_policy_of(settings(**changes)), KEY)


def _trust(role: str, policy: Policy) -> Answering:
    return Answering(Kind.TRUST, policy, f"{IAM}:role/{role}")


def _application_trust(**changes: Any) -> Answering:
    return _trust("eonpro-app-role", application_trust_of(settings(**changes)))


_PARAMETERS = [f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/eonpro/production/{name}" for name in APPLICATION_VARIABLES]
_SECRETS = [
    f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:/eonpro/production/{name}" for name in APPLICATION_VARIABLES
]
_POD_IDENTITY = {"deploy_targets": ("eks",), "eks_cluster": CLUSTER}
_IRSA = {**_POD_IDENTITY, "eks_identity": "irsa", "eks_oidc_provider_arn": EKS}

POLICIES: Mapping[str, Answering] = {
    "The PHI key with its default policy": _key(),
    "The PHI key with deletion administrators": _key(
        deletion_administrators=(f"{IAM}:user/security/deleter",),
        incident_responders=(f"{IAM}:user/security/responder",),
    ),
    "The PHI key with administrators from IAM Identity Center": _key(
        administrator_patterns=(f"{IAM}:role/{SSO}*AWSReservedSSO_KeyAdmin_????????????????",), strict_key_policy=True
    ),
    "The PHI key with a strict policy": _key(strict_key_policy=True),
    "The PHI key for the application's exclusive use": _key(exclusive_use=True),
    "The PHI key in several Regions": _key(multi_region=True, replica_regions=("us-west-2",)),
    "EONPROKMSAccess, the application's own policy": Answering(
        Kind.IDENTITY, policies.application_policy(key_arns=[KEY]), KEY
    ),
    "EONPROKMSAccess with a replica": Answering(
        Kind.IDENTITY, policies.application_policy(key_arns=[KEY, KEY.replace(REGION, "us-west-2")]), KEY
    ),
    "EONPROParameterAccess, for ECS": Answering(
        Kind.IDENTITY, policies.parameter_policy(parameter_arns=_PARAMETERS), _PARAMETERS[2]
    ),
    "EONPROParameterAccess, for EKS": Answering(
        Kind.IDENTITY, policies.parameter_policy(parameter_arns=_PARAMETERS, one_by_one=True), _PARAMETERS[2]
    ),
    "EONPROSecretAccess": Answering(
        Kind.IDENTITY, policies.secret_policy(secret_arns=_SECRETS), f"{_SECRETS[2]}-AbCdEf"
    ),
    "The execution role's own policy": Answering(
        Kind.IDENTITY, task_start_policy(settings()), f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/portal"
    ),
    "Who can assume the application's role on Vercel": _application_trust(deploy_targets=("vercel",)),
    "Who can assume the application's role on ECS": _application_trust(deploy_targets=("ecs",)),
    "Who can assume the execution role of ECS": _trust("eonpro-execution-role", execution_trust_policy()),
    "Who can assume the application's role on EKS, by IRSA": _application_trust(**_IRSA),
    "Who can assume the application's role on EKS, by Pod Identity": _application_trust(**_POD_IDENTITY),
    "Who reads the variables for the pods of EKS": _trust(
        "eonpro-secrets-role", secrets_trust_of(settings(**_POD_IDENTITY))
    ),
    "The bucket of the audit trail": Answering(
        Kind.RESOURCE,
        policies.trail_bucket_policy(bucket=NAMES.trail_bucket, account_id=ACCOUNT, trail_arn=TRAIL),
        f"{BUCKET}/AWSLogs/{ACCOUNT}/CloudTrail/{REGION}/2030/01/01/log.json.gz",
    ),
    "The bucket of the access logs": Answering(
        Kind.RESOURCE,
        policies.access_log_bucket_policy(
            bucket=NAMES.access_log_bucket, source_bucket=NAMES.trail_bucket, account_id=ACCOUNT
        ),
        f"{ACCESS_BUCKET}/access/2030-01-01-00-00-00-0123456789ABCDEF",
    ),
    "The key of the audit logs": Answering(
        Kind.KEY,
        policies.trail_key_policy(
            account_id=ACCOUNT,
            administrators=settings().administrators,
            trail_arn=TRAIL,
            log_group_arn=GROUP,
            publishers=True,
        ),
        KEY.replace("1234abcd", "5678efab"),
    ),
    "The topic of the alerts": Answering(
        Kind.RESOURCE,
        policies.alert_topic_policy(topic_arn=TOPIC, account_id=ACCOUNT, source_arns=[ALARM]),
        TOPIC,
    ),
    "The fallback topic of the alerts": Answering(
        Kind.RESOURCE, policies.alert_topic_policy(topic_arn=FALLBACK, account_id=ACCOUNT, source_arns=[]), FALLBACK
    ),
    "Who can assume the role that writes to CloudWatch Logs": _trust(
        NAMES.log_role, policies.log_role_trust_policy(account_id=ACCOUNT, trail_arn=TRAIL)
    ),
    "What the role that writes to CloudWatch Logs may do": Answering(
        Kind.IDENTITY,
        policies.log_role_policy(log_group_arn=GROUP, account_id=ACCOUNT, region=REGION),
        f"{GROUP}:log-stream:{ACCOUNT}_CloudTrail_{REGION}",
    ),
    "Who can assume the role that sends alerts from another Region": _trust(
        "eonpro-alerts-forwarding", trail.forwarding_trust_policy(account_id=ACCOUNT)
    ),
    "What the role that sends alerts from another Region may do": Answering(
        Kind.IDENTITY, trail.forwarding_policy(event_bus_arn=BUS), BUS
    ),
}
