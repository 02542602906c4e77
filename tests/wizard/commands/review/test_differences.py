"""What changed between two reviews; what one of them could not read is no change."""

from __future__ import annotations

from datetime import timedelta

from components.policies.evaluation.account import AccountIam, IamPolicy
from tests.components.policies.evaluation.policy_documents import allow, document, grant, principal
from tests.wizard.account.access.reviews import (
    NOW,
    STRANGER,
    application,
    aws,
    review,
    stranger,
    trust_statements,
)
from tests.wizard.fakes.clients import ADMIN, APP, KEY, FakeAwsClient
from wizard.commands.review import differences
from wizard.commands.review.differences import Differences, PrincipalChange
from wizard.core.errors import PermissionDenied

BEFORE = NOW - timedelta(days=90)
SINCE = "2026-04-02.json"


def between(before: FakeAwsClient, now: FakeAwsClient) -> Differences:
    return differences.differences_between(review(before, BEFORE), review(now), since=SINCE)


def without(*names: str, cloud_: FakeAwsClient) -> FakeAwsClient:
    for name in names:
        cloud_.who_has_access.failures[name] = PermissionDenied("you may not", "")
    return cloud_


def test_two_reviews_of_the_same_are_no_different():
    found = between(aws(), aws())
    assert found == Differences(since=SINCE)
    assert found.is_empty


def test_who_came_and_who_went_is_told():
    assert between(aws(), aws(stranger())).added == (STRANGER,)
    assert between(aws(stranger()), aws()).removed == (STRANGER,)


def test_what_one_gained_and_lost_is_told_with_the_way():
    less, more = aws(stranger()), aws(stranger(allow("kms:*")))
    assert between(less, more).changed == (
        PrincipalChange(
            arn=STRANGER,
            gained=("administer",),
            new_ways=("IAM policy own (use; administer)",),
            removed_ways=("IAM policy own (use)",),
        ),
    )
    assert between(more, less).changed[0].lost == ("administer",)


def test_a_new_and_a_gone_grant_are_told():
    given = aws(granted={KEY: (grant(APP),)})
    assert between(aws(), given).new_grants == ("g1",)
    assert between(given, aws()).removed_grants == ("g1",)


def test_who_may_newly_become_the_application_is_told():
    service = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}}
    opened = aws()
    opened.who_has_access.account = AccountIam(
        principals=(
            principal(ADMIN, trust=document()),
            application(trust=document(*trust_statements(), service)),
        )
    )
    found = between(aws(), opened)
    assert found.added == ("ec2.amazonaws.com",)
    assert [each.newly_assumed_by for each in found.changed if each.arn == APP] == [("ec2.amazonaws.com",)]


def test_nobody_came_of_whom_the_earlier_review_could_not_know():
    blind = without("iam", cloud_=aws())
    found = between(blind, aws(stranger()))
    assert (found.added, found.first_visible) == ((), (STRANGER,))


def test_nobody_came_of_whom_the_earlier_review_knew_a_part():
    hidden = principal(STRANGER, policies=(IamPolicy(name="hidden", document=None),), trust=document())
    found = between(aws(hidden), aws(stranger()))
    assert (found.added, found.first_visible) == ((), (STRANGER,))


def test_nobody_went_whom_this_review_cannot_see():
    blind = without("iam", cloud_=aws())
    found = between(aws(stranger()), blind)
    assert (found.removed, found.no_longer_visible) == ((), (STRANGER,))


def test_nobody_lost_a_right_that_this_review_cannot_see():
    found = between(aws(stranger(allow("kms:*"))), without("key_policy", cloud_=aws(stranger(allow("kms:*")))))
    assert [each.lost for each in found.changed if each.lost] == []
