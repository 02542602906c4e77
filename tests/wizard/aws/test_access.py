"""Who may use a key and who did, as KMS, IAM and CloudTrail tell it: against moto, and against written answers."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from components.policies.evaluation.account import IamPolicy
from tests.wizard.aws.conftest import with_pause
from wizard.aws.access import MAX_PAGES, AccessReader, UserIdentity, history_pages
from wizard.aws.auth import http
from wizard.aws.client import AwsClient
from wizard.core.errors import PermissionDenied, UnreadableAnswer, Unsupported
from wizard.core.models.access import KeyEvents, KeyUse, SignIn
from wizard.core.retry import Clock

ACCOUNT = "123456789012"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1"
NOW = datetime(2026, 7, 1, tzinfo=UTC)
ROLE = f"arn:aws:iam::{ACCOUNT}:role/team/app"
ADA = f"arn:aws:iam::{ACCOUNT}:user/ada"


def document(action: str) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]}


@pytest.fixture
def access(aws: AwsClient) -> AccessReader:
    return aws.access


# IAM, in moto.


def test_a_user_is_told_with_its_own_its_attached_and_its_groups_policies(boto, access):
    iam = boto("iam")
    managed = iam.create_policy(PolicyName="managed", PolicyDocument=json.dumps(document("kms:List*")))["Policy"]["Arn"]
    iam.create_user(UserName="ada")
    iam.put_user_policy(UserName="ada", PolicyName="own", PolicyDocument=json.dumps(document("kms:Decrypt")))
    iam.attach_user_policy(UserName="ada", PolicyArn=managed)
    iam.create_group(GroupName="crew")
    iam.put_group_policy(GroupName="crew", PolicyName="theirs", PolicyDocument=json.dumps(document("kms:*")))
    iam.add_user_to_group(GroupName="crew", UserName="ada")
    [ada] = access.iam().principals
    assert (ada.arn, ada.is_role, ada.trust, ada.boundary) == (ADA, False, None, None)
    assert ada.policies == (
        IamPolicy(name=f"own of {ADA}", document=document("kms:Decrypt")),
        IamPolicy(name=managed, document=document("kms:List*")),
        IamPolicy(name=f"theirs of arn:aws:iam::{ACCOUNT}:group/crew", document=document("kms:*")),
    )


def test_a_policy_is_told_as_its_default_version_has_it(boto, access):
    iam = boto("iam")
    arn = iam.create_policy(PolicyName="p", PolicyDocument=json.dumps(document("s3:*")))["Policy"]["Arn"]
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(document("kms:*")), SetAsDefault=True)
    iam.create_user(UserName="ada")
    iam.attach_user_policy(UserName="ada", PolicyArn=arn)
    assert access.iam().principals[0].policies == (IamPolicy(name=arn, document=document("kms:*")),)


def test_a_role_is_told_with_its_trust_and_its_boundary(boto, access):
    iam = boto("iam")
    trust = {
        "Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Principal": {"AWS": ADA}, "Action": "sts:AssumeRole"},
    }
    limit = iam.create_policy(PolicyName="limit", PolicyDocument=json.dumps(document("s3:*")))["Policy"]["Arn"]
    iam.create_role(
        RoleName="app", Path="/team/", AssumeRolePolicyDocument=json.dumps(trust), PermissionsBoundary=limit
    )
    role = access.iam().find(ROLE)
    assert role is not None
    assert (role.is_role, role.trust, role.boundary) == (True, trust, IamPolicy(name=limit, document=document("s3:*")))


def test_the_age_of_access_keys_is_in_days(boto, access):
    iam = boto("iam")
    iam.create_user(UserName="ada")
    made = iam.create_access_key(UserName="ada")["AccessKey"]
    [key] = access.access_keys("ada", now=datetime.now(UTC) + timedelta(days=400))
    assert (key.id, key.active, key.age_days) == (made["AccessKeyId"], True, 400)


# IAM, page by page.


PAGES = (
    """<GetAccountAuthorizationDetailsResponse><GetAccountAuthorizationDetailsResult>
    <IsTruncated>true</IsTruncated><Marker>more</Marker>
    <UserDetailList><member><UserName>ada</UserName><Arn>arn:aws:iam::123456789012:user/ada</Arn>
      <GroupList><member>crew</member></GroupList>
      <AttachedManagedPolicies><member><PolicyName>A</PolicyName>
        <PolicyArn>arn:aws:iam::aws:policy/A</PolicyArn></member></AttachedManagedPolicies></member></UserDetailList>
    <RoleDetailList/><GroupDetailList/><Policies/>
    </GetAccountAuthorizationDetailsResult></GetAccountAuthorizationDetailsResponse>""",
    """<GetAccountAuthorizationDetailsResponse><GetAccountAuthorizationDetailsResult>
    <IsTruncated>false</IsTruncated>
    <UserDetailList/><RoleDetailList/>
    <GroupDetailList><member><GroupName>crew</GroupName><Arn>arn:aws:iam::123456789012:group/crew</Arn>
      <GroupPolicyList><member><PolicyName>g</PolicyName><PolicyDocument>%7B%22Statement%22%3A%5B%5D%7D</PolicyDocument>
      </member></GroupPolicyList></member></GroupDetailList>
    <Policies><member><Arn>arn:aws:iam::aws:policy/A</Arn><PolicyVersionList><member>
      <Document>%7B%22Statement%22%3A%5B%5D%7D</Document><IsDefaultVersion>true</IsDefaultVersion>
      </member></PolicyVersionList></member></Policies>
    </GetAccountAuthorizationDetailsResult></GetAccountAuthorizationDetailsResponse>""",
)


def test_groups_and_policies_of_a_later_page_belong_to_the_users_of_an_earlier_one(script, scripted):
    script.answer_in_turn("GetAccountAuthorizationDetails", *PAGES)
    [ada] = scripted.access.iam().principals
    assert [(policy.name, policy.document) for policy in ada.policies] == [
        ("arn:aws:iam::aws:policy/A", {"Statement": []}),
        (f"g of arn:aws:iam::{ACCOUNT}:group/crew", {"Statement": []}),
    ]
    assert script.requests[1]["Marker"] == ["more"]


def test_a_review_of_a_busy_account_is_not_left_without_its_iam(script, scripted, monkeypatch):
    """IAM refuses what comes too fast; said to be unread, nobody's rights would be known."""
    monkeypatch.setattr(http, "ATTEMPTS", 1)
    script.refuse("GetAccountAuthorizationDetails", "Throttling", "Rate exceeded")
    pauses: list[float] = []

    def calm(seconds: float) -> None:
        pauses.append(seconds)
        script.answer("GetAccountAuthorizationDetails", PAGES[1])

    assert with_pause(scripted, calm).access.iam().principals == ()
    assert (len(pauses), script.calls) == (1, ["GetAccountAuthorizationDetails"] * 2)


def test_a_policy_that_is_in_no_page_and_may_not_be_read_has_no_document(script, scripted):
    script.answer("GetAccountAuthorizationDetails", PAGES[0].replace(">true<", ">false<"))
    script.refuse("GetPolicy", "AccessDenied", "no", status=403)
    [ada] = scripted.access.iam().principals
    assert [(policy.name, policy.document) for policy in ada.policies] == [
        ("arn:aws:iam::aws:policy/A", None),
        ("policies of the group crew", None),
    ]


@pytest.mark.parametrize(
    ("operation", "ask"),
    [
        ("GetAccountAuthorizationDetails", lambda access: access.iam()),
        ("ListGrants", lambda access: access.grants(KEY)),
        ("GetKeyLastUsage", lambda access: access.last_use(KEY)),
        ("LookupEvents", lambda access: access.events(KEY, since=NOW)),
        ("ListAccessKeys", lambda access: access.access_keys("ada", now=NOW)),
    ],
)
def test_a_denial_is_raised_and_never_an_empty_answer(script, scripted, operation, ask):
    script.refuse(operation, "AccessDeniedException", "no", status=400)
    with pytest.raises(PermissionDenied):
        ask(scripted.access)


# KMS.


def test_grants_are_read_to_the_last_page(script, scripted):
    grant = {"GrantId": "b", "GranteePrincipal": ADA, "Operations": ["Encrypt", "Decrypt"], "CreationDate": 1750000000}
    more = {
        "GrantId": "a",
        "GranteePrincipal": "rds.amazonaws.com",
        "Operations": ["Decrypt"],
        "Constraints": {"EncryptionContextSubset": {"app": "x"}},
        "RetiringPrincipal": ADA,
    }
    script.answer_in_turn(
        "ListGrants",
        json.dumps({"Grants": [grant], "Truncated": True, "NextMarker": "m"}),
        json.dumps({"Grants": [more], "Truncated": False}),
    )
    first, second = scripted.access.grants(KEY)
    assert (first.id, first.grantee, first.constraints, first.retiring) == (
        "a",
        "rds.amazonaws.com",
        ("EncryptionContextSubset app=x",),
        ADA,
    )
    assert (second.operations, second.made, second.key_arn) == (
        ("Decrypt", "Encrypt"),
        datetime.fromtimestamp(1750000000, UTC),
        KEY,
    )


def test_a_key_that_was_used_tells_when_and_how(script, scripted):
    used = {"Operation": "Decrypt", "Timestamp": 1750000000}
    script.answer("GetKeyLastUsage", json.dumps({"KeyId": KEY, "KeyLastUsage": used, "TrackingStartDate": 1700000000}))
    assert scripted.access.last_use(KEY) == KeyUse(
        at=datetime.fromtimestamp(1750000000, UTC),
        operation="Decrypt",
        tracked_since=datetime.fromtimestamp(1700000000, UTC),
    )


def test_a_key_that_was_not_used_tells_since_when_that_is_known(script, scripted):
    script.answer("GetKeyLastUsage", json.dumps({"KeyId": KEY, "TrackingStartDate": 1700000000}))
    use = scripted.access.last_use(KEY)
    assert (use.at, use.operation, use.tracked_since is not None) == (None, None, True)


# The event history.


def event(name: str, identity: dict[str, Any], *, at: int = 1750000000, error: str | None = None) -> dict[str, Any]:
    told = {"userIdentity": identity, **({"errorCode": error} if error else {})}
    return {"EventName": name, "EventTime": at, "CloudTrailEvent": json.dumps(told)}


SESSION = {
    "type": "AssumedRole",
    "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/app/ada",
    "sessionContext": {"sessionIssuer": {"arn": ROLE}},
}
USER = {"type": "IAMUser", "arn": ADA}


def test_uses_and_refusals_are_counted_for_each_and_sessions_for_their_role(script, scripted):
    events = [
        event("Decrypt", SESSION, at=1750000300),
        event("GenerateDataKey", {**SESSION, "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/app/bob"}),
        event("Decrypt", USER, error="AccessDenied"),
        event("DescribeKey", USER),
        event("Decrypt", USER, error="InvalidCiphertextException"),
    ]
    script.answer("LookupEvents", json.dumps({"Events": events}))
    history, told = scripted.access.events(KEY, since=NOW)
    assert told == (
        KeyEvents(principal=ROLE, uses=2, last_use=datetime.fromtimestamp(1750000300, UTC)),
        KeyEvents(principal=ADA, refused=1),
    )
    assert (history.events, history.since, history.is_cut_off) == (5, NOW, False)


def test_the_history_is_asked_for_the_key_since_the_windows_begin(script, scripted):
    script.answer("LookupEvents", json.dumps({"Events": []}))
    scripted.access.events(KEY, since=NOW)
    [asked] = script.requests
    assert asked["LookupAttributes"] == [{"AttributeKey": "ResourceName", "AttributeValue": KEY}]
    assert asked["StartTime"] == NOW.timestamp()


def test_pages_are_read_on_with_a_pause_between(script, scripted):
    script.answer_in_turn(
        "LookupEvents",
        json.dumps({"Events": [event("Decrypt", USER)], "NextToken": "t"}),
        json.dumps({"Events": [{**event("Decrypt", USER), "EventId": "2"}]}),
    )
    pauses: list[float] = []
    session = replace(scripted.access._session, clock=Clock(sleep=pauses.append))
    history, [told] = AccessReader(session).events(KEY, since=NOW)
    assert (told.uses, history.is_cut_off, len(pauses)) == (2, False, 1)
    assert script.requests[1]["NextToken"] == "t"


def test_a_history_without_end_is_cut_off_and_says_so(script, scripted):
    events = ({**event("Decrypt", USER), "EventId": str(number)} for number in range(200))
    pages = (json.dumps({"Events": [event], "NextToken": f"t{event['EventId']}"}) for event in events)
    script.answer_in_turn("LookupEvents", *pages)
    session = replace(scripted.access._session, clock=Clock(sleep=lambda seconds: None))
    history, _ = AccessReader(session).events(KEY, since=NOW)
    assert (history.is_cut_off, history.events, len(script.requests)) == (True, MAX_PAGES, MAX_PAGES)
    assert history.since == datetime.fromtimestamp(1750000000, UTC)


@pytest.mark.parametrize(
    ("identity", "expected"),
    [
        (SESSION, ROLE),
        (USER, ADA),
        ({"type": "Root", "arn": f"arn:aws:iam::{ACCOUNT}:root"}, f"arn:aws:iam::{ACCOUNT}:root"),
        ({"arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/app/ada"}, f"arn:aws:iam::{ACCOUNT}:role/app"),
        ({"type": "AWSService", "invokedBy": "rds.amazonaws.com"}, "rds.amazonaws.com"),
        ({"type": "AWSAccount", "accountId": "999988887777", "principalId": "AIDA:x"}, "999988887777"),
        ({}, "unknown"),
    ],
)
def test_an_event_is_of_a_role_a_user_an_account_or_a_service(identity, expected):
    assert UserIdentity.model_validate(identity).principal == expected


def test_a_verification_is_a_use_that_is_also_counted_separately_whatever_its_credentials(script, scripted):
    by_session = {**SESSION, "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/app/eonpro-proof"}
    by_key = event("Decrypt", USER)
    record = {**json.loads(by_key["CloudTrailEvent"]), "userAgent": "Botocore/1.44 app/eonpro-proof"}
    events = [
        event("Decrypt", by_session),
        event("Decrypt", SESSION),
        {**by_key, "CloudTrailEvent": json.dumps(record)},
    ]
    script.answer("LookupEvents", json.dumps({"Events": events}))
    _, counted = scripted.access.events(KEY, since=NOW)
    assert [(each.uses, each.verifications) for each in counted] == [(2, 1), (1, 1)]


# How somebody signs in.


def test_a_user_is_told_with_its_mfa_its_password_and_its_keys(boto, access):
    iam = boto("iam")
    later = datetime.now(UTC) + timedelta(days=30, hours=1)
    iam.create_user(UserName="ada")
    assert access.sign_in(ADA, now=later) == SignIn(arn=ADA, mfa=False)
    iam.create_login_profile(UserName="ada", Password="not-a-secret-1A")
    made = iam.create_access_key(UserName="ada")["AccessKey"]["AccessKeyId"]
    serial = iam.create_virtual_mfa_device(VirtualMFADeviceName="ada")["VirtualMFADevice"]["SerialNumber"]
    iam.enable_mfa_device(
        UserName="ada", SerialNumber=serial, AuthenticationCode1="123456", AuthenticationCode2="234567"
    )
    told = access.sign_in(ADA, now=later)
    assert (told.mfa, told.has_password, told.password_age_days) == (True, True, 30)
    assert [(key.id, key.age_days) for key in told.access_keys] == [(made, 30)]


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        ({"AccountMFAEnabled": 1}, {"mfa": True, "has_password": True}),
        ({"AccountMFAEnabled": 0, "AccountPasswordPresent": 0}, {"mfa": False, "has_password": False}),
        ({"AccountMFAEnabled": 0, "AccountAccessKeysPresent": 1}, {"has_root_keys": True, "has_password": True}),
    ],
)
def test_the_root_user_is_told_by_the_summary_of_the_account(script, scripted, entries, told):
    members = "".join(f"<entry><key>{key}</key><value>{value}</value></entry>" for key, value in entries.items())
    script.answer(
        "GetAccountSummary",
        "<GetAccountSummaryResponse><GetAccountSummaryResult>"
        f"<SummaryMap>{members}</SummaryMap></GetAccountSummaryResult></GetAccountSummaryResponse>",
    )
    root = f"arn:aws:iam::{ACCOUNT}:root"
    assert scripted.access.sign_in(root, now=NOW) == SignIn(**{"arn": root, "mfa": False, **told})


@pytest.mark.parametrize("operation", ["ListMFADevices", "GetLoginProfile", "ListAccessKeys"])
def test_a_user_of_whom_a_part_cannot_be_read_is_not_told_without_mfa(boto, scripted, script, operation):
    empty = "<IsTruncated>false</IsTruncated>"
    script.answer(
        "ListMFADevices",
        f"<ListMFADevicesResponse><ListMFADevicesResult><MFADevices/>{empty}"
        "</ListMFADevicesResult></ListMFADevicesResponse>",
    )
    script.answer(
        "ListAccessKeys",
        f"<ListAccessKeysResponse><ListAccessKeysResult><AccessKeyMetadata/>{empty}"
        "</ListAccessKeysResult></ListAccessKeysResponse>",
    )
    script.refuse("GetLoginProfile", "NoSuchEntity", status=404)
    assert scripted.access.sign_in(ADA, now=NOW).mfa is False
    script.refuse(operation, "AccessDenied", "no", status=403)
    with pytest.raises(PermissionDenied):
        scripted.access.sign_in(ADA, now=NOW)


def test_a_history_that_names_the_page_that_it_has_just_sent_is_refused_and_not_counted_twice(script, scripted):
    script.answer("LookupEvents", json.dumps({"Events": [], "NextToken": "t"}))
    with pytest.raises(UnreadableAnswer, match="has just sent"):
        list(history_pages(with_pause(scripted, lambda _: None)._session, KEY))
    assert script.calls == ["LookupEvents"] * 2


# AWS account access.

APPLICATION = f"arn:aws:account-access:us-east-1:{ACCOUNT}:application/1"


def entitled(role: str, **principal: str) -> dict[str, Any]:
    return {"entitlement": {"principalRole": {"roleArn": role, "principal": {"identityCenter": principal}}}}


def test_the_people_of_a_role_are_read_to_the_last_page_and_of_that_role_only(script, scripted):
    script.answer("POST /applications-list", {"applications": [{"applicationArn": APPLICATION}]})
    script.answer_in_turn(
        "POST /entitlements-list",
        json.dumps({"entitlements": [entitled(ROLE, userId="u-1"), entitled(ADA, userId="u-2")], "nextToken": "more"}),
        json.dumps({"entitlements": [entitled(ROLE, groupId="g-1"), entitled(ROLE, userId="u-1")]}),
    )
    people = scripted.access.assigned_people(ROLE)
    assert people == ("IAM Identity Center group g-1", "IAM Identity Center user u-1")
    asked = script.requests[-1]
    assert (asked["applicationArn"], asked["filter"]) == (APPLICATION, {"principalRole": {"roleArn": ROLE}})


def test_an_account_that_sees_no_application_does_not_say_that_nobody_is_assigned(script, scripted):
    script.answer("POST /applications-list", {"applications": []})
    with pytest.raises(Unsupported, match="shows no application of AWS account access"):
        scripted.access.assigned_people(ROLE)


def test_people_who_may_not_be_read_are_a_denial(script, scripted):
    denial = {"message": "no"}
    script.answer("POST /applications-list", denial, status=403, headers={"x-amzn-ErrorType": "AccessDeniedException"})
    with pytest.raises(PermissionDenied):
        scripted.access.assigned_people(ROLE)
