"""The rows of the application: who can become it, what it may do, and who reads its variables for a platform.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..row import By, Check, Document, May, OneOf, Row, unless_set
from ..settings import Settings, last_part, rest_of
from ..types import OIDC_PROVIDER, POLICY, ROLE, ROLE_ATTACHMENT, ROLE_POLICY, USER, USER_ATTACHMENT
from .keys import NO_RECORD, USE, phi_keys

WEB_IDENTITY = ("sts:AssumeRoleWithWebIdentity",)


def rows(settings: Settings) -> Iterator[Row]:
    """The application's role or user with its one policy, and the readers of its variables."""
    yield from _principals(settings)
    yield from _access(settings)
    yield from _delivery(settings)


def role(settings: Settings, name: str, role_name: str, trust: Document, **more: Any) -> Row:
    """A role of the stack: nothing but its name, its trust and the boundary of the settings."""
    return Row(
        type=ROLE,
        name=name,
        must={
            "name": role_name,
            "path": unless_set("/"),
            "maxSessionDuration": unless_set(3600),
            "permissionsBoundary": _boundary(settings),
            **dict.fromkeys(("managedPolicyArns", "inlinePolicies"), Check(faults=_exclusive)),
        },
        documents={"assumeRolePolicy": trust},
        tags=settings.tags,
        rule="listed-access",
        **more,
    )


def _exclusive(policies: Any) -> Iterator[str]:
    # https://registry.terraform.io/providers/hashicorp/aws/latest/docs/resources/iam_role
    if policies is not None:
        yield f"is {policies}, wanted it not set: the provider takes away every policy that is not in it"


def _boundary(settings: Settings) -> By:
    return By(setting="permissionsBoundaryArn", value=settings.permissions_boundary_arn or None)


def inline_policy(name: str, policy_name: str, role_name: str, document: Document) -> Row:
    """The one inline policy of a role."""
    return Row(
        type=ROLE_POLICY,
        name=name,
        must={"name": policy_name, "role": role_name},
        documents={"policy": document},
        rule="listed-access",
    )


def _principals(settings: Settings) -> Iterator[Row]:
    if settings.makes_role:
        left = {"assumeRolePolicy", "description", "tags", "permissionsBoundary"}
        is_left = "application-role" in settings.kept_as_found
        kept = frozenset(left if is_left else ())
        yield role(settings, "app-principal", settings.name("app-role"), application_trust(settings), kept=kept)
    if settings.makes_user:
        yield Row(
            type=USER,
            name="app-principal",
            must={
                "name": settings.name("app-user"),
                "path": unless_set("/"),
                "permissionsBoundary": _boundary(settings),
                "forceDestroy": OneOf(values=(None, False, True)),
            },
            tags=settings.tags,
            rule="listed-access",
        )
    if settings.trusts_vercel and not settings.vercel_oidc_provider_arn:
        yield Row(
            type=OIDC_PROVIDER,
            name="app-principal-vercel",
            must={
                "url": f"https://{vercel_issuer(settings)}",
                "clientIdLists": [f"https://vercel.com/{settings.vercel_team}"],
            },
            tags=settings.tags,
            rule="listed-access",
        )


def vercel_issuer(settings: Settings) -> str:
    """The issuer of Vercel's tokens for the team, without the scheme."""
    if settings.vercel_oidc_provider_arn:
        return rest_of(settings.vercel_oidc_provider_arn)
    return "oidc.vercel.com" if settings.vercel_issuer_mode == "global" else f"oidc.vercel.com/{settings.vercel_team}"


def vercel_provider(settings: Settings) -> str:
    """The account's OIDC provider for Vercel's tokens: an existing one, or the stack's."""
    return settings.vercel_oidc_provider_arn or settings.arn("iam", f"oidc-provider/{vercel_issuer(settings)}")


def application_trust(settings: Settings) -> Document:
    """Each deploy target of the settings can become the application, and nobody else."""
    may: list[May] = []
    if settings.trusts_vercel:
        issuer = vercel_issuer(settings)
        project = f"owner:{settings.vercel_team}:project:{settings.vercel_project}"
        environments = (settings.vercel_environment, *settings.vercel_environments)
        claims = {
            f"{issuer}:aud": (f"https://vercel.com/{settings.vercel_team}",),
            f"{issuer}:sub": tuple(f"{project}:environment:{each}" for each in environments),
        }
        who = (("Federated", vercel_provider(settings)),)
        may.append(May(who=who, actions=WEB_IDENTITY, when={"StringEquals": claims}, without=NO_RECORD))
    if "ecs" in settings.deploy_targets:
        tasks = tuple(settings.arn("ecs", "*", region=region) for region in settings.regions)
        may.append(
            May(
                who=(("Service", "ecs-tasks.amazonaws.com"),),
                actions=("sts:AssumeRole",),
                when={
                    "StringEquals": {"aws:SourceAccount": (settings.account_id,)},
                    "ArnLike": {"aws:SourceArn": tasks},
                },
                without=NO_RECORD,
            )
        )
    if "eks" in settings.deploy_targets:
        may.append(_pods(settings, settings.eks_namespace, settings.eks_service_account))
    return Document(may=tuple(may))


def _pods(settings: Settings, namespace: str, service_account: str) -> May:
    """The pods of one service account of the settings' cluster."""
    if settings.eks_identity == "irsa":
        issuer = rest_of(settings.eks_oidc_provider_arn)
        claims = {
            f"{issuer}:aud": ("sts.amazonaws.com",),
            f"{issuer}:sub": (f"system:serviceaccount:{namespace}:{service_account}",),
        }
        provider = (("Federated", settings.eks_oidc_provider_arn),)
        return May(who=provider, actions=WEB_IDENTITY, when={"StringEquals": claims}, without=NO_RECORD)
    return May(
        who=(("Service", "pods.eks.amazonaws.com"),),
        actions=("sts:AssumeRole", "sts:TagSession"),
        when={
            "StringEquals": {
                "aws:SourceAccount": (settings.account_id,),
                "aws:RequestTag/kubernetes-namespace": (namespace,),
                "aws:RequestTag/kubernetes-service-account": (service_account,),
            },
            "ArnEquals": {"aws:SourceArn": (settings.arn("eks", f"cluster/{settings.eks_cluster}"),)},
        },
        without=NO_RECORD,
    )


def _access(settings: Settings) -> Iterator[Row]:
    name = settings.policy("KMSAccess")
    keys = tuple(settings.arn("kms", "key/*", region=region) for region in settings.regions)
    is_left = "application-policy" in settings.kept_as_found
    yield Row(
        type=POLICY,
        name="app-access",
        must={"name": name, "path": unless_set("/")},
        documents={"policy": Document(may=(May(actions=USE, on=keys, in_full=True),))},
        keys={"policy": phi_keys(settings)},
        tags=settings.tags,
        kept=frozenset({"policy", "tags"} if is_left else ()),
        ignores=frozenset({"description"}),
        rule="listed-access",
    )
    policy_arn = settings.imported("application-policy", settings.arn("iam", f"policy/{name}"))
    for principal in settings.principals:
        type_, kind = (USER_ATTACHMENT, "user") if ":user/" in principal else (ROLE_ATTACHMENT, "role")
        must = {kind: last_part(principal), "policyArn": policy_arn}
        yield Row(type=type_, name="app-access", must=must, rule="listed-access")


def readers_of(settings: Settings) -> dict[str, str]:
    """The names of the roles that read the variables from the store, by the end of their attachment's logical name."""
    execution = last_part(settings.ecs_execution_role_arn) or settings.name("execution-role")
    return {
        **({"": execution} if "ecs" in settings.deploy_targets else {}),
        **({"-eks": settings.name("secrets-role")} if "eks" in settings.deploy_targets else {}),
    }


def reading_policy(settings: Settings) -> str:
    """The name of the policy with which they read."""
    return settings.policy("SecretAccess" if _in_secrets(settings) else "ParameterAccess")


def _in_secrets(settings: Settings) -> bool:
    return settings.secret_store == "secrets-manager"


def _delivery(settings: Settings) -> Iterator[Row]:
    readers = readers_of(settings)
    if "ecs" in settings.deploy_targets and not settings.ecs_execution_role_arn:
        # AWS documents a condition on the source for the tasks' own role only.
        trust = May(who=(("Service", "ecs-tasks.amazonaws.com"),), actions=("sts:AssumeRole",), without=NO_RECORD)
        yield role(settings, "delivery-execution", readers[""], Document(may=(trust,)))
        yield inline_policy("delivery-execution", "StartTasks", readers[""], _start_of_tasks(settings))
    if "eks" in settings.deploy_targets:
        trust = _pods(settings, "external-secrets", "external-secrets")
        yield role(settings, "delivery-secrets", readers["-eks"], Document(may=(trust,)))
    if not readers:
        return
    logical = "delivery-secrets" if _in_secrets(settings) else "delivery-parameters"
    policy = reading_policy(settings)
    yield Row(
        type=POLICY,
        name=logical,
        must={"name": policy, "path": unless_set("/")},
        documents={"policy": Document(may=(_reading(settings),))},
        tags=settings.tags,
        ignores=frozenset({"description"}),
        rule="listed-access",
    )
    policy_arn = settings.imported("variables-policy", settings.arn("iam", f"policy/{policy}"))
    for ending, reader in readers.items():
        must = {"role": reader, "policyArn": policy_arn}
        yield Row(type=ROLE_ATTACHMENT, name=f"{logical}{ending}", must=must, rule="listed-access")


def _reading(settings: Settings) -> May:
    """The application's variables, and no other parameter or secret."""
    if _in_secrets(settings):
        # Secrets Manager adds six characters to a name.
        actions, ending = ("secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"), "-??????"
    else:
        # External Secrets reads them one by one.
        one_by_one = ("ssm:GetParameter",) if "eks" in settings.deploy_targets else ()
        actions, ending = ("ssm:GetParameters", *one_by_one), ""
    return May(
        actions=actions,
        on=tuple(f"{arn}{ending}" for region in settings.regions for arn in stored_at(settings, region)),
        without=NO_RECORD,
    )


def stored_at(settings: Settings, region: str) -> list[str]:
    """The ARNs of the application's variables in a Region; a secret's without what Secrets Manager adds."""
    service, kind = ("secretsmanager", "secret:") if _in_secrets(settings) else ("ssm", "parameter")
    names = [f"{kind}{settings.prefix}/{variable}" for variable in settings.variables]
    return [settings.arn(service, name, region=region) for name in names]


def _start_of_tasks(settings: Settings) -> Document:
    """Pull the account's images and write the account's logs."""
    without = "no task starts"
    images = ("ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage")
    return Document(
        may=(
            May(actions=("ecr:GetAuthorizationToken",), on=("*",), without=without),
            May(actions=images, on=(settings.arn("ecr", "repository/*", region="*"),), without=without),
            May(
                actions=("logs:CreateLogStream", "logs:PutLogEvents"),
                on=(settings.arn("logs", "log-group:*", region="*"),),
                without=without,
            ),
        )
    )
