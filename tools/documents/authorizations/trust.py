"""The tables of the trust policies: who can assume the application's role, and the roles that read its variables.

Pure.
"""

from dataclasses import replace

from components import policies
from components.policies.stack import application_trust_of
from components.settings.arn import Arn
from components.targets import vercel
from components.targets.ecs import execution_trust_policy
from components.targets.eks import secrets_trust_of
from tools.documents.authorizations.principals import (
    ACCOUNT,
    CLUSTER,
    EC2,
    ECS_TASKS,
    EKS,
    FOREIGN,
    GITHUB,
    IAM,
    LAMBDA,
    OTHER_EKS,
    OTHER_TEAM,
    POD,
    POWERFUL,
    PROJECT,
    REGION,
    ROOT,
    SECRETS_POD,
    STRANGER,
    TEAM,
    service_account_token,
    settings,
    vercel_token,
)
from tools.documents.authorizations.rows import Kind, Table, may, may_not

ASSUME = "sts:AssumeRole"
WEB = "sts:AssumeRoleWithWebIdentity"
ROLE = f"{IAM}:role/eonpro-app-role"
_ISSUER = vercel.vercel_issuer(team=TEAM)
_CLUSTER = Arn.parse(EKS).path


def _trust(**changes: object) -> policies.Policy:
    return application_trust_of(settings(**changes))


VERCEL_TRUST = Table(
    title="Who can assume the application's role on Vercel",
    about=f"eonpro-app-role: production of the project `{PROJECT}` of team `{TEAM}`.",
    kind=Kind.TRUST,
    policy=_trust(deploy_targets=("vercel",)),
    resource=ROLE,
    rows=(
        *may(vercel_token("a production function of the project"), WEB, by="TrustVercel"),
        *may_not(vercel_token("a preview of the project", environment="preview"), WEB, but=(f"{_ISSUER}:sub",)),
        *may_not(
            vercel_token("a developer's machine (vercel dev)", environment="development"),
            WEB,
            but=(f"{_ISSUER}:sub",),
        ),
        *may_not(
            vercel_token("another project of the team", project="blog"),
            WEB,
            but=(f"{_ISSUER}:sub",),
        ),
        *may_not(
            vercel_token("a project whose name begins the same", project="portal-evil"),
            WEB,
            but=(f"{_ISSUER}:sub",),
        ),
        *may_not(
            vercel_token("a production function of the project"),
            WEB,
            how="with a token for another audience",
            because={f"{_ISSUER}:aud": "sts.amazonaws.com"},
        ),
        *may_not(vercel_token("a production function of the project"), ASSUME, "sts:TagSession"),
        *may_not(OTHER_TEAM, WEB),
        *may_not(GITHUB, WEB),
        *may_not(ECS_TASKS, ASSUME),
        *may_not(POWERFUL, ASSUME, how="to pass for the application"),
        *may_not(ROOT, ASSUME),
        *may_not(STRANGER, ASSUME),
    ),
)

ECS_TRUST = Table(
    title="Who can assume the application's role on ECS",
    about="eonpro-app-role: tasks of this account and Region.",
    kind=Kind.TRUST,
    policy=_trust(deploy_targets=("ecs",)),
    resource=ROLE,
    rows=(
        *may(ECS_TASKS, ASSUME, by="TrustEcsTasks"),
        *may_not(
            ECS_TASKS,
            ASSUME,
            how="on behalf of another account",
            because={
                "aws:SourceAccount": FOREIGN,
                "aws:SourceArn": f"arn:aws:ecs:{REGION}:{FOREIGN}:task/clinic/0123456789abcdef",
            },
        ),
        *may_not(
            ECS_TASKS,
            ASSUME,
            how="in another Region",
            because={"aws:SourceArn": f"arn:aws:ecs:eu-west-1:{ACCOUNT}:task/clinic/0123456789abcdef"},
        ),
        *may_not(
            ECS_TASKS,
            ASSUME,
            how="without a source account and ARN",
            because={"aws:SourceAccount": None, "aws:SourceArn": None},
        ),
        *may_not(ECS_TASKS, "sts:TagSession"),
        *may_not(LAMBDA, ASSUME),
        *may_not(EC2, ASSUME),
        *may_not(vercel_token("a production function on Vercel"), WEB),
        *may_not(POWERFUL, ASSUME, how="to pass for the application"),
        *may_not(STRANGER, ASSUME),
    ),
)

EXECUTION_TRUST = Table(
    title="Who can assume the execution role of ECS",
    about="It starts the tasks and passes them their variables; it may not use the key.",
    kind=Kind.TRUST,
    policy=execution_trust_policy(),
    resource=f"{IAM}:role/eonpro-execution-role",
    rows=(
        *may(replace(ECS_TASKS, name="the ECS agent"), ASSUME, by="TrustEcsTasks"),
        *may(
            replace(ECS_TASKS, name="the ECS agent"),
            ASSUME,
            by="TrustEcsTasks",
            how="for another account: iam:PassRole ends at its own",
            context={"aws:SourceAccount": FOREIGN, "aws:SourceArn": None},
        ),
        *may_not(replace(ECS_TASKS, name="the ECS agent"), "sts:TagSession"),
        *may_not(LAMBDA, ASSUME),
        *may_not(EC2, ASSUME),
        *may_not(POWERFUL, ASSUME),
        *may_not(STRANGER, ASSUME),
        *may_not(vercel_token("a production function on Vercel"), WEB),
    ),
)

_IRSA = {"deploy_targets": ("eks",), "eks_cluster": CLUSTER, "eks_identity": "irsa", "eks_oidc_provider_arn": EKS}
IRSA_TRUST = Table(
    title="Who can assume the application's role on EKS, by IRSA",
    about="eonpro-app-role: the service account `eonpro` of the namespace `eonpro` of one cluster.",
    kind=Kind.TRUST,
    policy=_trust(**_IRSA),
    resource=ROLE,
    rows=(
        *may(service_account_token("a pod of the application"), WEB, by="TrustServiceAccount"),
        *may_not(
            service_account_token("a pod of another namespace", namespace="default"), WEB, but=(f"{_CLUSTER}:sub",)
        ),
        *may_not(
            service_account_token("a pod of another service account", account="default"),
            WEB,
            but=(f"{_CLUSTER}:sub",),
        ),
        *may_not(
            service_account_token("a pod of the application", audience="vault"),
            WEB,
            how="with a token for another audience",
            but=(f"{_CLUSTER}:aud",),
        ),
        *may_not(service_account_token("a pod of another cluster, named alike", provider=OTHER_EKS), WEB),
        *may_not(GITHUB, WEB),
        *may_not(POD, ASSUME, how="by Pod Identity"),
        *may_not(POWERFUL, ASSUME),
        *may_not(STRANGER, ASSUME),
    ),
)

_POD_IDENTITY = {"deploy_targets": ("eks",), "eks_cluster": CLUSTER}
_TAG = "aws:RequestTag/kubernetes-"
POD_TRUST = Table(
    title="Who can assume the application's role on EKS, by Pod Identity",
    about="eonpro-app-role: one service account of one namespace of one cluster.",
    kind=Kind.TRUST,
    policy=_trust(**_POD_IDENTITY),
    resource=ROLE,
    rows=(
        *may(POD, ASSUME, "sts:TagSession", by="TrustPodIdentity"),
        *may_not(
            POD,
            ASSUME,
            how="of another cluster",
            because={"aws:SourceArn": f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/other"},
        ),
        *may_not(
            POD,
            ASSUME,
            how="of another account's cluster of the same name",
            because={
                "aws:SourceAccount": FOREIGN,
                "aws:SourceArn": f"arn:aws:eks:{REGION}:{FOREIGN}:cluster/{CLUSTER}",
            },
        ),
        *may_not(POD, ASSUME, "sts:TagSession", how="of another namespace", because={f"{_TAG}namespace": "default"}),
        *may_not(POD, ASSUME, how="of another service account", because={f"{_TAG}service-account": "default"}),
        *may_not(
            POD,
            ASSUME,
            how="whose session is not tagged",
            because={f"{_TAG}namespace": None, f"{_TAG}service-account": None},
        ),
        *may_not(SECRETS_POD, ASSUME, but=(f"{_TAG}namespace", f"{_TAG}service-account")),
        *may_not(service_account_token("a pod of the application"), WEB, how="by IRSA"),
        *may_not(ECS_TASKS, ASSUME),
        *may_not(POWERFUL, ASSUME),
        *may_not(STRANGER, ASSUME),
    ),
)

SECRETS_TRUST = Table(
    title="Who reads the variables for the pods of EKS",
    about="eonpro-secrets-role: the External Secrets controller, not the application.",
    kind=Kind.TRUST,
    policy=secrets_trust_of(settings(**_POD_IDENTITY)),
    resource=f"{IAM}:role/eonpro-secrets-role",
    rows=(
        *may(SECRETS_POD, ASSUME, "sts:TagSession", by="TrustPodIdentity"),
        *may_not(POD, ASSUME, but=(f"{_TAG}namespace", f"{_TAG}service-account")),
        *may_not(
            SECRETS_POD,
            ASSUME,
            how="of another cluster",
            because={"aws:SourceArn": f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/other"},
        ),
        *may_not(POWERFUL, ASSUME),
    ),
)

TABLES = (VERCEL_TRUST, ECS_TRUST, EXECUTION_TRUST, IRSA_TRUST, POD_TRUST, SECRETS_TRUST)
