"""Who else can use the key: who is named, with which command, and which signed review accepts it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from components.policies.evaluation.account import AccountIam, IamPrincipal
from components.policies.evaluation.principals import ACCOUNT_ACCESS
from components.policies.requirements import BY_ID, Topic
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
    key_statements,
    review,
    stranger,
    trust_statements,
)
from tests.wizard.fakes.access import FakeAccess
from tests.wizard.fakes.clients import (
    ACCOUNT,
    ADMIN,
    APP,
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


def test_the_item_follows_the_key_policy_and_has_requirements_of_the_law():
    topics = list(Topic)
    assert topics[topics.index(Topic.KEY_POLICY) + 1] is Topic.OTHERS
    assert str(Topic.OTHERS) == "Rights beyond the policy"
    assert "164.308(a)(4)(ii)(C)" in BY_ID["key-use-by-others"].sections


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


def test_an_administrator_keeps_the_administration_and_loses_the_use():
    administrator = principal(ADMIN, EVERYTHING, trust=document())
    notice = of(told(with_principals(administrator, application())), ADMIN)
    assert notice.what == f"{ADMIN} can use the key, more than the settings give it"
    [statement] = denied(notice.command)
    assert "kms:Decrypt" in statement["Action"] and "kms:PutKeyPolicy" not in statement["Action"]
    assert statement["Resource"] == [KEY]


def test_a_role_of_identity_center_gets_no_policy_that_iam_would_refuse():
    notice = of(told(aws(principal(SSO, EVERYTHING, trust=document()))), SSO)
    assert notice.command == "python -m wizard setup --stack production --exclusive-use yes"
    only = of(told(aws(principal(SSO, allow("kms:PutKeyPolicy"), trust=document()))), SSO)
    assert only.command == "" and "permission set" in only.advice


def test_a_grant_comes_with_its_revocation():
    notice = of(told(aws(granted={KEY: (grant(STRANGER, "Decrypt"),)})), STRANGER)
    assert notice.command == f"aws kms revoke-grant --key-id {KEY} --grant-id g1 --region us-east-1"


def test_a_statement_of_the_key_policy_comes_with_the_update_of_the_key():
    made = aws()
    made.key_policies[KEY] = document(*key_statements(made), named(PARTNER, Sid="partner"))
    assert of(told(made), PARTNER).command.startswith("pulumi up ")


def assuming(who: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": who}


def test_whoever_can_become_such_a_role_is_named_too_and_loses_the_right_with_it():
    user = principal(SECOND, allow("sts:AssumeRole", Resource=STRANGER))
    notices = told(aws(stranger(trust=document(assuming({"AWS": ROOT}))), user))
    assert of(notices, SECOND).command == ""
    assert f"it ends when the role {STRANGER} has no right on the key any more" in of(notices, SECOND).advice


def test_a_user_who_can_become_an_administrator_of_the_settings_is_denied_that():
    user = principal(SECOND, allow("sts:AssumeRole", Resource=ADMIN))
    administrator = principal(ADMIN, trust=document(assuming({"AWS": ROOT})))
    notice = of(told(with_principals(administrator, application(), user)), SECOND)
    mended = principal(SECOND, allow("sts:AssumeRole", Resource=ADMIN), *denied(notice.command))
    assert item(told(with_principals(administrator, application(), mended))) is State.GOOD


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


def test_a_role_that_another_account_can_assume_stays_wrong():
    notices = told(aws(stranger(trust=document(assuming({"AWS": PARTNER})))))
    assert item(notices) is State.WRONG
    assert {each.code for each in notices} == {"role-trusts-other-account", "key-use-by-others"}


def test_a_statement_of_a_replica_comes_with_the_update_of_that_replica():
    made = FakeAwsClient(who_has_access=FakeAccess(account=account()))
    made.build(multi_region())
    kept: Any = made.key_policies[REPLICA]
    made.key_policies[REPLICA] = document(*kept["Statement"], named(PARTNER, Sid="partner"))
    notice = of(told(made, multi_region(), outputs=MULTI_OUTPUTS), PARTNER)
    assert "in eu-central-1" in notice.why
    assert notice.command.startswith("pulumi up ")


def test_a_right_by_a_replica_that_the_settings_do_not_name_ends_with_the_replica():
    stray = KEY.replace("us-east-1", "eu-north-1")
    made = aws()
    made.keys[KEY] = replace(made.keys[KEY], replicas=(stray,))
    made.keys[stray] = replace(made.keys[KEY], arn=stray, replica_of=KEY)
    made.key_policies[stray] = document(named(PARTNER))
    notice = of(told(made), PARTNER)
    assert notice.command == "" and "it ends when the replica in eu-north-1 is deleted" in notice.advice


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


def test_a_signed_review_of_these_people_closes_it(tmp_path):
    made = aws(stranger())
    signed(made, tmp_path)
    [accepted] = told(made, reviews=tmp_path)
    assert accepted.state is State.GOOD
    assert accepted.what == f"Ada accepted on {NOW:%Y-%m-%d} the rights of {STRANGER} (use)"


def one_more(made: FakeAwsClient) -> None:
    made.who_has_access.account = account(stranger(), principal(SECOND, allow("kms:Decrypt")))


def more_rights(made: FakeAwsClient) -> None:
    made.who_has_access.account = account(stranger(EVERYTHING))


def by_saml(made: FakeAwsClient) -> None:
    saml = {"Federated": f"arn:aws:iam::{ACCOUNT}:saml-provider/clinic"}
    trust = document({"Effect": "Allow", "Principal": saml, "Action": "sts:AssumeRoleWithSAML"})
    made.who_has_access.account = account(stranger(trust=trust))


def a_partner(made: FakeAwsClient) -> None:
    made.who_has_access.account = account(stranger(trust=document(assuming({"AWS": PARTNER}))))


@pytest.mark.parametrize("change", [one_more, more_rights, by_saml, a_partner])
def test_it_is_open_again_when_the_people_or_their_rights_change(tmp_path, change: Callable[[FakeAwsClient], None]):
    made = aws(stranger())
    signed(made, tmp_path)
    change(made)
    assert item(told(made, reviews=tmp_path)) in (State.PERSON, State.WRONG)


def test_one_who_has_left_does_not_open_it(tmp_path):
    made = aws(stranger(), principal(SECOND, allow("kms:Decrypt")))
    signed(made, tmp_path)
    made.who_has_access.account = account(stranger())
    assert item(told(made, reviews=tmp_path)) is State.GOOD


@pytest.mark.parametrize(
    ("days_ago", "of_review"),
    [(93, {}), (0, {"key_arn": f"{KEY[:-1]}x"}), (0, {"key_arn": KEY.replace(ACCOUNT, "999988887777")})],
    ids=["too old", "another key", "another account"],
)
def test_a_signature_of_something_else_closes_nothing(tmp_path, days_ago, of_review):
    made = aws(stranger())
    signed(made, tmp_path, days_ago=days_ago, **of_review)
    assert item(told(made, reviews=tmp_path)) is State.PERSON


def test_an_edited_review_closes_nothing(tmp_path):
    made = aws()
    file = signed(made, tmp_path)
    made.who_has_access.account = account(stranger())
    stored = json.loads(file.read_text())
    stored["review"]["principals"] = json.loads(json.dumps(stored["review"]["principals"]).replace(APP, STRANGER))
    file.write_text(json.dumps(stored))
    assert item(told(made, reviews=tmp_path)) is State.PERSON
