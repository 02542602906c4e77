"""The pair of policies that protects an organization: what it denies, by both evaluators."""

from __future__ import annotations

import json

import pytest

from components.policies.organization import ACTIONS, CALLERS, LONGEST_POLICY, RCP_SERVICES, Protection
from sandbox.aws.iam.policy import Decision, Request, evaluate, statements

ADMIN = "arn:aws:iam::111122223333:role/admin"
RESPONDER = "arn:aws:iam::111122223333:role/on-call"
PATTERN = "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_KeyAdmin_????????????????"
PROTECTION = Protection(
    organization_id="o-exampleorgid", administrators=(ADMIN, PATTERN), incident_responders=(RESPONDER,)
)
NAMES = [caller.name for caller in CALLERS]
DECISIONS = {action: dict(zip(NAMES, cells, strict=True)) for action, cells in PROTECTION.decisions()}


@pytest.mark.parametrize("caller", CALLERS, ids=lambda caller: caller.name)
def test_a_cell_of_the_table_is_what_the_sandboxs_evaluator_decides(caller) -> None:
    for action, resource, context in ACTIONS:
        known = {name: values for name, values in {**context, **caller.context(PROTECTION)}.items() if values}
        request = Request(action=action, resource=resource.format(partition="aws"), context=known)
        documents = [PROTECTION.service_control_policy()] if caller.by_scp else []
        documents += [PROTECTION.resource_control_policy()] if action.startswith(RCP_SERVICES) else []
        denied = any(evaluate(statements(each), request) is Decision.EXPLICIT_DENY for each in documents)
        assert (DECISIONS[action][caller.name] != "may") == denied, action


@pytest.mark.parametrize("action", ["kms:ScheduleKeyDeletion", "s3:DeleteObjectVersion", "secretsmanager:DeleteSecret"])
def test_what_cannot_be_undone_is_denied_to_every_principal_of_every_account(action: str) -> None:
    assert "may" not in DECISIONS[action].values()


@pytest.mark.parametrize(
    "action", ["cloudtrail:StopLogging", "ssm:PutParameter", "kms:PutKeyPolicy", "s3:PutBucketPolicy"]
)
def test_only_administrators_change_the_protection_and_root_is_not_one(action: str) -> None:
    assert DECISIONS[action]["administrator"] == "may"
    assert DECISIONS[action]["anybody else, root too"].startswith("SCP")


def test_cloudtrail_still_writes_its_logs_and_the_key_still_serves_the_account() -> None:
    assert DECISIONS["s3:PutObject"]["AWS service"] == DECISIONS["kms:GenerateDataKey"]["AWS service"] == "may"
    assert DECISIONS["s3:PutObject"]["service, for others"] == "RCP: ServicesForOthers"
    assert DECISIONS["kms:Decrypt"]["anybody else, root too"] == "may"
    assert DECISIONS["kms:Decrypt"]["outside"] == "RCP: KeyOutsiders"


def test_an_incident_responder_can_disable_a_key_in_use_under_both() -> None:
    (_, resource, context) = next(row for row in ACTIONS if row[0] == "kms:DisableKey")
    caller = {"aws:principalarn": (RESPONDER,), "aws:principalorgid": ("o-exampleorgid",)}
    request = Request(action="kms:DisableKey", resource=resource, context={**context, **caller})
    for document in (PROTECTION.service_control_policy(), PROTECTION.resource_control_policy()):
        assert evaluate(statements(document), request) is Decision.IMPLICIT_DENY


def test_a_key_of_another_application_is_left_alone() -> None:
    other = {"aws:resourcetag/application": ("BILLING",), "aws:principalarn": ("arn:aws:iam::111122223333:root",)}
    for document in (PROTECTION.service_control_policy(), PROTECTION.resource_control_policy()):
        for action in ("kms:ScheduleKeyDeletion", "kms:PutKeyPolicy", "kms:Decrypt"):
            request = Request(action=action, resource="arn:aws:kms:us-east-1:111122223333:key/x", context=other)
            assert evaluate(statements(document), request) is Decision.IMPLICIT_DENY


def test_both_fit_into_what_an_organization_accepts() -> None:
    for document in (PROTECTION.service_control_policy(), PROTECTION.resource_control_policy()):
        assert len(json.dumps(document, separators=(",", ":"))) <= LONGEST_POLICY
        for statement in document["Statement"]:
            assert statement["Effect"] == "Deny" and statement["Sid"].isalnum()
    assert all(statement["Principal"] == "*" for statement in PROTECTION.resource_control_policy()["Statement"])
    assert not any("Principal" in statement for statement in PROTECTION.service_control_policy()["Statement"])
