"""An answer that breaks off, is foreign, or lacks what its operation always returns is never taken for an empty one."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from tests.wizard.aws.conftest import with_pause
from wizard.core.errors import SetupError, UnreadableAnswer

KEY = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
GRANTS = {"Grants": [{"GrantId": "g-1", "GranteePrincipal": "arn:aws:iam::123456789012:role/other"}]}
PARAMETERS: dict[str, list[object]] = {"Parameters": [], "InvalidParameters": []}
PAGE = "<!DOCTYPE html><html><body>Sign in to the hotel's network</body></html>"
LISTED = """<ListAccessKeysResponse><ListAccessKeysResult><IsTruncated>false</IsTruncated>
<AccessKeyMetadata/></ListAccessKeysResult></ListAccessKeysResponse>"""
NOTHING_LISTED = "<ListAccessKeysResponse><ListAccessKeysResult/></ListAccessKeysResponse>"
ACCOUNT = """<GetAccountAuthorizationDetailsResponse><GetAccountAuthorizationDetailsResult>
<IsTruncated>false</IsTruncated></GetAccountAuthorizationDetailsResult></GetAccountAuthorizationDetailsResponse>"""


@pytest.fixture
def aws(scripted):
    return with_pause(scripted, lambda _: None)


def test_a_grant_is_not_lost_from_the_review_when_the_listing_breaks_off_once(aws, script) -> None:
    script.answer("ListGrants", GRANTS)
    script.break_off["ListGrants"] = 1
    assert [grant.id for grant in aws.access.grants(KEY)] == ["g-1"]
    assert script.calls == ["ListGrants", "ListGrants"]


@pytest.mark.parametrize("body", [PAGE, "", "{}", '{"Truncated": false}', '{"Grants": [{"GrantId": "g-1"'])
def test_the_review_does_not_say_that_there_are_no_grants_when_the_answer_says_nothing(aws, script, body) -> None:
    script.answer("ListGrants", body)
    with pytest.raises(UnreadableAnswer, match="kms:ListGrants"):
        aws.access.grants(KEY)
    assert len(script.calls) > 1


def test_an_answer_that_always_breaks_off_is_an_error_that_names_the_call(aws, script) -> None:
    script.answer("ListGrants", GRANTS)
    script.break_off["ListGrants"] = 1000
    with pytest.raises(UnreadableAnswer, match="kms:ListGrants.*bytes"):
        aws.access.grants(KEY)


def test_a_key_without_grants_has_none(aws, script) -> None:
    script.answer("ListGrants", {"Grants": [], "Truncated": False})
    assert aws.access.grants(KEY) == ()
    assert script.calls == ["ListGrants"]


@pytest.mark.parametrize("body", [PAGE, "{}", '{"InvalidParameters": []}', json.dumps(PARAMETERS)[:-3]])
def test_no_second_data_key_is_made_because_the_answer_about_the_first_says_nothing(aws, script, body) -> None:
    script.answer("GetParameters", body)
    with pytest.raises(UnreadableAnswer, match="ssm:GetParameters"):
        aws.stored_data_keys.read_stored_data_key("/eonpro/production/ENCRYPTED_PHI_KEY")


@pytest.mark.parametrize("body", [PAGE, "{}"])
def test_no_version_is_left_out_of_a_backup_because_a_page_says_nothing(aws, script, settings, body) -> None:
    script.answer("GetParameters", PARAMETERS)
    script.answer("GetParametersByPath", body)
    with pytest.raises(UnreadableAnswer, match="ssm:GetParametersByPath"):
        aws.key_rotation.versions(settings)


@pytest.mark.parametrize("body", [PAGE, "", NOTHING_LISTED, LISTED[:-30]])
def test_no_access_key_is_made_because_the_list_of_them_says_nothing(aws, script, body) -> None:
    script.answer("ListAccessKeys", body)
    with pytest.raises(UnreadableAnswer, match="iam:ListAccessKeys"):
        aws.iam.list_access_keys("eonpro-app-user")


def test_a_user_without_access_keys_has_none(aws, script) -> None:
    script.answer("ListAccessKeys", LISTED)
    assert aws.iam.list_access_keys("eonpro-app-user") == ()


@pytest.mark.parametrize("body", [PAGE, ACCOUNT])
def test_nobody_is_left_out_of_the_review_because_iam_says_nothing(aws, script, body) -> None:
    script.answer("GetAccountAuthorizationDetails", body)
    with pytest.raises(UnreadableAnswer, match="iam:GetAccountAuthorizationDetails"):
        aws.access.iam()


def test_no_use_of_the_key_is_left_out_of_the_review_because_cloudtrail_says_nothing(aws, script) -> None:
    script.answer("LookupEvents", "{}")
    with pytest.raises(UnreadableAnswer, match="cloudtrail:LookupEvents"):
        aws.access.events(KEY, since=datetime(2026, 1, 1, tzinfo=UTC))


def test_the_body_that_cannot_be_read_is_not_shown(aws, script) -> None:
    script.answer("GetParameters", '{"Parameters": [{"Value": "a-wrapped-data-key')
    with pytest.raises(UnreadableAnswer) as caught:
        aws.stored_data_keys.read_stored_data_key("/eonpro/production/ENCRYPTED_PHI_KEY")
    assert "a-wrapped-data-key" not in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize("status", [200, 400, 403, 500])
def test_a_web_page_is_never_printed_and_an_endpoint_that_sends_one_is_not_silent(aws, script, status) -> None:
    script.answer("ListGrants", PAGE, status=status)
    with pytest.raises(SetupError, match="a web page") as caught:
        aws.access.grants(KEY)
    assert "hotel" not in caught.value.message and "does not answer" not in caught.value.message


# --- bodies of another shape, in each protocol of AWS

QUESTIONS: dict[str, tuple[str, dict[str, object]]] = {
    "DescribeKey": ("kms", {"KeyId": KEY}),
    "GetParameters": ("ssm", {"Names": ["/eonpro/production/ENCRYPTED_PHI_KEY"]}),
    "GetCallerIdentity": ("sts", {}),
    "GetRole": ("iam", {"RoleName": "eonpro-app-role"}),
    "ListRegions": ("account", {}),
    "ListClusters": ("eks", {}),
}
"""JSON, query, REST with JSON. Of S3 botocore asks again by itself, and says that the call failed."""
OTHER_SHAPES = (
    "null",
    "[]",
    "[null]",
    "7",
    "true",
    '"text"',
    '{"KeyMetadata": 7}',
    '{"Parameters": "x"}',
    "[" * 100_000,
)


def asked_for(script, operation: str, body: str) -> str:
    """The body answers the operation, and the name of its call."""
    service, parameters = QUESTIONS[operation]
    del parameters
    paths = {"ListRegions": "POST /listRegions", "ListClusters": "GET /clusters"}
    script.answer(paths.get(operation, operation), body)
    return f"{service}:{operation}"


@pytest.mark.parametrize("body", OTHER_SHAPES)
@pytest.mark.parametrize("operation", QUESTIONS)
def test_a_body_of_another_shape_is_the_one_error_that_names_the_call(aws, script, operation, body) -> None:
    call = asked_for(script, operation, body)
    service, parameters = QUESTIONS[operation]
    with pytest.raises(UnreadableAnswer, match=f"{call}: the answer of http.* cannot be read"):
        aws._session.call(service, operation, **parameters)
    assert len(script.calls) > 1, "it is asked for again"


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        ({"Grants": [{"GrantId": 7}]}, "Grants has a value of another type"),
        ({"Grants": [None]}, "Grants has a value of another type"),
        ({"Grants": [{"GrantId": "g", "Operations": "Decrypt"}]}, "cannot be read"),
        ({"Grants": [{"GrantId": "g", "CreationDate": 1e300}]}, "cannot be read"),
        ({"Grants": [{"GranteePrincipal": "x"}]}, "GrantId is missing"),
    ],
)
def test_a_member_that_is_missing_or_of_another_type_is_that_error_too(aws, script, answer, what) -> None:
    script.answer("ListGrants", answer)
    with pytest.raises(UnreadableAnswer, match=f"kms:ListGrants: .*{what}"):
        aws.access.grants(KEY)


@pytest.mark.parametrize("missing", ["GranteePrincipal", "Operations", "CreationDate"])
def test_a_member_that_nobody_needs_may_be_missing(aws, script, missing) -> None:
    grant = {"GrantId": "g", "GranteePrincipal": "x", "Operations": ["Decrypt"], "CreationDate": 1}
    script.answer("ListGrants", {"Grants": [{name: each for name, each in grant.items() if name != missing}]})
    assert [each.id for each in aws.access.grants(KEY)] == ["g"]


@pytest.mark.parametrize("status", [400, 403, 500])
@pytest.mark.parametrize("body", ["null", "[]", "7", '"text"'])
def test_a_refusal_of_another_shape_is_an_error_with_a_message(aws, script, status, body) -> None:
    script.answer("ListGrants", body, status=status)
    with pytest.raises(SetupError, match="kms:ListGrants"):
        aws.access.grants(KEY)


def test_an_answer_that_is_kept_is_not_changed_by_one_of_its_readers(aws, script) -> None:
    script.answer("ListGrants", GRANTS)
    once = aws._session.asking_once()
    once.call("kms", "ListGrants", KeyId=KEY)["Grants"][0]["GrantId"] = "changed"
    assert once.call("kms", "ListGrants", KeyId=KEY)["Grants"][0]["GrantId"] == "g-1"
    assert script.calls == ["ListGrants"]
