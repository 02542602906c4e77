"""Whoever is let in is named by every view, although the program's own reader of policies does not see them.

Over fakes. The reader is made blind as two lines in `components.policies.statements` would make it.
"""

from __future__ import annotations

from typing import Any

import pytest

from components.policies import statements
from components.policies.evaluation.account import AccountIam, IamPrincipal
from components.policies.stack import alert_topics_of, trail_bucket_policy_of, trail_key_policy_of
from components.settings import Settings
from tests.wizard.account.access import reviews
from tests.wizard.account.judgements.test_key_policy import FOREIGN, allow, with_statement
from tests.wizard.account.stacks import CheckedStack, finding
from tests.wizard.fakes.access import FakeAccess
from tests.wizard.fakes.clients import APP, KEY, LOGS_KEY, settings
from wizard.account.judgements import ALL_CHECKS, KEY_RIGHTS_CHECKS, REPORT_CHECKS, RIGHTS_CHECKS
from wizard.account.judgements.strangers import check_strangers, check_strangers_of_key, check_strangers_of_logs
from wizard.account.notices import State
from wizard.account.strangers import strangers_in
from wizard.commands.status.rows import ROWS

ID = "999988887777"


@pytest.fixture
def blind(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader of the program drops every statement with the foreign account."""
    every = statements.written_statements
    monkeypatch.setattr(
        statements,
        "written_statements",
        lambda document: tuple(each for each in every(document) if ID not in str(each)),
    )


@pytest.fixture
def stand() -> CheckedStack:
    return CheckedStack()


@pytest.mark.usefixtures("blind")
@pytest.mark.parametrize(
    "view",
    [RIGHTS_CHECKS, KEY_RIGHTS_CHECKS, ALL_CHECKS, REPORT_CHECKS, ROWS["access"]],
    ids="verify push doctor report status".split(),
)
def test_every_view_names_a_stranger_in_the_key_policy_that_the_programs_reader_does_not_see(
    view: Any, stand: CheckedStack
) -> None:
    with_statement(stand, allow({"AWS": FOREIGN}))
    facts = stand.context()
    [found] = [each for check in view for each in check(facts) if each.code == "stranger-let-in"]
    assert f"the policy of the key {KEY} gives {FOREIGN} kms:Decrypt" in found.what and found.state is State.WRONG


@pytest.mark.usefixtures("blind")
def test_the_review_lists_a_stranger_that_the_programs_reader_does_not_see() -> None:
    aws = reviews.aws()
    aws.key_policies[KEY] = {"Statement": [*reviews.key_statements(aws), allow({"AWS": FOREIGN})]}
    [found] = [each for each in reviews.review(aws).principals if each.arn == FOREIGN]
    assert "use" in found.surplus and found.ways == ("key policy: kms:Decrypt",)


@pytest.mark.usefixtures("blind")
def test_a_stranger_in_the_trust_of_the_application_is_named(stand: CheckedStack) -> None:
    trust = {"Statement": [{"Effect": "Allow", "Principal": {"AWS": FOREIGN}, "Action": "sts:AssumeRole"}]}
    stand.aws.access = FakeAccess(account=AccountIam(principals=(IamPrincipal(arn=APP, trust=trust),)))
    found = finding(stand.notices(check_strangers), "stranger-let-in")
    assert f"the trust of {APP} gives {FOREIGN} sts:AssumeRole" in found.what


@pytest.mark.usefixtures("blind")
def test_a_stranger_in_the_key_policy_of_the_logs_bears_on_the_trail_alone(stand: CheckedStack) -> None:
    policy = trail_key_policy_of(stand.settings)
    stand.aws.key_policies[LOGS_KEY] = {**policy, "Statement": [*policy["Statement"], allow({"AWS": FOREIGN})]}
    found = finding(stand.notices(check_strangers_of_logs), "stranger-let-in")
    assert LOGS_KEY in found.what and found.requirements == ("trail-encryption",)


@pytest.mark.parametrize("statement", [allow({"AWS": FOREIGN}), allow("*"), allow({"Service": "lambda.amazonaws.com"})])
def test_a_stranger_that_another_judgement_names_is_named_once(stand: CheckedStack, statement: dict[str, Any]) -> None:
    with_statement(stand, statement)
    assert stand.notices(check_strangers_of_key) == ()


def documents(of: Settings) -> dict[str, Any]:
    return {
        "aws:kms/key:Key::audit-trail-key": trail_key_policy_of(of),
        "aws:s3/bucketPolicy:BucketPolicy::audit-trail": trail_bucket_policy_of(of),
        **{f"aws:sns/topicPolicy:TopicPolicy::{each.logical_name}": each.policy for each in alert_topics_of(of)},
    }


@pytest.mark.parametrize("resource", documents(settings()))
@pytest.mark.parametrize(
    ("principal", "named"),
    [
        ({"AWS": FOREIGN}, FOREIGN),
        ({"AWS": ID}, FOREIGN),
        ({"AWS": [f"arn:aws:iam::{ID}:role/x"]}, f"arn:aws:iam::{ID}:role/x"),
        ("*", "*"),
        ({"AWS": "*"}, "*"),
        ({"Service": "lambda.amazonaws.com"}, "lambda.amazonaws.com"),
        ({"AWS": "AROAABCDEFGHIJKLMNOPQ"}, None),
    ],
)
def test_a_stranger_is_found_in_every_document_of_the_stack(resource: str, principal: Any, named: str | None) -> None:
    of = settings()
    document = documents(of)[resource]
    assert list(strangers_in(of, resource, document)) == []
    wider = {**document, "Statement": [*document["Statement"], allow(principal, ["a:B", "a:C"])]}
    found = [(each.name, each.actions) for each in strangers_in(of, resource, wider)]
    assert found == ([(named, ("a:B", "a:C"))] if named else [])
