"""The operator's policy: what it grants for which set-up, what it never grants, and what it needs to be told."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from components.policies.evaluation.account import IamPolicy
from components.policies.evaluation.statements import Request, evaluate_policies
from components.settings import Settings, Target
from wizard.commands.policy import operator
from wizard.commands.policy.operator import LONGEST_POLICY, characters, for_values, policies_of, statements_of
from wizard.core.errors import MissingAnswers, UsageError
from wizard.core.required_permissions.resources import Setup

ACCOUNT = "111122223333"
GIVEN = {"account": ACCOUNT, "region": "us-east-1", "target": "vercel", "vercel_team": "eonpro"}
OFFICER = f"arn:aws:iam::{ACCOUNT}:user/officer"
WITH_REMOVAL = partial(policies_of, with_removal=True)


def asked(**changes: Any) -> dict[str, Any]:
    """The policy for the given answers, with changes."""
    values = {key: value for key, value in {**GIVEN, **changes}.items() if value is not None}
    return for_values(values, {})


def each_statement(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The statements of one policy, or of several."""
    parts = [document] if "Statement" in document else list(document.values())
    return [statement for part in parts for statement in part["Statement"]]


def listed(value: object) -> list[str]:
    """One value, or a list of them, as a list."""
    return [str(one) for one in value] if isinstance(value, list) else [str(value)]


def denied(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The statements that deny."""
    return [statement for statement in each_statement(document) if statement["Effect"] == "Deny"]


def granted(document: dict[str, Any]) -> set[tuple[str, str]]:
    """Every action with every resource it is granted on."""
    return {
        (action, resource)
        for statement in each_statement(document)
        if statement["Effect"] == "Allow"
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
    }


EVERYTHING: dict[str, Any] = {
    "target": "vercel,ecs,eks",
    "multi_region": "yes",
    "replica_regions": "us-west-2,us-east-2",
    "cloudwatch_logs": "yes",
    "alert_emails": "security@clinic.example",
    "secret_store": "secrets-manager",
    "administrators": OFFICER,
}


@pytest.mark.parametrize("changes", [{}, {"target": "ecs"}, {"vercel_access": "user"}, EVERYTHING])
def test_each_document_fits_into_a_managed_policy(changes: dict[str, Any]) -> None:
    document = asked(**changes)
    parts = [document] if "Statement" in document else list(document.values())
    assert all(characters(part) <= LONGEST_POLICY for part in parts)
    sids = [statement["Sid"] for statement in each_statement(document)]
    assert len(set(sids)) == len(sids)
    assert all(sid.isalnum() for sid in sids)


def test_a_document_that_is_too_long_comes_in_parts_that_say_the_same() -> None:
    settings = Settings(
        account_id=ACCOUNT,
        region="us-east-1",
        administrators=(OFFICER,),
        deploy_targets=tuple(Target),
        vercel_team="eonpro",
        vercel_project="eonpro",
        eks_cluster="eonpro",
        multi_region=True,
        replica_regions=("us-west-2", "us-east-2"),
        cloudwatch_logs=True,
    )
    setup = Setup(settings=settings, operator="somebody else")
    parts = policies_of(setup)
    assert len(parts) > 1
    assert list(parts) == [f"EONPROOperator-{number}" for number in range(1, len(parts) + 1)]
    bounded = settings.model_copy(update={"permissions_boundary_arn": f"arn:aws:iam::{ACCOUNT}:policy/EONPROBoundary"})
    allowed = statements_of(replace(setup, settings=bounded))
    assert each_statement(dict(parts)) == [*allowed, *denied(dict(parts))]


@pytest.mark.parametrize(
    ("administrators", "is_said"), [("caller", False), (f"caller,{OFFICER}", False), (OFFICER, True)]
)
def test_who_administers_no_key_is_told_that_kms_makes_none_for_them(administrators: str, is_said: bool) -> None:
    said: list[str] = []

    def build(setup: Setup) -> dict[str, Any]:
        said.extend(operator.remarks(setup))
        return dict(policies_of(setup))

    for_values({**GIVEN, "administrators": administrators}, {}, build=build)
    assert any("KMS makes a key only for somebody who may change its policy" in each for each in said) is is_said


@pytest.mark.parametrize("changes", [{}, EVERYTHING])
def test_no_wildcard_and_no_deletion_is_granted(changes: dict[str, Any]) -> None:
    for action, _ in granted(asked(**changes)):
        assert "*" not in action
        assert not action.partition(":")[2].startswith(("Delete", "Detach", "Remove", "Schedule", "Stop", "Disable"))
    assert not any(
        action.startswith(("kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKeyPair"))
        for action, _ in granted(asked(**changes))
    )


def test_a_role_is_passed_only_to_the_service_that_takes_it() -> None:
    passing = [one for one in each_statement(asked(**EVERYTHING)) if "iam:PassRole" in listed(one["Action"])]
    assert {
        (one["Resource"].rpartition("/")[2], one["Condition"]["StringEquals"]["iam:PassedToService"]) for one in passing
    } == {
        ("eonpro-trail-logs-role", "cloudtrail.amazonaws.com"),
        ("eonpro-alerts-forwarding", "events.amazonaws.com"),
    }


def test_only_the_products_own_policies_can_be_attached() -> None:
    attaching = [one for one in each_statement(asked(target="ecs")) if "iam:AttachRolePolicy" in listed(one["Action"])]
    assert attaching
    assert all(
        set(listed(one["Condition"]["ArnEquals"]["iam:PolicyARN"]))
        == {f"arn:aws:iam::{ACCOUNT}:policy/EONPROKMSAccess", f"arn:aws:iam::{ACCOUNT}:policy/EONPROParameterAccess"}
        for one in attaching
    )


GIVING = frozenset(
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
"""What makes a principal, or gives it permissions."""


@pytest.mark.parametrize("changes", [{}, {"target": "ecs"}, {"vercel_access": "user"}, EVERYTHING])
@pytest.mark.parametrize("boundary", [None, f"arn:aws:iam::{ACCOUNT}:policy/TheClinics"])
def test_what_is_made_or_given_permissions_has_a_boundary_always(changes: dict[str, Any], boundary: str | None) -> None:
    document = asked(**changes, permissions_boundary=boundary)
    giving = [
        each for each in each_statement(document) if each["Effect"] == "Allow" and GIVING & {*listed(each["Action"])}
    ]
    assert giving
    for each in giving:
        expected = boundary or f"arn:aws:iam::{ACCOUNT}:policy/EONPROBoundary"
        assert each["Condition"]["StringEquals"]["iam:PermissionsBoundary"] == expected


def test_the_boundary_is_not_the_operators_to_change() -> None:
    document = asked()
    boundary = f"arn:aws:iam::{ACCOUNT}:policy/EONPROBoundary"
    allowed = {action for action, resource in granted(document) if resource == boundary}
    assert allowed == {"iam:GetPolicy", "iam:GetPolicyVersion"}
    (kept,) = [each for each in denied(document) if each["Resource"] == boundary]
    assert {"iam:CreatePolicyVersion", "iam:SetDefaultPolicyVersion", "iam:DeletePolicy"} <= {*kept["Action"]}


PLACE = f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/eonpro/production"


@pytest.mark.parametrize(
    ("name", "is_written_again"),
    [
        ("AWS_REGION", True),
        ("ENCRYPTED_PHI_KEYS_FOR_READING", True),
        ("ENCRYPTED_PHI_KEY_CHECK_VALUE", True),
        ("backup", True),
        ("restore-drill", True),
        ("ENCRYPTED_PHI_KEY", False),
        ("ENCRYPTED_PHI_HASH_KEY", False),
        ("data-keys/0123456789abcdef", False),
        ("hash-keys/0123456789abcdef", False),
        ("claim", False),
    ],
)
def test_a_stored_key_is_only_created_and_a_variable_beside_it_is_written_again(
    name: str, is_written_again: bool
) -> None:
    optional = {"hash_key": "yes", "keys_for_reading": "yes", "key_check_value": "yes"}
    statements = each_statement(asked(target="ecs", **optional))
    documents = (IamPolicy(name="operator", document={"Version": "2012-10-17", "Statement": statements}),)

    def may(action: str, **context: tuple[str, ...]) -> bool:
        sent = {f"ssm:{key}": value for key, value in context.items()}
        request = Request(action=action, resource=f"{PLACE}/{name}", context=sent)
        return evaluate_policies(documents, request).is_allowed

    assert may("ssm:PutParameter", overwrite=("false",)) and may("ssm:PutParameter", overwrite=())
    assert may("ssm:PutParameter", overwrite=("true",)) is is_written_again
    assert not may("ssm:DeleteParameter") and not may("ssm:DeleteParameters")


@pytest.mark.parametrize("changes", [{}, {"target": "ecs"}, {"vercel_access": "user"}, EVERYTHING])
def test_the_boundary_fits_into_a_managed_policy_and_names_a_principal_in_each_statement(
    changes: dict[str, Any],
) -> None:
    document = for_values({**GIVEN, **changes}, {}, build=operator.boundary_policies)
    assert characters(document) <= LONGEST_POLICY
    assert all(each["Condition"]["ArnEquals"]["aws:PrincipalArn"] for each in document["Statement"])


def test_a_stack_that_makes_no_role_has_no_boundary() -> None:
    """AWS takes no policy without a statement."""
    role = f"arn:aws:iam::{ACCOUNT}:role/ours"
    own = {"target": "ecs", "app_principal": role, "ecs_execution_role": role}
    with pytest.raises(UsageError, match="no boundary is needed"):
        for_values({**GIVEN, **own}, {}, build=operator.boundary_policies)


def test_an_environment_has_a_boundary_of_its_own() -> None:
    (document,) = [asked(environment="staging")]
    names = {
        each["Condition"]["StringEquals"]["iam:PermissionsBoundary"]
        for each in each_statement(document)
        if "iam:CreateRole" in listed(each["Action"])
    }
    assert names == {f"arn:aws:iam::{ACCOUNT}:policy/EONPROBoundary-staging"}


@pytest.mark.parametrize(
    ("changes", "action"),
    [
        ({"target": "ecs"}, "iam:CreateOpenIDConnectProvider"),
        ({"alerts": "no"}, "sns:CreateTopic"),
        ({"alerts": "no"}, "events:PutRule"),
        ({"access_logging": "no"}, "s3:PutBucketLogging"),
        (
            {"trail": f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/theirs", "trail_bucket": "theirs"},
            "s3:CreateBucket",
        ),
    ],
)
def test_what_is_not_wanted_is_not_granted(changes: dict[str, Any], action: str) -> None:
    assert action in {one for one, _ in granted(asked())}
    assert action not in {one for one, _ in granted(asked(**changes))}


def test_an_administrator_of_the_keys_gets_nothing_on_keys_from_iam() -> None:
    on_keys = {(action, resource) for action, resource in granted(asked()) if ":key/" in resource}
    assert on_keys == {("kms:TagResource", f"arn:aws:kms:us-east-1:{ACCOUNT}:key/*")}


def test_without_being_an_administrator_only_keys_with_the_stacks_tags_can_be_reached() -> None:
    for statement in each_statement(asked(administrators=OFFICER)):
        if statement["Effect"] == "Allow" and any(":key/" in one for one in listed(statement["Resource"])):
            is_tagging = listed(statement["Action"]) == ["kms:TagResource"]
            # What has an alias is no new key.
            assert not is_tagging or statement["Condition"]["Null"] == {"kms:ResourceAliases": "true"}
            kind = "Request" if is_tagging else "Resource"
            assert statement["Condition"]["StringEquals"] == {
                f"aws:{kind}Tag/Application": "EONPRO",
                f"aws:{kind}Tag/Environment": "Production",
            }


def test_what_is_missing_is_told_all_at_once_with_the_command_to_type() -> None:
    with pytest.raises(MissingAnswers) as refused:
        for_values({}, {})
    assert refused.value.missing == ("target", "account", "region")
    assert refused.value.hint == (
        "python -m wizard policy operator --target vercel --account 111122223333 --region us-east-1"
    )


def test_an_account_that_only_aws_could_tell_is_missing() -> None:
    with pytest.raises(MissingAnswers) as refused:
        for_values({**GIVEN, "account": "caller"}, {})
    assert refused.value.missing == ("account",)


def test_flags_environment_file_and_saved_settings_are_ranked_as_in_every_command() -> None:
    saved = Settings(
        account_id=ACCOUNT,
        region="eu-west-1",
        administrators=(OFFICER,),
        deploy_targets=(Target.ECS,),
    )
    document = for_values(
        {"region": "us-west-2"},
        {"EONPRO_REGION": "us-east-2", "EONPRO_ENVIRONMENT": "staging"},
        # `caller` is known to AWS alone, and is the account of the settings here.
        file={"environment": "testing", "account": "caller"},
        file_name="answers.yaml",
        saved=saved,
        saved_name="Pulumi.production.yaml",
    )
    resources = {resource for _, resource in granted(document)}
    assert f"arn:aws:ssm:us-west-2:{ACCOUNT}:parameter/eonpro/staging/*" in resources
    assert f"arn:aws:iam::{ACCOUNT}:role/eonpro-execution-role-staging" in resources


def test_answers_that_do_not_fit_together_are_refused() -> None:
    with pytest.raises(UsageError, match="--replica-regions needs --multi-region"):
        asked(replica_regions="us-west-2")


BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/EONPROBoundary"
THEIRS = f"arn:aws:iam::{ACCOUNT}:role/theirs"
KMS, PARAMETERS = "EONPROKMSAccess", "EONPROParameterAccess"


@pytest.mark.parametrize(
    ("changes", "policies"),
    [
        ({"permissions_boundary": BOUNDARY}, {KMS}),
        ({"permissions_boundary": BOUNDARY, "target": "ecs"}, {KMS, PARAMETERS}),
        ({"permissions_boundary": BOUNDARY, "target": "ecs", "ecs_execution_role": THEIRS}, {KMS}),
        ({"permissions_boundary": BOUNDARY, "target": "ecs", "app_principal": THEIRS}, {PARAMETERS}),
        ({"target": "ecs", "hash_key": "yes"}, set()),
    ],
)
def test_a_policy_may_get_another_version_where_all_that_have_it_are_bounded(
    changes: dict[str, Any], policies: set[str]
) -> None:
    """A later hash key, target or Region is in it, and AWS has no condition for what a policy is attached to."""
    arns = {resource for action, resource in granted(asked(**changes)) if action == "iam:CreatePolicyVersion"}
    assert arns == {f"arn:aws:iam::{ACCOUNT}:policy/{name}" for name in policies}


REMOVALS = ("Delete", "Detach", "Remove", "Unsubscribe")


@pytest.mark.parametrize(
    ("changes", "action"),
    [
        ({"alert_emails": "security@clinic.example"}, "sns:Unsubscribe"),
        ({}, "iam:DeletePolicyVersion"),
        ({"vercel_access": "user"}, "iam:DeleteUser"),
        ({"vercel_access": "user"}, "iam:DeleteAccessKey"),
        ({"target": "ecs"}, "iam:DeleteRolePolicy"),
    ],
)
def test_what_removes_is_granted_by_statements_of_its_own_that_an_option_asks_for(
    changes: dict[str, Any], action: str
) -> None:
    without = asked(**changes)
    document = for_values({**GIVEN, **changes}, {}, build=WITH_REMOVAL)
    assert action not in {name for name, _ in granted(without)}
    assert action in {name for name, _ in granted(document)}
    added = [each for each in each_statement(document) if each not in each_statement(without)]
    assert all(each["Sid"].startswith("Remove") for each in added)
    assert len(each_statement(document)) == len(each_statement(without)) + len(added)


def test_removal_never_reaches_a_key_the_trail_a_bucket_or_the_data_key() -> None:
    removed = granted(for_values({**GIVEN, **EVERYTHING}, {}, build=WITH_REMOVAL)) - granted(asked(**EVERYTHING))
    services = {action.partition(":")[0] for action, _ in removed if action.partition(":")[2].startswith(REMOVALS)}
    assert services == {"cloudwatch", "events", "iam", "logs", "sns"}


def test_removal_reaches_the_stacks_own_alarm_alone() -> None:
    removed = granted(for_values(GIVEN, {}, build=WITH_REMOVAL))
    alarms = {resource for action, resource in removed if action == "cloudwatch:DeleteAlarms"}
    assert alarms == {f"arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:eonpro-denied-use"}


# --- the data ---


def test_characters_are_counted_as_iam_counts_them() -> None:
    document: Any = {"Version": "2012-10-17", "Statement": []}
    assert characters(document) == len(json.dumps(document, separators=(",", ":")))
    assert operator.characters({**document, "Id": "a b"}) == characters({**document, "Id": "ab"})
