"""The account's limits: what is used of them, and how much more the set-up takes."""

from __future__ import annotations

import pytest

from tests.wizard.fakes.clients import advice_of
from wizard.core.models.account import QuotaFact

ACCOUNT = "123456789012"
IAM = f"arn:aws:iam::{ACCOUNT}"
PLAIN = {"access_logging": False, "alerts": False, "deploy_targets": ["vercel"]}
THEIR_TRAIL = {"existing_trail_arn": f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/theirs", "trail_bucket": "theirs"}


def summary(**numbers: int) -> str:
    found = {
        **{"Roles": 40, "RolesQuota": 1000, "Policies": 7, "PoliciesQuota": 1500, "Users": 3, "UsersQuota": 5000},
        **{"Providers": 1},
        **numbers,
    }
    entries = "".join(f"<entry><key>{key}</key><value>{value}</value></entry>" for key, value in found.items())
    return (
        f"<GetAccountSummaryResponse><GetAccountSummaryResult><SummaryMap>{entries}</SummaryMap>"
        "</GetAccountSummaryResult></GetAccountSummaryResponse>"
    )


def trails(*names: str) -> dict[str, object]:
    arns = [f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/{name}" for name in names]
    return {"trailList": [{"Name": arn.rpartition("/")[2], "TrailARN": arn, "S3BucketName": "b"} for arn in arns]}


def buckets(*names: str) -> str:
    members = "".join(f"<Bucket><Name>{name}</Name></Bucket>" for name in names)
    return f"<ListAllMyBucketsResult><Buckets>{members}</Buckets></ListAllMyBucketsResult>"


LIST_BUCKETS = "GET /?max-buckets=10000"


@pytest.fixture
def account(script):
    """An account with some of everything, whose limit of buckets was raised."""
    script.say_who()
    script.answer("DescribeTrails", trails("theirs", "of-every-region"))
    script.answer("GetAccountSummary", summary())
    script.answer(LIST_BUCKETS, buckets("a", "b", "c"))
    script.answer("GetServiceQuota", {"Quota": {"Value": 20000.0}})
    return script


def by_name(facts: tuple[QuotaFact, ...]) -> dict[str, tuple[int, int, int]]:
    return {fact.what: (fact.used, fact.limit, fact.needed) for fact in facts}


def test_each_limit_is_told_with_what_is_used_and_what_is_needed(account, scripted, settings):
    assert by_name(scripted.service_quotas.check_quotas(settings)) == {
        "trails in us-east-1": (2, 5, 1),
        "IAM roles": (40, 1000, 2),
        "customer managed IAM policies": (7, 1500, 2),
        "OpenID Connect identity providers": (1, 100, 1),
        "S3 buckets": (3, 20000, 2),
    }


def test_four_calls_are_enough(account, scripted, settings):
    scripted.identify()
    account.calls.clear()
    scripted.service_quotas.check_quotas(settings)
    assert sorted(account.calls) == ["DescribeTrails", LIST_BUCKETS, "GetAccountSummary", "GetServiceQuota"]


def test_the_limit_of_buckets_is_asked_where_alone_it_is_known(account, scripted, settings_of):
    scripted.with_region("eu-west-1").service_quotas.check_quotas(settings_of(region="eu-west-1"))
    (asked,) = [headers for headers, form in zip(account.headers, account.requests, strict=True) if "QuotaCode" in form]
    assert "/us-east-1/servicequotas/" in asked["Authorization"]


NEEDED = [
    ({"vercel_access": "user", **PLAIN}, "IAM users", 1),
    ({"vercel_access": "user", **PLAIN}, "IAM roles", None),
    ({"vercel_access": "user", **PLAIN}, "OpenID Connect identity providers", None),
    (THEIR_TRAIL, "trails in us-east-1", None),
    (THEIR_TRAIL, "S3 buckets", None),
    (PLAIN, "S3 buckets", 1),
    (PLAIN, "IAM roles", 1),
    ({"cloudwatch_logs": True}, "IAM roles", 3),
    ({"app_principal_arn": f"{IAM}:role/theirs", **PLAIN}, "IAM roles", None),
    ({"adopted": ["trail=eonpro-audit-trail"]}, "trails in us-east-1", None),
]


@pytest.mark.parametrize(("changes", "what", "needed"), NEEDED)
def test_what_is_needed_follows_from_the_settings(account, scripted, settings_of, changes, what, needed):
    found = by_name(scripted.service_quotas.check_quotas(settings_of(**changes)))
    assert found.get(what, (0, 0, None))[2] == needed


def test_what_is_there_under_the_stacks_names_is_not_needed(account, scripted, settings):
    account.answer("DescribeTrails", trails("eonpro-audit-trail", "1", "2", "3", "4"))
    account.answer(
        LIST_BUCKETS,
        buckets(f"eonpro-cloudtrail-logs-{ACCOUNT}-us-east-1", f"eonpro-access-logs-{ACCOUNT}-us-east-1"),
    )
    assert not {"trails in us-east-1", "S3 buckets"} & by_name(scripted.service_quotas.check_quotas(settings)).keys()


# --- met ----------------------------------------------------------------------------------------------------------


def exceeded(facts: tuple[QuotaFact, ...]) -> dict[str, str]:
    return {fact.what: fact.next for fact in facts if fact.exceeded}


def test_a_fifth_trail_fits_and_a_sixth_does_not(account, scripted, settings):
    account.answer("DescribeTrails", trails("1", "2", "3", "4"))
    assert exceeded(scripted.service_quotas.check_quotas(settings)) == {}
    account.answer("DescribeTrails", trails("1", "2", "3", "4", "5"))
    (told,) = exceeded(scripted.service_quotas.check_quotas(settings)).items()
    assert told[0] == "trails in us-east-1"
    assert "--trail ARN" in advice_of(told[1]) and told[1].startswith("aws cloudtrail describe-trails")


def test_a_limit_that_can_be_raised_is_told_with_the_command_and_the_number(account, scripted, settings):
    account.answer("GetAccountSummary", summary(Roles=999))
    account.refuse("GetRole", "NoSuchEntity", status=404)
    assert exceeded(scripted.service_quotas.check_quotas(settings)) == {
        "IAM roles": "aws service-quotas request-service-quota-increase --region us-east-1"
        " --service-code iam --quota-code L-FE177D64 --desired-value 1001"
    }


def test_a_role_that_an_earlier_run_made_takes_no_more_room(account, scripted, settings):
    account.answer("GetAccountSummary", summary(Roles=1000))
    account.answer(
        "GetRole",
        "<GetRoleResponse><GetRoleResult><Role><Arn>a</Arn><RoleName>r</RoleName><Path>/</Path><RoleId>i</RoleId>"
        "<CreateDate>2026-01-01T00:00:00Z</CreateDate></Role></GetRoleResult></GetRoleResponse>",
    )
    assert "IAM roles" not in by_name(scripted.service_quotas.check_quotas(settings))


def test_identity_providers_of_saml_are_not_counted_when_it_matters(account, scripted, settings):
    account.answer("GetAccountSummary", summary(Providers=140))
    listed = "".join(f"<member><Arn>{IAM}:oidc-provider/p{number}</Arn></member>" for number in range(60))
    account.answer(
        "ListOpenIDConnectProviders",
        "<ListOpenIDConnectProvidersResponse><ListOpenIDConnectProvidersResult><OpenIDConnectProviderList>"
        f"{listed}</OpenIDConnectProviderList></ListOpenIDConnectProvidersResult></ListOpenIDConnectProvidersResponse>",
    )
    account.refuse("GetServiceQuota", "AccessDeniedException")
    assert by_name(scripted.service_quotas.check_quotas(settings))["OpenID Connect identity providers"] == (60, 100, 1)


# --- not told -----------------------------------------------------------------------------------------------------


def test_without_service_quotas_the_documented_limit_of_buckets_counts(account, scripted, settings):
    account.refuse("GetServiceQuota", "AccessDeniedException")
    assert by_name(scripted.service_quotas.check_quotas(settings))["S3 buckets"] == (3, 10_000, 2)


@pytest.mark.parametrize(
    ("call", "gone"),
    [
        ("DescribeTrails", {"trails in us-east-1"}),
        ("GetAccountSummary", {"IAM roles", "customer managed IAM policies", "OpenID Connect identity providers"}),
        (LIST_BUCKETS, {"S3 buckets"}),
    ],
)
@pytest.mark.parametrize(("code", "status"), [("AccessDenied", 403), ("NotImplemented", 501)])
def test_what_may_not_be_asked_is_left_out_and_the_rest_is_told(account, scripted, settings, call, gone, code, status):
    everything = by_name(scripted.service_quotas.check_quotas(settings)).keys()
    account.refuse(call, code, status=status)
    assert everything - by_name(scripted.service_quotas.check_quotas(settings)).keys() == gone
