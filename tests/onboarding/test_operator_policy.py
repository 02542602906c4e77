"""The operator's policy at work: with exactly this policy whole set-ups succeed, and without a part of it they do not.

Touches deployments of its own, in whose clouds it makes an operator and the application's own sessions.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cache
from typing import Any
from urllib.parse import quote
from urllib.request import ProxyHandler, build_opener

import pytest
from botocore.exceptions import ClientError

from components.settings import Settings
from sandbox.aws.iam.policy import Decision, Request, evaluate
from tests.onboarding.deployment import ACCOUNT, BUCKET, CALLER, Deployment, onboarding, running_deployment
from tests.onboarding.permissions import (
    DISPENSABLE,
    SCENARIOS,
    needed_permissions,
    prepare,
    run,
    saved_settings,
    user_with,
)
from wizard.commands.policy.operator import boundary_policies, for_values, policies_of
from wizard.core.required_permissions.resources import Setup, resources_of
from wizard.core.required_permissions.table import load, operator_actions

NAME = "onboarding-operator"
OPERATOR = f"arn:aws:iam::{ACCOUNT}:user/{NAME}"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/EONPROBoundary"
BOUNDED = ("--permissions-boundary", BOUNDARY)
ANSWERS: Mapping[str, Mapping[str, str]] = {
    "vercel": {"target": "vercel", "vercel_team": "eonpro"},
    "ecs": {"target": "ecs"},
    # Of IAM's Region only its events come.
    "another-region": {"target": "vercel", "vercel_team": "eonpro", "region": "eu-central-1"},
}


def printed(example: str, **more: str) -> dict[str, Any]:
    """What `policy operator` prints for an example with more answers, as policies by name."""
    document = for_values({"account": ACCOUNT, "region": "us-east-1", **ANSWERS[example], **more}, {})
    return {"EONPROOperator": document} if "Statement" in document else document


def boundary_of(example: str) -> dict[str, Any]:
    """What `policy boundary` prints for an example."""
    return for_values({"account": ACCOUNT, "region": "us-east-1", **ANSWERS[example]}, {}, build=boundary_policies)


def an_operator(
    deployment: Deployment, policies: Mapping[str, Any], boundary: Mapping[str, Any] | None, name: str = NAME
) -> dict[str, str]:
    """An IAM user with these managed policies and nothing else; the variables of its access key.

    An administrator has made the boundary of what the user will make.
    """
    iam = deployment.client("iam")
    # One account may have several operators.
    if boundary is not None and all(each["Arn"] != BOUNDARY for each in iam.list_policies(Scope="Local")["Policies"]):
        iam.create_policy(PolicyName=BOUNDARY.rpartition("/")[2], PolicyDocument=json.dumps(boundary))
    return user_with(deployment, policies, name)


@dataclass(frozen=True, kw_only=True)
class Operated:
    """A deployment that was set up, changed and checked by an operator with the printed policy alone."""

    deployment: Deployment
    example: str
    settings: Settings
    leaves: tuple[Mapping[str, str], ...]
    """What was allowed to whom until the operator was done."""
    refusals: frozenset[str]
    """The actions that the operator was refused until then."""

    @property
    def setup(self) -> Setup:
        return Setup(settings=self.settings, operator=OPERATOR)


@pytest.fixture(scope="session")
def operated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Operated]]:
    """An example by its name, each in a cloud of its own, set up once."""
    with ExitStack() as stack:

        @cache
        def example(name: str) -> Operated:
            return set_up(name, stack.enter_context(running_deployment(tmp_path_factory.mktemp(f"operated-{name}"))))

        yield example


def set_up(example: str, deployment: Deployment) -> Operated:
    """First run, second run, delivery, proof, preview and a change of the rotation, all by the operator."""
    env = an_operator(deployment, printed(example), boundary_of(example))
    scenario = SCENARIOS[example]
    scenario = replace(scenario, options=(*scenario.options, *BOUNDED))
    prepare(deployment, scenario)
    run(deployment, scenario, env=env)
    return Operated(
        deployment=deployment,
        example=example,
        settings=saved_settings(deployment),
        leaves=tuple(deployment.permissions()),
        refusals=frozenset(action for action, _ in deployment.refusals(OPERATOR)),
    )


@pytest.fixture(params=("vercel", "ecs", "another-region"))
def one(request: pytest.FixtureRequest, operated: Callable[[str], Operated]) -> Operated:
    """One of the examples."""
    return operated(request.param)


@pytest.mark.thorough
def test_the_printed_policy_is_enough_for_a_whole_set_up_and_a_change(one: Operated) -> None:
    assert one.settings.rotation_period_days == 180
    assert one.settings.administrators == (OPERATOR,)
    assert len(one.deployment.stored_key_versions(one.settings.region)) == 1
    attached = one.deployment.client("iam").list_attached_user_policies(UserName=NAME)["AttachedPolicies"]
    assert len(attached) == len(printed(one.example))


@pytest.mark.thorough
def test_the_operator_is_refused_only_what_a_set_up_can_do_without(one: Operated) -> None:
    refused = {action for action in one.refusals if not action.startswith("secretsmanager:")}
    # None of these sets-up has ever used Secrets Manager.
    assert refused <= DISPENSABLE


@pytest.mark.thorough
def test_the_printed_policy_is_the_policy_of_the_settings_that_came_of_it(one: Operated) -> None:
    document = printed(one.example, permissions_boundary=BOUNDARY)
    assert list(document.values()) == list(policies_of(one.setup).values())


@pytest.mark.thorough
def test_the_committed_table_is_what_a_set_up_needs_today(one: Operated) -> None:
    needed, unknown = needed_permissions(one.setup, one.leaves)
    assert unknown == frozenset()
    parts = [load(part) for part in ("provider reads", "unmeasured")]
    read = {(name, action) for part in parts for name, actions in part.items() for action in actions}
    granted = granted_by_the_table(one.setup)
    assert granted - needed <= read, "wizard/core/required_permissions/measured.json grants more than is needed"
    assert needed <= granted, "a permission is missing in wizard/core/required_permissions/measured.json"


def granted_by_the_table(setup: Setup) -> set[tuple[str, str]]:
    """Resource and action of every permission of the operator in the committed table."""
    return {(name, action) for name in resources_of(setup) for action in operator_actions(setup, name)}


@pytest.mark.thorough
@pytest.mark.parametrize("name", sorted(set(SCENARIOS) - set(ANSWERS)))
def test_the_committed_table_has_what_every_other_set_up_needs(deployment: Deployment, name: str) -> None:
    prepare(deployment, SCENARIOS[name])
    run(deployment, SCENARIOS[name])
    setup = Setup(settings=saved_settings(deployment), operator=CALLER, imports=SCENARIOS[name].imports)
    needed, unknown = needed_permissions(setup, deployment.permissions())
    # Before an import is known it is asked whether the default names of the buckets are taken: ListBuckets says it too.
    assert {each.partition(" ")[0] for each in unknown} <= ({"s3:ListBucket"} if setup.imports else set())
    assert needed <= granted_by_the_table(setup)


@pytest.mark.thorough
def test_without_any_one_action_of_it_a_call_that_was_made_is_refused(one: Operated) -> None:
    statements = [
        each
        for document in printed(one.example).values()
        for each in document["Statement"]
        # What it denies has conditions that no call of a set-up meets.
        if each["Effect"] == "Allow"
    ]
    used = {
        (leave["action"], leave["resource"])
        for leave in one.leaves
        if leave["principal"] == OPERATOR and leave["by"] == "iam"
    }
    # Conditions are weighed by the sandbox; here an action is there, or it is not. A denial without its own says more.
    weighed = [each for each in statements if each["Effect"] == "Allow" or "Condition" not in each]
    bare = [{name: value for name, value in each.items() if name != "Condition"} for each in weighed]
    for action, resource in used:
        asked = Request(action=action, resource=resource)
        assert evaluate(bare, asked) is Decision.ALLOWED
        assert evaluate([without(each, action) for each in bare], asked) is Decision.IMPLICIT_DENY


def without(statement: dict[str, Any], action: str) -> dict[str, Any]:
    """A statement without one of its actions."""
    actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
    return {**statement, "Action": [each for each in actions if each != action]}


def test_a_set_up_without_one_of_the_actions_is_refused_before_anything_is_made(bare: Deployment) -> None:
    action = "kms:CreateKey"
    policies = {
        policy: {
            **document,
            "Statement": [left for each in document["Statement"] if (left := without(each, action))["Action"]],
        }
        for policy, document in printed("ecs").items()
    }
    env = an_operator(bare, policies, boundary_of("ecs"), "limited-operator")
    before = bare.inventory()
    ended = bare.wizard(*onboarding("ecs"), *BOUNDED, env=env, expect=3)
    assert action in ended.output
    assert bare.inventory() == before


@pytest.mark.thorough
def test_a_stack_without_a_boundary_is_bounded_by_the_operator_and_nothing_is_replaced(deployment: Deployment) -> None:
    administrators = f"{CALLER},{OPERATOR}"
    both = ("--administrators", administrators)
    values = {"account": ACCOUNT, "region": "us-east-1", **ANSWERS["vercel"], "administrators": administrators}
    document = for_values(values, {})
    policies = {"EONPROOperator": document} if "Statement" in document else document
    env = an_operator(deployment, policies, boundary_of("vercel"))
    deployment.wizard(*onboarding("vercel"), *both)
    iam = deployment.client("iam")
    before = iam.get_role(RoleName="eonpro-app-role")["Role"]
    deployment.wizard(*onboarding("vercel"), *both, *BOUNDED, env=env)
    after = iam.get_role(RoleName="eonpro-app-role")["Role"]
    assert "PermissionsBoundary" not in before
    assert after["PermissionsBoundary"]["PermissionsBoundaryArn"] == BOUNDARY
    assert (before["RoleId"], before["CreateDate"]) == (after["RoleId"], after["CreateDate"])


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("example", "before", "later", "policy"),
    [
        ("ecs", {}, {"hash_key": "yes"}, "EONPROParameterAccess"),
        (
            "vercel",
            {"multi_region": "yes", "replica_regions": "us-west-2"},
            {"replica_regions": "us-west-2,eu-west-1"},
            "EONPROKMSAccess",
        ),
    ],
)
def test_the_printed_policy_is_enough_for_a_hash_key_and_a_region_that_come_later(
    deployment: Deployment, example: str, before: Mapping[str, str], later: Mapping[str, str], policy: str
) -> None:
    """The stack's policies name each variable and each key; the administrator prints policy and boundary for them."""
    values = {**before, **later}
    boundary = for_values(
        {"account": ACCOUNT, "region": "us-east-1", **ANSWERS[example], **values}, {}, build=boundary_policies
    )
    env = an_operator(deployment, printed(example, **values, permissions_boundary=BOUNDARY), boundary)
    for answered in (before, values):
        options = [word for key, value in answered.items() for word in (f"--{key.replace('_', '-')}", value)]
        deployment.wizard(*onboarding(example), *BOUNDED, *options, env=env)
    made = deployment.client("iam").get_policy(PolicyArn=f"arn:aws:iam::{ACCOUNT}:policy/{policy}")
    assert made["Policy"]["DefaultVersionId"] != "v1"


REFUSED: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "a role with any other name": ("iam", lambda it: it.create_role(RoleName="other", AssumeRolePolicyDocument="{}")),
    "any other policy on the application's role": (
        "iam",
        lambda it: it.attach_role_policy(
            RoleName="eonpro-app-role", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess"
        ),
    ),
    "a role without the boundary": (
        "iam",
        lambda it: it.create_role(RoleName="eonpro-trail-logs-role", AssumeRolePolicyDocument="{}"),
    ),
    "a role with another boundary": (
        "iam",
        lambda it: it.put_role_permissions_boundary(
            RoleName="eonpro-app-role", PermissionsBoundary="arn:aws:iam::aws:policy/AdministratorAccess"
        ),
    ),
    "the application's role without its boundary": (
        "iam",
        lambda it: it.delete_role_permissions_boundary(RoleName="eonpro-app-role"),
    ),
    "more in the boundary": (
        "iam",
        lambda it: it.create_policy_version(PolicyArn=BOUNDARY, PolicyDocument="{}", SetAsDefault=True),
    ),
    "more for itself": (
        "iam",
        lambda it: it.put_user_policy(UserName=NAME, PolicyName="more", PolicyDocument="{}"),
    ),
    "a key without the tags": ("kms", lambda it: it.create_key()),
    "a key with another's tags": (
        "kms",
        lambda it: it.create_key(Tags=[{"TagKey": "Application", "TagValue": "OTHER"}]),
    ),
    "another bucket": ("s3", lambda it: it.create_bucket(Bucket="not-the-trails-bucket")),
    "the end of the bucket": (
        "s3",
        lambda it: it.delete_bucket(Bucket=BUCKET),
    ),
    "a parameter of another application": ("ssm", lambda it: it.get_parameters(Names=["/other/secret"])),
    "the deletion of the stored data key": (
        "ssm",
        lambda it: it.delete_parameter(Name="/eonpro/production/ENCRYPTED_PHI_KEY"),
    ),
    "the trail's silence": ("cloudtrail", lambda it: it.stop_logging(Name="eonpro-audit-trail")),
    "the end of the trail": ("cloudtrail", lambda it: it.delete_trail(Name="eonpro-audit-trail")),
}


@pytest.mark.thorough
@pytest.mark.parametrize("what", REFUSED)
def test_the_operator_cannot_have(operated: Callable[[str], Operated], what: str) -> None:
    service, call = REFUSED[what]
    deployment = operated("vercel").deployment
    iam = deployment.client("iam")
    key = iam.create_access_key(UserName=NAME)["AccessKey"]
    try:
        with pytest.raises(ClientError) as refused:
            call(deployment.client(service, credentials=key))
    finally:
        iam.delete_access_key(UserName=NAME, AccessKeyId=key["AccessKeyId"])
    assert refused.value.response["Error"]["Code"] in ("AccessDenied", "AccessDeniedException")


# --- the runtime principals: every action granted to them is needed, and no more is granted ---


def session(deployment: Deployment, role: str) -> dict[str, Any]:
    """The credentials that a task of ECS gets for a role."""
    address = f"{deployment.environment['AWS_ENDPOINT_URL']}/_sandbox/task-credentials?role={quote(role)}"
    with build_opener(ProxyHandler({})).open(address, timeout=20) as answer:
        given = json.loads(answer.read())
    return {**given, "SessionToken": given["Token"]}


def granted_to(deployment: Deployment, role: str) -> set[str]:
    """Every action in the policies of a role."""
    iam = deployment.client("iam")
    documents = [
        iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        for name in iam.list_role_policies(RoleName=role)["PolicyNames"]
    ]
    for attached in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
        version = iam.get_policy(PolicyArn=attached["PolicyArn"])["Policy"]["DefaultVersionId"]
        documents.append(
            iam.get_policy_version(PolicyArn=attached["PolicyArn"], VersionId=version)["PolicyVersion"]["Document"]
        )
    return {
        action
        for document in documents
        for statement in document["Statement"]
        for action in (statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]])
    }


def given_to(deployment: Deployment, role: str) -> set[str]:
    """Every action that a role was allowed when it asked."""
    principal = f"arn:aws:iam::{ACCOUNT}:role/{role}"
    return {leave["action"] for leave in deployment.permissions() if leave["principal"] == principal}


def whatever_comes(call: Callable[[], object]) -> None:
    """A call that was allowed, whether or not the thing it is for is there."""
    try:
        call()
    except ClientError as error:
        assert "AccessDenied" not in error.response["Error"]["Code"]


@pytest.mark.thorough
def test_the_application_needs_each_of_its_actions_and_gets_no_other(operated: Callable[[str], Operated]) -> None:
    deployment, role = operated("ecs").deployment, "eonpro-app-role"
    # Unwrapping, as the proof of every start; and the application's own health check.
    kms = deployment.client("kms", credentials=session(deployment, role))
    key = deployment.outputs()["keyArn"]
    kms.describe_key(KeyId=key)
    wrapped = kms.generate_data_key(KeyId=key, KeySpec="AES_256")["CiphertextBlob"]
    kms.decrypt(CiphertextBlob=wrapped, KeyId=key)
    assert given_to(deployment, role) == granted_to(deployment, role)
    refusals: tuple[Callable[[], object], ...] = (
        lambda: kms.encrypt(KeyId=key, Plaintext=b"x"),
        lambda: kms.re_encrypt(CiphertextBlob=wrapped, DestinationKeyId=key),
        lambda: kms.generate_data_key_without_plaintext(KeyId=key, KeySpec="AES_256"),
        lambda: kms.get_key_policy(KeyId=key, PolicyName="default"),
        lambda: kms.list_aliases(),
        lambda: deployment.client("ssm", credentials=session(deployment, role)).get_parameters(
            Names=["/eonpro/production/ENCRYPTED_PHI_KEY"]
        ),
    )
    for refused in refusals:
        with pytest.raises(ClientError, match="AccessDenied"):
            refused()
    assert given_to(deployment, role) == granted_to(deployment, role)


@pytest.mark.thorough
def test_the_start_of_a_task_needs_each_action_of_the_execution_role_and_gets_no_other(
    operated: Callable[[str], Operated],
) -> None:
    deployment, role = operated("ecs").deployment, "eonpro-execution-role"
    given = session(deployment, role)
    ssm, ecr, logs = (deployment.client(service, credentials=given) for service in ("ssm", "ecr", "logs"))
    names = [each["valueFrom"].partition(":parameter")[2] for each in deployment.outputs()["taskSecrets"]]
    # What the agent does before a container runs: pull the image, make its log's stream, read its variables.
    image: dict[str, Any] = {"repositoryName": "eonpro"}
    digest = f"sha256:{'0' * 64}"
    whatever_comes(ecr.get_authorization_token)
    whatever_comes(lambda: ecr.batch_check_layer_availability(**image, layerDigests=[digest]))
    whatever_comes(lambda: ecr.get_download_url_for_layer(**image, layerDigest=digest))
    whatever_comes(lambda: ecr.batch_get_image(**image, imageIds=[{"imageTag": "latest"}]))
    whatever_comes(lambda: logs.create_log_stream(logGroupName="/ecs/eonpro", logStreamName="task"))
    whatever_comes(
        lambda: logs.put_log_events(
            logGroupName="/ecs/eonpro", logStreamName="task", logEvents=[{"timestamp": 1, "message": "started"}]
        )
    )
    assert len(ssm.get_parameters(Names=names, WithDecryption=True)["Parameters"]) == 3
    assert given_to(deployment, role) == granted_to(deployment, role)
    refusals: tuple[Callable[[], object], ...] = (
        lambda: ssm.put_parameter(Name=names[0], Value="x", Type="String", Overwrite=True),
        lambda: ssm.get_parameters(Names=["/other/secret"]),
        lambda: deployment.client("kms", credentials=given).describe_key(KeyId=deployment.outputs()["keyArn"]),
        lambda: logs.create_log_group(logGroupName="/ecs/eonpro"),
    )
    for refused in refusals:
        with pytest.raises(ClientError, match="AccessDenied"):
            refused()
    assert given_to(deployment, role) == granted_to(deployment, role)


def test_the_command_prints_the_document_and_nothing_else(bare: Deployment) -> None:
    arguments = ("--account", ACCOUNT, "--region", "us-east-1", "--target", "ecs")
    nobody = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"))
    ended = bare.wizard("policy", "operator", *arguments, env=nobody)
    assert json.loads(ended.out) == for_values({"account": ACCOUNT, "region": "us-east-1", "target": "ecs"}, {})
