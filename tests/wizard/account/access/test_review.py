"""The review as a whole, over the fake edges: exactly whom it shows, what it calls out, what it does not know."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from unittest.mock import Mock

import pytest

from components.policies.evaluation import trust
from components.policies.evaluation.account import AccountIam, IamPolicy, IamPrincipal, KeyPermission
from components.policies.evaluation.principals import ACCOUNT_ACCESS
from tests.components.policies.evaluation.policy_documents import allow, document, grant, named, principal
from tests.wizard.account.access.reviews import (
    NOW,
    PROVIDER,
    ROOT,
    STRANGER,
    account,
    application,
    aws,
    of,
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
    MULTI_KEY,
    MULTI_OUTPUTS,
    REPLICA,
    SECOND,
    FakeAwsClient,
    multi_region,
)
from wizard.core.errors import PermissionDenied, Unsupported
from wizard.core.models.access import AccessKeyAge, AccessReview, KeyEvents, KeyUse

DENIED = PermissionDenied("you may not", "ask for it")
REST = f"arn:aws:iam::{ACCOUNT}:*"


def rights(found: AccessReview) -> dict[str, set[str]]:
    return {each.arn: set(each.rights) for each in found.principals}


def test_a_stack_as_it_was_set_up_shows_exactly_whom_the_settings_name():
    found = review(aws())
    assert rights(found) == {ROOT: {"use", "administer"}, APP: {"use"}, ADMIN: {"administer"}}
    assert (found.unexpected, found.undecided, found.unread, found.grants) == ((), (), (), ())
    assert [each.beyond for each in found.principals] == [(), (), ()]


def test_the_application_is_told_with_its_ways_its_entrance_and_its_use():
    app = of(review(aws()), APP)
    assert app.ways == (
        "key policy: Allow use of the key for EONPRO (use)",
        f"IAM policy arn:aws:iam::{ACCOUNT}:policy/EONPROKMSAccess (use)",
    )
    assert app.assumed_by == (
        f"{PROVIDER} if oidc.vercel.com/acme:aud is https://vercel.com/acme "
        "and oidc.vercel.com/acme:sub is owner:acme:project:portal:environment:production",
    )
    assert (app.events, app.refused, app.last_use) == (12, 0, NOW - timedelta(days=1))


def test_an_application_that_iam_lets_administer_its_key_has_more_than_it_was_given():
    made = aws()
    made.who_has_access.account = AccountIam(principals=(principal(ADMIN), principal(APP, allow("kms:*"))))
    assert of(review(made), APP).beyond == ("administer",)


def trusting(who: Any, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": who, **more}


def test_the_identity_provider_is_called_out_where_it_lets_more_in_than_the_settings_mean():
    [statement] = trust_statements()
    wide = {**statement, "Condition": {"StringLike": {"oidc.vercel.com/acme:sub": "owner:acme:*"}}}
    made = aws()
    made.who_has_access.account = AccountIam(
        principals=(principal(ADMIN, trust=document()), application(trust=document(wide)))
    )
    found = review(made)
    assert [each.arn for each in found.unexpected] == [PROVIDER]


SIGNED_IN = trusting({"Service": ACCOUNT_ACCESS}, Action=["sts:AssumeRole", "sts:SetContext", "sts:TagSession"])
SOMEBODY = "IAM Identity Center user u-1"


def test_the_people_of_aws_account_access_are_listed_with_the_right_of_the_role():
    made = aws(stranger(trust=document(SIGNED_IN)), people={STRANGER: (SOMEBODY,)})
    found = review(made)
    people = of(found, ACCOUNT_ACCESS)
    assert people.rights == people.surplus == frozenset(("use",))
    assert not people.is_expected
    assert people.ways == (f"assumes {STRANGER} (use) for the people who are assigned to it",)
    assert people.assumed_by == (f"{SOMEBODY} as {STRANGER}",)
    assert found.unread == ()


def test_the_people_of_a_role_that_the_settings_name_have_what_the_settings_give_the_role():
    made = aws()
    made.who_has_access.account = AccountIam(principals=(principal(ADMIN, trust=document(SIGNED_IN)), application()))
    people = of(review(made), ACCOUNT_ACCESS)
    assert (people.is_expected, people.beyond, people.rights) == (True, (), frozenset({"administer"}))


def test_the_access_keys_of_a_user_are_told_with_their_age():
    old = AccessKeyAge(id="AKIAOLD", active=True, age_days=400, last_used=None)
    made = aws(principal(SECOND, allow("kms:*")), keys_of_users={"second": (old,)})
    assert of(review(made), SECOND).access_keys == (old,)


def test_one_who_tried_and_was_refused_is_told_without_a_right():
    made = aws(told={KEY: (KeyEvents(principal=STRANGER, refused=3),)})
    found = of(review(made), STRANGER)
    assert (found.rights, found.refused, found.events) == (frozenset(), 3, 0)


# Several keys.


def test_a_replicas_own_policy_grants_and_use_count_too():
    made = FakeAwsClient(
        who_has_access=FakeAccess(
            account=account(),
            granted={REPLICA: (grant(STRANGER, key_arn=REPLICA),)},
            uses={REPLICA: KeyUse(at=NOW, operation="Decrypt", tracked_since=None)},
        )
    )
    made.build(multi_region())
    made.key_policies[REPLICA] = document(named(SECOND, "kms:*", Sid="mine"))
    found = review(made, settings=multi_region(), outputs=MULTI_OUTPUTS)
    assert of(found, SECOND).ways == ("key policy: mine (use; administer; delete) in eu-central-1",)
    assert of(found, STRANGER).ways == ("grant g1 (use) in eu-central-1",)
    assert found.key_arn == MULTI_KEY
    assert [(each.arn, each.use and each.use.operation) for each in found.replicas] == [(REPLICA, "Decrypt")]
    made.who_has_access.failures["grants"] = DENIED
    found = review(made, settings=multi_region(), outputs=MULTI_OUTPUTS)
    assert "the grants could not be read in eu-central-1" in of(found, REST).ways


# What may not be read.


def denied(*names: str, **more: Any) -> FakeAwsClient:
    made = aws(**more)
    for name in names:
        if name == "key_policy":
            made.failures[name] = DENIED
        else:
            made.who_has_access.failures[name] = DENIED
    return made


def test_without_iam_whoever_it_lets_is_unknown_and_who_is_named_is_known():
    found = review(denied("iam"))
    assert (of(found, REST).use, of(found, REST).administer, of(found, REST).delete) == (
        KeyPermission.UNKNOWN,
        KeyPermission.UNKNOWN,
        KeyPermission.NO,
    )
    assert of(found, APP).use is KeyPermission.YES
    assert [each.what for each in found.unread] == ["the account's IAM"]


def test_a_history_that_is_cut_off_leaves_open_who_is_not_in_it():
    found = review(aws(is_cut_off=True))
    assert (of(found, APP).events, of(found, ADMIN).events) == (12, None)


def test_access_keys_that_may_not_be_listed_are_not_none():
    made = denied("access_keys")
    made.who_has_access.account = account(principal(SECOND, allow("kms:*")))
    second = of(review(made), SECOND)
    assert (second.access_keys, second.are_access_keys_known) == ((), False)


def test_a_policy_that_may_not_be_read_leaves_its_holder_unknown():
    hidden = principal(SECOND, policies=(IamPolicy(name="hidden", document=None),))
    found = review(aws(hidden))
    assert of(found, SECOND).use is KeyPermission.UNKNOWN
    assert [each.what for each in found.unread] == ["hidden"]


def test_an_endpoint_that_has_no_such_call_is_told_like_a_denial():
    made = aws()
    made.who_has_access.failures["last_use"] = Unsupported("no such operation", "")
    first, second = review(made).unread
    assert first.why == "no such operation"
    # The rule about a key in use denies nothing where the Region does not count the days.
    assert "Deny disabling of a key in use" in second.what and "can always do it" in second.why


# An account of hundreds of roles.


def departments(count: int, actions: Any, trusted: dict[str, str]) -> list[IamPrincipal]:
    trust = {"Statement": [{"Effect": "Allow", "Principal": trusted, "Action": "sts:AssumeRole"}]}
    arns = [f"arn:aws:iam::{ACCOUNT}:role/department-{number}" for number in range(count)]
    return [
        principal(arn, policies=(IamPolicy(name=f"keys of {arn}", document=document(allow(actions))),), trust=trust)
        for arn in arns
    ]


def counted(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, roles: list[IamPrincipal]) -> int:
    """How often the review of an account with these roles calls a function of the evaluator."""
    with monkeypatch.context() as patch:
        function = Mock(wraps=getattr(module, name))
        patch.setattr(module, name, function)
        review(aws(*roles))
    return function.call_count


def test_roles_that_may_assume_one_another_are_evaluated_once_each(monkeypatch):
    """Sixty such roles took eight seconds, and two hundred five minutes."""
    roles = departments(20, "*", {"AWS": ROOT})
    assert counted(monkeypatch, trust, "direct_paths", roles) <= len(roles) + 2
