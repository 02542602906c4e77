"""The permissions that the operator of a set-up needs: those that IAM evaluated for it in the sandbox.

Touches the deployment that is passed to it. Every scenario is a whole set-up in its own sandbox.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

import yaml

from components.settings import PROJECT as NAMESPACE
from components.settings import Settings
from components.targets.ecs import execution_trust_policy
from tests.onboarding.deployment import ACCOUNT, Deployment, onboarding
from wizard.core.required_permissions.resources import FEATURES, Setup, resources_of
from wizard.core.required_permissions.table import load

OFFICER = f"arn:aws:iam::{ACCOUNT}:user/security-officer"
PLATFORM = f"arn:aws:iam::{ACCOUNT}:role/platform-admin"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/"
DOCUMENTS = "clinic-documents"
DISPENSABLE = frozenset(
    {
        "account:ListRegions",
        "ec2:DescribeRegions",
        "ecs:DescribeServices",
        "ecs:DescribeTaskDefinition",
        "iam:GetAccountAuthorizationDetails",
        "iam:GetAccountSummary",
        "iam:ListAccountAliases",
        "s3:ListAllMyBuckets",
        "servicequotas:GetServiceQuota",
    }
)
"""Actions for prompts, early checks and remarks, which the set-up can do without: not in the operator's policy.

An operator reads neither the account's IAM nor the environment of other applications' tasks.
"""


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One set-up, from an empty account to its first change and after."""

    example: str
    options: tuple[str, ...] = ()
    before: str = ""
    """A script of examples/manual-setup that runs first."""
    imports: bool = False
    roles: tuple[str, ...] = ()
    """Existing roles of the account that trust ECS."""
    buckets: tuple[str, ...] = ()
    """Existing buckets of the application."""
    then: tuple[tuple[str, ...], ...] = ()
    """Further commands, each with its options."""
    later: str = ""
    """Another example's answers, for a later run."""
    at_last: tuple[tuple[str, ...], ...] = ()
    """Commands after that."""


SCENARIOS: Mapping[str, Scenario] = {
    "vercel": Scenario(example="vercel"),
    "ecs": Scenario(example="ecs"),
    "vercel-user": Scenario(example="vercel-user", then=(("access-key", "rotate"), ("access-key", "retire"))),
    "ecs-secrets-manager": Scenario(example="ecs-secrets-manager"),
    "eks": Scenario(example="eks"),
    "multi-region": Scenario(example="multi-region"),
    "existing-trail": Scenario(example="existing-trail", before="trail.sh"),
    "adopted": Scenario(example="imported", before="guide.sh", imports=True),
    "cloudwatch-logs": Scenario(example="vercel", options=("--cloudwatch-logs", "yes")),
    "another-region": Scenario(example="vercel", options=("--region", "eu-central-1")),
    "alert-emails": Scenario(example="vercel", options=("--alert-emails", "security@clinic.example")),
    "administered-by-another": Scenario(
        example="multi-region", options=("--administrators", OFFICER, "--administrators", PLATFORM)
    ),
    "administered-by-another-in-one-region": Scenario(example="vercel", options=("--administrators", OFFICER)),
    "as-little-as-possible": Scenario(example="vercel", options=("--access-logging", "no", "--trail-lock", "none")),
    "documents": Scenario(
        example="vercel", options=("--document-buckets", DOCUMENTS, "--documents-key", "yes"), buckets=(DOCUMENTS,)
    ),
    "roles-of-their-own": Scenario(
        example="ecs",
        roles=("their-task", "their-execution"),
        options=("--app-principal", f"{ROLE}their-task", "--ecs-execution-role", f"{ROLE}their-execution"),
    ),
    "several-targets": Scenario(example="vercel", later="ecs"),
    "user-and-several-targets": Scenario(
        example="ecs", later="vercel-user", at_last=(("access-key", "rotate"), ("access-key", "retire"))
    ),
}


def prepare(deployment: Deployment, scenario: Scenario) -> None:
    """Create the resources that exist before the operator's first command."""
    for role in scenario.roles:
        deployment.client("iam").create_role(
            RoleName=role, AssumeRolePolicyDocument=json.dumps(execution_trust_policy())
        )
    if scenario.before:
        output = deployment.run(["bash", f"examples/manual-setup/{scenario.before}"]).out
        if scenario.before == "trail.sh":
            with (deployment.folder / "examples" / f"{scenario.example}.yaml").open("a") as answers:
                answers.write(output)
    for bucket in scenario.buckets:
        deployment.client("s3").create_bucket(Bucket=bucket)
    deployment.forget_permissions()


def run(deployment: Deployment, scenario: Scenario, env: Mapping[str, str] | None = None) -> None:
    """Run the operator's commands: the first run, a second one, the delivery again, further ones, and a change."""
    saved, arguments = onboarding(scenario.example), (*onboarding(scenario.example), *scenario.options)
    first = (*arguments, *(("--adopt",) if scenario.imports else ()))
    deployment.wizard(*first, env=env)
    deployment.wizard(*arguments, env=env)
    for command in (("push",), *scenario.then):
        # Of a deployed stack they take the settings that are saved.
        deployment.wizard(*command, *saved, env=env)
    deployment.wizard("verify", "--stack", "production", "--non-interactive", env=env)
    deployment.wizard("preview", *arguments, "--rotation-period-days", "180", env=env)
    deployment.wizard(*arguments, "--rotation-period-days", "180", env=env)
    if scenario.later:
        later = (*onboarding(scenario.later), *scenario.options, "--rotation-period-days", "180")
        deployment.wizard("preview", *later, env=env)
        deployment.wizard(*later, env=env)
        for command in scenario.at_last:
            deployment.wizard(*command, *onboarding(scenario.later), env=env)


def user_with(deployment: Deployment, policies: Mapping[str, object], name: str) -> dict[str, str]:
    """An IAM user of that name with these managed policies and nothing else; the variables of its access key."""
    iam = deployment.client("iam")
    iam.create_user(UserName=name)
    for policy, document in policies.items():
        made = iam.create_policy(PolicyName=f"{name}-{policy}", PolicyDocument=json.dumps(document))
        iam.attach_user_policy(UserName=name, PolicyArn=made["Policy"]["Arn"])
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


def saved_settings(deployment: Deployment) -> Settings:
    config = yaml.safe_load((deployment.folder / "Pulumi.production.yaml").read_text())["config"]
    texts = {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in config.items()
        if key == "aws:region" or key.startswith(f"{NAMESPACE}:")
    }
    return Settings.from_config(texts)


def needed_permissions(
    setup: Setup, calls: Iterable[Mapping[str, str]]
) -> tuple[frozenset[tuple[str, str]], frozenset[str]]:
    """The operator needs these (resource, action) pairs from IAM; and permissions on no known resource, as text.

    A permission of a key policy needs no IAM policy.
    """
    known = resources_of(setup)
    needed, unknown = set(), set()
    for call in calls:
        if call["principal"] != setup.operator or call["by"] != "iam" or call["action"] in DISPENSABLE:
            continue
        if call["action"].startswith("secretsmanager:") and not FEATURES["Secrets Manager"](setup):
            # The operator needs no permission for a store that this stack never uses.
            continue
        if call["action"] == "ssm:ListTagsForResource" and not FEATURES["Parameter Store"](setup):
            # Asked of a parameter that is not this program's, and done without.
            continue
        thing = _resource_name(known, call["action"], call["resource"])
        if thing is None:
            unknown.add(f"{call['action']} on {call['resource']}")
        else:
            needed.add((thing, call["action"]))
    return frozenset(needed), frozenset(unknown)


def _resource_name(known: Mapping[str, tuple[str, ...]], action: str, resource: str) -> str | None:
    fits = [
        # The exact name before a pattern: the application's role is also a role.
        ("*" in arn, name)
        for name, arns in known.items()
        for arn in arns
        if resource == arn or (arn != "*" and fnmatchcase(resource, arn))
        if _is_asked_as(name, arn, action, resource)
    ]
    return min(fits)[1] if fits else None


def _is_asked_as(thing: str, arn: str, action: str, resource: str) -> bool:
    """Whether the request is about this pattern resource: callers are simulated, new keys have no ARN yet."""
    if action == "iam:SimulatePrincipalPolicy" or thing == "callers":
        return action == "iam:SimulatePrincipalPolicy" and thing == "callers"
    if thing not in load("operator") and thing in load("unmeasured"):
        return False  # Of what is only written again nothing is measured.
    return (thing == "new keys") == (resource == arn and arn.endswith(":key/*"))
