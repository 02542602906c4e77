"""The access keys of the application's IAM user."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.wizard.aws.conftest import with_pause
from tests.wizard.fakes.clients import advice_of
from wizard.aws.client import AwsClient
from wizard.core.errors import PermissionDenied, ResourceError, UsageError
from wizard.core.models.verification import AccessKey

USER = "eonpro-app-user"
MADE = """<CreateAccessKeyResponse><CreateAccessKeyResult><AccessKey><UserName>eonpro-app-user</UserName>
<AccessKeyId>AKIANEW</AccessKeyId><Status>Active</Status><SecretAccessKey>the-secret-of-the-key</SecretAccessKey>
</AccessKey></CreateAccessKeyResult></CreateAccessKeyResponse>"""
LISTED = """<ListAccessKeysResponse><ListAccessKeysResult><IsTruncated>false</IsTruncated><AccessKeyMetadata>
<member><UserName>eonpro-app-user</UserName><AccessKeyId>AKIAYOUNGYOUNGYOUNG0</AccessKeyId><Status>Active</Status>
<CreateDate>2026-06-01T10:00:00Z</CreateDate></member>
<member><UserName>eonpro-app-user</UserName><AccessKeyId>AKIAOLDOLDOLDOLDOLD0</AccessKeyId><Status>Inactive</Status>
<CreateDate>2026-01-01T10:00:00Z</CreateDate></member>
</AccessKeyMetadata></ListAccessKeysResult></ListAccessKeysResponse>"""
USED = """<GetAccessKeyLastUsedResponse><GetAccessKeyLastUsedResult><AccessKeyLastUsed>
<LastUsedDate>2026-07-01T10:00:00Z</LastUsedDate><ServiceName>kms</ServiceName><Region>us-east-1</Region>
</AccessKeyLastUsed></GetAccessKeyLastUsedResult></GetAccessKeyLastUsedResponse>"""


@pytest.fixture
def user(boto) -> str:
    boto("iam").create_user(UserName=USER)
    return USER


@pytest.fixture
def retrying(scripted: AwsClient) -> tuple[AwsClient, list[float]]:
    """The edge whose waiting is written down instead of waited."""
    waited: list[float] = []
    scripted = with_pause(scripted, waited.append)
    return scripted, waited


def statuses(boto) -> dict[str, str]:
    keys = boto("iam").list_access_keys(UserName=USER)["AccessKeyMetadata"]
    return {key["AccessKeyId"]: key["Status"] for key in keys}


def test_a_user_that_does_not_exist_has_no_access_keys(aws):
    assert aws.iam.list_access_keys("nobody") == ()


def test_an_access_key_that_was_made_is_listed_as_active_and_never_used(aws, user, boto):
    made = aws.iam.make_access_key(user)
    (listed,) = aws.iam.list_access_keys(user)
    assert (listed.id, listed.active, listed.last_used) == (made.id, True, None)
    assert timedelta(0) <= datetime.now(UTC) - listed.made < timedelta(minutes=5)
    assert statuses(boto) == {made.id: "Active"}


def test_access_keys_are_listed_the_oldest_first_with_their_last_use(script, scripted):
    script.answer("ListAccessKeys", LISTED)
    script.answer("GetAccessKeyLastUsed", USED)
    old, young = scripted.iam.list_access_keys(USER)
    assert (old.id, old.active, young.id, young.active) == ("AKIAOLDOLDOLDOLDOLD0", False, "AKIAYOUNGYOUNGYOUNG0", True)
    assert young.made == datetime(2026, 6, 1, 10, tzinfo=UTC)
    assert young.last_used == datetime(2026, 7, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(("code", "status"), [("AccessDenied", 403), ("NotImplemented", 501)])
def test_a_last_use_that_nobody_tells_is_not_known(script, scripted, code, status):
    script.answer("ListAccessKeys", LISTED)
    script.refuse("GetAccessKeyLastUsed", code, status=status)
    assert [key.last_used for key in scripted.iam.list_access_keys(USER)] == [None, None]


def test_the_secret_of_an_access_key_is_in_no_repr(aws, user):
    made = aws.iam.make_access_key(user)
    assert made.secret not in repr(made) + str(made) + f"{made}" + repr([made])
    assert made.id in repr(made)
    assert isinstance(made, AccessKey)


def test_a_third_access_key_is_refused_with_the_way_out(script, retrying):
    aws, waited = retrying
    script.refuse("CreateAccessKey", "LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2", status=409)
    with pytest.raises(ResourceError, match="already has two access keys") as refusal:
        aws.iam.make_access_key(USER)
    assert f"aws iam list-access-keys --user-name {USER}" in refusal.value.hint
    assert f"aws iam delete-access-key --user-name {USER}" in advice_of(refusal.value.hint)
    assert (script.calls, waited) == (["CreateAccessKey"], [])


def test_a_user_made_a_moment_ago_is_waited_for(script, retrying):
    aws, waited = retrying
    script.refuse("CreateAccessKey", "NoSuchEntity", status=404)

    def seen(seconds: float) -> None:
        waited.append(seconds)
        script.answer("CreateAccessKey", MADE)

    aws = with_pause(aws, seen)
    assert aws.iam.make_access_key(USER).id == "AKIANEW"
    assert len(waited) == 1


def test_a_user_that_never_shows_is_given_up(script, retrying):
    aws, waited = retrying
    script.refuse("CreateAccessKey", "NoSuchEntity", status=404)
    with pytest.raises(ResourceError, match="NoSuchEntity"):
        aws.iam.make_access_key("nobody")
    assert 0 < sum(waited) < 10


def test_a_caller_who_may_make_no_access_key_is_told_at_once(script, retrying):
    aws, waited = retrying
    script.refuse("CreateAccessKey", "AccessDenied", status=403)
    with pytest.raises(PermissionDenied, match="iam:CreateAccessKey"):
        aws.iam.make_access_key(USER)
    assert waited == []


def test_a_retired_access_key_is_switched_off_and_still_there(aws, user, boto):
    old, new = aws.iam.make_access_key(user), aws.iam.make_access_key(user)
    aws.iam.retire_access_key(user, old.id)
    assert statuses(boto) == {old.id: "Inactive", new.id: "Active"}
    assert {key.id: key.active for key in aws.iam.list_access_keys(user)} == {old.id: False, new.id: True}


def test_an_access_key_that_does_not_exist_cannot_be_retired(aws, user):
    with pytest.raises(ResourceError, match="NoSuchEntity"):
        aws.iam.retire_access_key(user, "AKIANOTTHERE0000")


def test_an_access_key_that_is_switched_off_is_deleted_alone(aws, user, boto):
    old, new = aws.iam.make_access_key(user), aws.iam.make_access_key(user)
    aws.iam.retire_access_key(user, old.id)
    aws.iam.delete_access_key(user, old.id)
    assert statuses(boto) == {new.id: "Active"}


def test_an_active_access_key_is_never_deleted(script, scripted):
    script.answer("ListAccessKeys", LISTED)
    script.answer("GetAccessKeyLastUsed", USED)
    script.answer("DeleteAccessKey", "<DeleteAccessKeyResponse/>")
    with pytest.raises(UsageError, match="AKIAYOUNGYOUNGYOUNG0 .* is active; it was not deleted") as refusal:
        scripted.iam.delete_access_key(USER, "AKIAYOUNGYOUNGYOUNG0")
    assert "--access-key-id AKIAYOUNGYOUNGYOUNG0 --status Inactive" in refusal.value.hint
    assert "DeleteAccessKey" not in script.calls


def test_an_access_key_that_is_gone_already_is_no_error(aws, user, boto):
    kept = aws.iam.make_access_key(user)
    aws.iam.delete_access_key(user, "AKIANOTTHERE0000")
    assert statuses(boto) == {kept.id: "Active"}


def test_an_access_key_that_cannot_be_seen_is_not_deleted(script, scripted):
    script.refuse("ListAccessKeys", "AccessDenied", status=403)
    with pytest.raises(PermissionDenied):
        scripted.iam.delete_access_key(USER, "AKIAOLDOLDOLDOLDOLD0")
    assert script.calls == ["ListAccessKeys"]
