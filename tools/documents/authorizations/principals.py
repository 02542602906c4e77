"""The callers of the tables (people, services and tokens), and the stack whose policies are evaluated.

Pure.
"""

from typing import Any

from components.settings import Settings
from components.settings.arn import Arn, resource_name
from components.targets import vercel
from tools.documents.authorizations.rows import Statement, Who

ACCOUNT = "111122223333"
REGION = "us-east-1"
FOREIGN = "999988887777"
IAM = f"arn:aws:iam::{ACCOUNT}"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
REPLICA = KEY.replace(REGION, "us-west-2")
TEAM, PROJECT, CLUSTER = "acme", "portal", "clinic"
TRAIL = f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/eonpro-audit-trail"

EVERYTHING: tuple[Statement, ...] = ({"Effect": "Allow", "Action": "*", "Resource": "*"},)


def settings(**changes: Any) -> Settings:
    """The stack of the tables, with changes to it."""
    return Settings.read(
        {
            "account_id": ACCOUNT,
            "region": REGION,
            "administrators": (ADMINISTRATOR.identity, SECOND_ADMINISTRATOR.identity),
            "deploy_targets": ("vercel", "ecs"),
            "vercel_team": TEAM,
            "vercel_project": PROJECT,
            **changes,
        }
    )


def _role(name: str, role: str, session: str, iam: tuple[Statement, ...] = (), account: str = ACCOUNT) -> Who:
    return Who(
        name=name,
        identity=f"arn:aws:iam::{account}:role/{role}",
        session=f"arn:aws:sts::{account}:assumed-role/{resource_name(role)}/{session}",
        iam=iam,
    )


APPLICATION = _role("the application", "eonpro-app-role", "vercel")
APPLICATION_WITH_ALL = _role("the application with AdministratorAccess", "eonpro-app-role", "vercel", EVERYTHING)
ADMINISTRATOR = _role("a key administrator", "key-admin", "ada")
ADMINISTRATOR_WITH_ALL = _role("a key and account administrator", "key-admin", "ada", EVERYTHING)
SECOND_ADMINISTRATOR = Who(name="the second key administrator", identity=f"{IAM}:user/ops/second")
DELETER = Who(name="a deletion administrator", identity=f"{IAM}:user/security/deleter")
RESPONDER = Who(name="an incident responder", identity=f"{IAM}:user/security/responder")
DEVELOPER = Who(name="a user of the account without IAM policies", identity=f"{IAM}:user/developer")
POWERFUL = _role("an account administrator", "power", "bob", EVERYTHING)
ROOT = Who(name="the account's root user", identity=f"{IAM}:root", iam=EVERYTHING)
STRANGER = _role("an administrator of another account", "key-admin", "mallory", EVERYTHING, account=FOREIGN)
STRANGER_ROOT = Who(name="another account's root user", identity=f"arn:aws:iam::{FOREIGN}:root", iam=EVERYTHING)
_KMS: tuple[Statement, ...] = ({"Effect": "Allow", "Action": "kms:*", "Resource": "*"},)
_SSO = "aws-reserved/sso.amazonaws.com/"
SSO_PATTERN = f"{IAM}:role/{_SSO}*AWSReservedSSO_KeyAdmin_????????????????"
SSO_ADMINISTRATOR = _role(
    "an SSO administrator", f"{_SSO}eu-west-1/AWSReservedSSO_KeyAdmin_0123456789abcdef", "ada", _KMS
)
SSO_ADMINISTRATOR_HOME = _role(
    "an SSO administrator where Identity Center is in us-east-1",
    f"{_SSO}AWSReservedSSO_KeyAdmin_0123456789abcdef",
    "ada",
    _KMS,
)
SSO_WITHOUT_IAM = _role(
    "an SSO administrator whose permission set has nothing of KMS",
    f"{_SSO}eu-west-1/AWSReservedSSO_KeyAdmin_0123456789abcdef",
    "ada",
)
SSO_SIMILAR = _role(
    "an SSO role whose permission set is called KeyAdmin_Junior",
    f"{_SSO}eu-west-1/AWSReservedSSO_KeyAdmin_Junior_fedcba9876543210",
    "kim",
    _KMS,
)
SSO_OTHER = _role(
    "another permission set with all of KMS",
    f"{_SSO}eu-west-1/AWSReservedSSO_Developer_fedcba9876543210",
    "eve",
    _KMS,
)
SSO_LOOKALIKE = _role(
    "a role named like an SSO administrator's, outside its path", "AWSReservedSSO_KeyAdmin_fake", "eve", _KMS
)


def _service(name: str, service: str, source: str | None = None, **context_keys: str) -> Who:
    """A service on behalf of the account; `source` is the ARN of the resource, where it is known."""
    own = {"aws:PrincipalIsAWSService": "true", "aws:PrincipalServiceName": service, "aws:SourceAccount": ACCOUNT}
    return Who(
        name=name,
        identity=service,
        kind="Service",
        context={**own, **({"aws:SourceArn": source} if source else {}), **context_keys},
    )


CLOUDTRAIL = _service("CloudTrail", "cloudtrail.amazonaws.com", TRAIL)
CONFIG = _service("AWS Config", "config.amazonaws.com", TRAIL)
ECS_TASKS = _service(
    "an ECS task of the account",
    "ecs-tasks.amazonaws.com",
    f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/clinic/0123456789abcdef",
)
LAMBDA = _service(
    "a Lambda function of the account", "lambda.amazonaws.com", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:x"
)
EC2 = _service("an EC2 instance of the account", "ec2.amazonaws.com")
LOGS = _service("CloudWatch Logs", f"logs.{REGION}.amazonaws.com")
ACCESS_LOGS = _service("S3's access logging", "logging.s3.amazonaws.com")
EVENTS = _service("EventBridge", "events.amazonaws.com")
ALARMS = _service("CloudWatch alarms", "cloudwatch.amazonaws.com")


def _pod(name: str, namespace: str, account: str) -> Who:
    return _service(
        name,
        "pods.eks.amazonaws.com",
        f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/{CLUSTER}",
        **{"aws:RequestTag/kubernetes-namespace": namespace, "aws:RequestTag/kubernetes-service-account": account},
    )


POD = _pod("a pod of the application", "eonpro", "eonpro")
SECRETS_POD = _pod("the controller of External Secrets", "external-secrets", "external-secrets")


def _token(name: str, provider: str, audience: str, subject: str) -> Who:
    issuer = Arn.parse(provider).path
    context = {f"{issuer}:aud": audience, f"{issuer}:sub": subject}
    return Who(name=name, identity=provider, kind="Federated", context=context)


VERCEL = f"{IAM}:oidc-provider/oidc.vercel.com/{TEAM}"
VERCEL_AUDIENCE = vercel.vercel_audience(team=TEAM)


def vercel_token(name: str, *, project: str = PROJECT, environment: str = "production") -> Who:
    """The holder of a token that Vercel gave to a function of the team."""
    return _token(name, VERCEL, VERCEL_AUDIENCE, f"owner:{TEAM}:project:{project}:environment:{environment}")


OTHER_TEAM = _token(
    "a function of another team's project of the same name",
    f"{IAM}:oidc-provider/oidc.vercel.com/evil",
    vercel.vercel_audience(team="evil"),
    f"owner:evil:project:{PROJECT}:environment:production",
)
GITHUB = _token(
    "a GitHub workflow",
    f"{IAM}:oidc-provider/token.actions.githubusercontent.com",
    "sts.amazonaws.com",
    f"repo:{TEAM}/{PROJECT}:environment:production",
)
EKS = f"{IAM}:oidc-provider/oidc.eks.{REGION}.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
OTHER_EKS = EKS.replace("EXAMPLED539D", "OTHERD539D")


def service_account_token(
    name: str, *, namespace: str = "eonpro", account: str = "eonpro", provider: str = EKS, audience: str = ""
) -> Who:
    """The holder of a token of a service account of an EKS cluster."""
    subject = f"system:serviceaccount:{namespace}:{account}"
    return _token(name, provider, audience or "sts.amazonaws.com", subject)
