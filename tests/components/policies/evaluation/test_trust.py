"""Who may become a role: by its trust policy, through others, and not at all."""

from __future__ import annotations

from typing import Any

import pytest

from components.policies.evaluation import trust
from components.policies.evaluation.account import AccountIam, IamPrincipal
from components.policies.evaluation.principals import PrincipalKind
from tests.components.policies.evaluation.policy_documents import ADA, allow, deny, document, limit, principal
from tests.wizard.fakes.clients import ACCOUNT, OTHER_ACCOUNT

APP = f"arn:aws:iam::{ACCOUNT}:role/app"
MIDDLE = f"arn:aws:iam::{ACCOUNT}:role/middle"
FIRST = f"arn:aws:iam::{ACCOUNT}:role/first"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.vercel.com/acme"


def trusting(who: Any, *, effect: str = "Allow", action: str = "sts:AssumeRole", **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Principal": who, **more}


def role(arn: str, *statements: dict[str, Any], **more: Any) -> IamPrincipal:
    return principal(arn, trust=document(*statements), **more)


def ways_into(app: IamPrincipal, *others: IamPrincipal) -> list[str]:
    found, is_incomplete = trust.assume_paths(app, AccountIam(principals=(app, *others)), account=ACCOUNT)
    assert not is_incomplete
    return [path.description for path in found]


def test_a_user_that_is_named_may_become_it_without_an_iam_policy():
    assert ways_into(role(APP, trusting({"AWS": ADA})), principal(ADA)) == [ADA]


def test_a_user_that_is_named_and_denied_it_by_iam_may_not():
    assert ways_into(role(APP, trusting({"AWS": ADA})), principal(ADA, deny("sts:*"))) == []


def test_a_role_that_trusts_its_account_is_open_to_whom_iam_lets():
    lets, other = principal(ADA, allow("sts:AssumeRole", Resource=APP)), principal(MIDDLE, trust=document())
    assert ways_into(role(APP, trusting({"AWS": ROOT})), lets, other) == [ADA]


@pytest.mark.parametrize(
    "held",
    [
        principal(ADA, allow("sts:AssumeRole", Resource=MIDDLE)),
        principal(ADA, allow("*"), deny("sts:AssumeRole")),
        principal(ADA, allow("*"), boundary=limit(allow("kms:*"))),
        principal(ADA, allow("kms:*")),
    ],
    ids=["another role", "denied", "beyond its boundary", "other actions"],
)
def test_a_role_that_trusts_its_account_is_closed_to_whom_iam_does_not_let(held):
    assert ways_into(role(APP, trusting({"AWS": ROOT})), held) == []


def test_a_service_is_told_by_its_name_and_its_conditions():
    statement = trusting(
        {"Service": "ecs-tasks.amazonaws.com"}, Condition={"StringEquals": {"aws:SourceAccount": ACCOUNT}}
    )
    assert ways_into(role(APP, statement)) == [f"ecs-tasks.amazonaws.com if aws:SourceAccount is {ACCOUNT}"]


def test_an_identity_provider_is_told_with_its_audience_and_subject():
    statement = trusting(
        {"Federated": PROVIDER},
        action="sts:AssumeRoleWithWebIdentity",
        Condition={"StringEquals": {"oidc.vercel.com/acme:sub": "owner:acme"}},
    )
    assert ways_into(role(APP, statement)) == [f"{PROVIDER} if oidc.vercel.com/acme:sub is owner:acme"]


def test_an_identity_provider_cannot_assume_what_is_open_to_principals_only():
    assert ways_into(role(APP, trusting({"Federated": PROVIDER}))) == []


def test_another_account_and_everybody_are_told():
    there = f"arn:aws:iam::{OTHER_ACCOUNT}:root"
    assert ways_into(role(APP, trusting({"AWS": there}), trusting("*"))) == [there, "*"]


def test_a_denial_in_the_trust_policy_closes_it():
    assert ways_into(role(APP, trusting({"AWS": ADA}), trusting({"AWS": ADA}, effect="Deny")), principal(ADA)) == []


def test_a_chain_is_followed_and_told_by_its_roles():
    app = role(APP, trusting({"AWS": MIDDLE}))
    middle = role(MIDDLE, trusting({"AWS": FIRST}))
    first = role(FIRST, trusting({"AWS": ADA}))
    assert ways_into(app, middle, first, principal(ADA)) == [
        MIDDLE,
        f"{FIRST} through middle",
        f"{ADA} through first, then middle",
    ]


def test_roles_that_trust_each_other_end_nowhere():
    app, middle = role(APP, trusting({"AWS": MIDDLE})), role(MIDDLE, trusting({"AWS": APP}))
    assert ways_into(app, middle) == [MIDDLE]


def test_a_chain_that_is_too_long_is_told_to_be_cut_off():
    arns = [f"arn:aws:iam::{ACCOUNT}:role/r{number}" for number in range(trust.MAX_CHAIN + 2)]
    roles = [role(arn, trusting({"AWS": before})) for arn, before in zip(arns, [*arns[1:], ADA], strict=True)]
    found, is_incomplete = trust.assume_paths(roles[0], AccountIam(principals=tuple(roles)), account=ACCOUNT)
    assert ([each.principal for each in found], is_incomplete) == (arns[1 : trust.MAX_CHAIN + 1], True)


def test_more_ways_than_are_told_are_told_to_be_cut_off():
    users = [principal(f"arn:aws:iam::{ACCOUNT}:user/u{number}") for number in range(trust.MAX_PATHS + 1)]
    app = role(APP, trusting({"AWS": [each.arn for each in users]}))
    found, is_incomplete = trust.assume_paths(app, AccountIam(principals=(app, *users)), account=ACCOUNT)
    assert (len(found), is_incomplete) == (trust.MAX_PATHS, True)


def test_what_one_becomes_tells_its_kind():
    app = role(APP, trusting({"Service": "ec2.amazonaws.com"}), trusting({"AWS": ADA}))
    found, _ = trust.assume_paths(app, AccountIam(principals=(app, principal(ADA))), account=ACCOUNT)
    assert [each.kind for each in found] == [PrincipalKind.SERVICE, PrincipalKind.PRINCIPAL]
