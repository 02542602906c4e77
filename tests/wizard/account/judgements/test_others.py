"""Who else can use the key: who is named, with which command, and which signed review accepts it."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from components.policies.evaluation.account import AccountIam, IamPrincipal
from components.policies.evaluation.principals import ACCOUNT_ACCESS
from components.settings import Settings
from tests.components.policies.evaluation.policy_documents import allow, document, grant, named, principal
from tests.wizard.account.access.reviews import (
    NOW,
    ROOT,
    SETTINGS,
    STRANGER,
    account,
    application,
    aws,
    facts_of,
    review,
    stranger,
    trust_statements,
)
from tests.wizard.fakes.access import FakeAccess
from tests.wizard.fakes.clients import (
    ACCOUNT,
    ADMIN,
    KEY,
    MULTI_OUTPUTS,
    REPLICA,
    SECOND,
    FakeAwsClient,
    multi_region,
    settings,
)
from wizard.account.access import stored_reviews
from wizard.account.judgements.others import check_others
from wizard.account.notices import Notice, State, worst
from wizard.core.errors import PermissionDenied

EVERYTHING = allow("*")
PARTNER = "arn:aws:iam::999988887777:role/partner"
SSO = f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_power_0123456789abcdef"


def told(made: FakeAwsClient, wanted: Settings = SETTINGS, **facts: Any) -> tuple[Notice, ...]:
    return tuple(check_others(facts_of(made, settings=wanted, **facts)))


def of(notices: tuple[Notice, ...], arn: str) -> Notice:
    [one] = [each for each in notices if f"{arn} can" in each.what]
    return one


def item(notices: tuple[Notice, ...]) -> State:
    """The state of "Rights beyond the policy"."""
    return worst(each.state for each in notices if "key-use-by-others" in each.requirements)


def with_principals(*principals: IamPrincipal) -> FakeAwsClient:
    made = aws()
    made.who_has_access.account = AccountIam(principals=principals)
    return made


def signed(made: FakeAwsClient, folder: Path, *, days_ago: int = 0, **of_review: Any) -> Path:
    """A review of the account as it is, which Ada signed so many days ago."""
    at = NOW - timedelta(days=days_ago)
    kept = stored_reviews.write(folder, replace(review(made, at), **of_review), None)
    stored_reviews.sign(kept, signer="Ada", signer_arn=ADMIN, at=at)
    return kept.file


def test_one_with_the_right_by_iam_is_for_a_person_with_the_command_that_takes_it_away():
    notices = told(aws(stranger()))
    notice = of(notices, STRANGER)
    assert (item(notices), notice.state, notice.code) == (State.PERSON, State.PERSON, "key-use-by-others")
    assert notice.what == f"{STRANGER} can use the key, and the settings do not name it"
    assert notice.why == "IAM policy own (use)"
    assert notice.command.startswith("aws iam put-role-policy --role-name stranger ")
    assert "python -m wizard review --stack production --sign NAME" in notice.advice


def denied(command: str) -> list[dict[str, Any]]:
    words = shlex.split(command)
    statements: list[dict[str, Any]] = json.loads(words[words.index("--policy-document") + 1])["Statement"]
    return statements


@pytest.mark.parametrize(
    "other",
    [
        stranger(),
        stranger(EVERYTHING),
        stranger(allow(["kms:PutKeyPolicy"])),
        principal(SECOND, allow(["kms:CreateGrant", "kms:TagResource"])),
        principal(SECOND, EVERYTHING),
        principal(ADMIN, EVERYTHING, trust=document()),
    ],
    ids=["uses", "everything", "administers", "a part", "a user", "an administrator of the settings"],
)
def test_its_command_takes_the_right_away(other):
    rest = [each for each in (application(), principal(ADMIN, trust=document())) if each.arn != other.arn]
    notice = of(told(with_principals(other, *rest)), other.arn)
    own = [statement for policy in other.policies for statement in policy.document["Statement"]]
    mended = principal(other.arn, *own, *denied(notice.command), trust=other.trust)
    assert item(told(with_principals(mended, *rest))) is State.GOOD


def test_a_role_of_identity_center_gets_no_policy_that_iam_would_refuse():
    notice = of(told(aws(principal(SSO, EVERYTHING, trust=document()))), SSO)
    assert notice.command == "python -m wizard setup --stack production --exclusive-use yes"
    only = of(told(aws(principal(SSO, allow("kms:PutKeyPolicy"), trust=document()))), SSO)
    assert only.command == "" and "permission set" in only.advice


def test_a_grant_comes_with_its_revocation():
    notice = of(told(aws(granted={KEY: (grant(STRANGER, "Decrypt"),)})), STRANGER)
    assert notice.command == f"aws kms revoke-grant --key-id {KEY} --grant-id g1 --region us-east-1"


def assuming(who: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": who}


def test_whoever_can_become_such_a_role_is_named_too_and_loses_the_right_with_it():
    user = principal(SECOND, allow("sts:AssumeRole", Resource=STRANGER))
    notices = told(aws(stranger(trust=document(assuming({"AWS": ROOT}))), user))
    assert of(notices, SECOND).command == ""
    assert f"it ends when the role {STRANGER} has no right on the key any more" in of(notices, SECOND).advice


@pytest.mark.parametrize("trusted", [([PARTNER, SECOND],), (PARTNER, [SECOND])], ids=["together", "apart"])
def test_another_account_that_can_become_an_administrator_is_taken_out_of_its_trust(trusted: Any):
    administrator = principal(ADMIN, trust=document(*(assuming({"AWS": each}) for each in trusted)))
    notice = of(told(with_principals(administrator, application())), PARTNER)
    words = shlex.split(notice.command)
    assert words[:5] == ["aws", "iam", "update-assume-role-policy", "--role-name", "admin"]
    [statement] = json.loads(words[words.index("--policy-document") + 1])["Statement"]
    assert statement["Principal"] == {"AWS": [SECOND]}


def test_another_account_that_can_become_the_application_comes_with_the_update_of_the_role():
    app = application(trust=document(*trust_statements(), assuming({"AWS": PARTNER})))
    notice = of(told(with_principals(principal(ADMIN, trust=document()), app)), PARTNER)
    assert notice.command.startswith("pulumi up ")


def test_a_statement_of_a_replica_comes_with_the_update_of_that_replica():
    made = FakeAwsClient(who_has_access=FakeAccess(account=account()))
    made.build(multi_region())
    kept: Any = made.key_policies[REPLICA]
    made.key_policies[REPLICA] = document(*kept["Statement"], named(PARTNER, Sid="partner"))
    notice = of(told(made, multi_region(), outputs=MULTI_OUTPUTS), PARTNER)
    assert "in eu-central-1" in notice.why
    assert notice.command.startswith("pulumi up ")


def test_the_people_of_aws_account_access_are_for_a_person_until_somebody_signs_for_them(tmp_path):
    trust = {
        "Effect": "Allow",
        "Action": ["sts:AssumeRole", "sts:SetContext"],
        "Principal": {"Service": ACCOUNT_ACCESS},
    }
    made = aws(stranger(trust=document(trust)), people={STRANGER: ("IAM Identity Center user u-1",)})
    assert of(told(made), ACCOUNT_ACCESS).state is State.PERSON
    signed(made, tmp_path)
    assert item(told(made, reviews=tmp_path)) is State.GOOD
    # Somebody is assigned after that.
    made.who_has_access.people = {STRANGER: ("IAM Identity Center user u-1", "IAM Identity Center user u-2")}
    assert item(told(made, reviews=tmp_path)) is State.PERSON


# Exclusive use, and what could not be read.


def test_with_exclusive_use_whoever_iam_lets_administer_is_a_question_of_the_review():
    wanted = settings(exclusive_use=True)
    made = aws(stranger(EVERYTHING))
    made.build(wanted)
    notice = of(told(made, wanted), STRANGER)
    assert (notice.what.partition(" can ")[2], notice.requirements) == (
        "administer the key, and the settings do not name it",
        ("access-review",),
    )


def test_exclusive_use_that_is_not_in_force_is_not_good():
    wanted = settings(exclusive_use=True)
    made = aws(stranger(EVERYTHING))  # The key policy is still the one without it.
    assert item(told(made, wanted)) is State.PERSON


def test_what_could_not_be_read_is_unknown_and_never_nobody():
    made = aws()
    made.who_has_access.failures["iam"] = PermissionDenied("you may not", "")
    notices = told(made)
    assert item(notices) is State.UNKNOWN
    [unknown] = [each for each in notices if each.state is State.UNKNOWN]
    assert unknown.is_denied and "the account's IAM could not be read: you may not" in unknown.why


# The signature.


@pytest.mark.parametrize(
    ("days_ago", "of_review"),
    [(93, {}), (0, {"key_arn": f"{KEY[:-1]}x"}), (0, {"key_arn": KEY.replace(ACCOUNT, "999988887777")})],
    ids=["too old", "another key", "another account"],
)
def test_a_signature_of_something_else_closes_nothing(tmp_path, days_ago, of_review):
    made = aws(stranger())
    signed(made, tmp_path, days_ago=days_ago, **of_review)
    assert item(told(made, reviews=tmp_path)) is State.PERSON
