"""The account's limits that the set-up takes a share of: how much is used, and how much more is needed.

Asks CloudTrail, IAM, S3 and Service Quotas, side by side; changes nothing. What cannot be asked for is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from components.settings import Settings
from wizard.aws.auth.session import Session
from wizard.aws.iam import identify
from wizard.core.errors import PermissionDenied, ResourceError, Unsupported
from wizard.core.models.account import Identity
from wizard.core.models.discovery import QuotaFact
from wizard.core.required_permissions.table import required

TRAILS = 5
"""For each Region, and never more; a trail of every Region counts in each.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/WhatIsCloudTrail-Limits.html
"""

BUCKETS = 10_000
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/BucketRestrictions.html"""

PROVIDERS = 100
"""https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""

_HOME = {"aws": "us-east-1", "aws-us-gov": "us-gov-west-1", "aws-cn": "cn-northwest-1"}
"""Where Service Quotas knows those of IAM and S3, which belong to no Region."""


@dataclass(frozen=True, kw_only=True)
class _QuotaKind:
    """One kind of thing in IAM, as the account's summary counts it."""

    what: str
    create: str
    used: str
    limit: str
    look: str
    """The operation that finds one by its name or ARN."""
    parameter: str
    code: str | None
    """Of the quota; None for one that cannot be raised."""


_IAM = (
    _QuotaKind(
        what="IAM roles",
        create="iam:CreateRole",
        used="Roles",
        limit="RolesQuota",
        look="GetRole",
        parameter="RoleName",
        code="L-FE177D64",
    ),
    _QuotaKind(
        what="customer managed IAM policies",
        create="iam:CreatePolicy",
        used="Policies",
        limit="PoliciesQuota",
        look="GetPolicy",
        parameter="PolicyArn",
        code="L-E95E4862",
    ),
    _QuotaKind(
        what="IAM users",
        create="iam:CreateUser",
        used="Users",
        limit="UsersQuota",
        look="GetUser",
        parameter="UserName",
        code=None,
    ),
)

_PROVIDERS_CODE, _BUCKETS_CODE = "L-858F3967", "L-DC2B2D3D"

Made = Mapping[str, frozenset[str]]
"""What the set-up makes: the action → the ARNs."""


class ServiceQuotas:
    """The account's limits: a `wizard.core.ports.aws.ServiceQuotas`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def check_quotas(self, settings: Settings) -> tuple[QuotaFact, ...]:
        """The limits of which the set-up takes a share; none for what it makes nothing of, or what is there already."""
        made = _made(settings, identify(self._session))
        buckets = made.get("s3:CreateBucket")
        home = self._session.with_region(_HOME.get(settings.partition, settings.region))
        trails, summary, owned, limit = self._session.together(
            lambda: _asked(lambda: _trails(self._session)) if "cloudtrail:CreateTrail" in made else None,
            lambda: _asked(lambda: self._session.call("iam", "GetAccountSummary")["SummaryMap"]),
            lambda: _asked(lambda: _buckets(self._session)) if buckets else None,
            lambda: _asked(lambda: _applied(home, "s3", _BUCKETS_CODE)) if buckets else None,
        )
        found = [
            None if trails is None else _trail_quota(settings, trails, made),
            *([] if summary is None else [_iam_quota(self._session, settings, kind, summary, made) for kind in _IAM]),
            None if summary is None else _provider_quota(self._session, settings, summary, made),
            None if owned is None else _bucket_quota(settings, owned, int(limit or BUCKETS), made),
        ]
        return tuple(fact for fact in found if fact is not None and fact.needed)


def _made(settings: Settings, caller: Identity) -> Made:
    found: dict[str, frozenset[str]] = {}
    for need in required(settings, caller.principal_arn):
        for action in need.actions:
            found[action] = found.get(action, frozenset()) | {need.resource}
    return found


def _asked(call: Callable[[], Any]) -> Any | None:
    # A limit that nobody tells is no finding: AWS itself will say when it is met.
    try:
        return call()
    except (PermissionDenied, Unsupported, ResourceError):
        return None


def _trails(session: Session) -> list[str]:
    """Those that count in this Region, by ARN: its own, and the shadows of trails of every Region."""
    trails = session.call("cloudtrail", "DescribeTrails", includeShadowTrails=True)["trailList"]
    return [str(trail["TrailARN"]) for trail in trails]


def _buckets(session: Session) -> frozenset[str]:
    # In pages, without which AWS does not answer an account that may have more than 10,000.
    pages = session.pages("s3", "ListBuckets", "Buckets", PaginationConfig={"PageSize": BUCKETS})
    return frozenset(str(bucket["Name"]) for bucket in pages)


def _applied(session: Session, service: str, code: str) -> float:
    return float(
        session.call("service-quotas", "GetServiceQuota", ServiceCode=service, QuotaCode=code)["Quota"]["Value"]
    )


def _trail_quota(settings: Settings, trails: list[str], made: Made) -> QuotaFact:
    return QuotaFact(
        what=f"trails in {settings.region}",
        used=len(trails),
        limit=TRAILS,
        needed=len(made["cloudtrail:CreateTrail"] - set(trails)),
        next=f"aws cloudtrail describe-trails --region {settings.region}   # then delete one, or use one: --trail ARN",
    )


def _bucket_quota(settings: Settings, owned: frozenset[str], limit: int, made: Made) -> QuotaFact:
    names = {arn.partition(":::")[2] for arn in made["s3:CreateBucket"]}
    needed = len(names - owned)
    return QuotaFact(
        what="S3 buckets",
        used=len(owned),
        limit=limit,
        needed=needed,
        next=_raise("s3", _BUCKETS_CODE, len(owned) + needed, settings),
    )


def _iam_quota(
    session: Session, settings: Settings, kind: _QuotaKind, summary: Mapping[str, int], made: Made
) -> QuotaFact | None:
    wanted = made.get(kind.create, frozenset())
    if kind.used not in summary or kind.limit not in summary:
        return None
    used, limit = int(summary[kind.used]), int(summary[kind.limit])
    needed = len(wanted)
    if used + needed > limit:
        # Only now is it worth a look which of them an earlier run, or a hand, has made already.
        needed -= sum(session.together(*(lambda arn=arn: _is_there(session, kind, arn) for arn in wanted)))
    more = _raise("iam", kind.code, used + needed, settings) if kind.code else "aws iam list-users   # then delete some"
    return QuotaFact(what=kind.what, used=used, limit=limit, needed=needed, next=more)


def _is_there(session: Session, kind: _QuotaKind, arn: str) -> bool:
    name = arn if kind.parameter.endswith("Arn") else arn.rpartition("/")[2]
    found = _asked(lambda: session.find("iam", kind.look, absent=("NoSuchEntity",), **{kind.parameter: name}))
    return found is not None


def _provider_quota(session: Session, settings: Settings, summary: Mapping[str, int], made: Made) -> QuotaFact | None:
    wanted = made.get("iam:CreateOpenIDConnectProvider", frozenset())
    if "Providers" not in summary or not wanted:
        return None
    fact = QuotaFact(
        what="OpenID Connect identity providers",
        used=int(summary["Providers"]),
        limit=PROVIDERS,
        needed=len(wanted),
        next="",
    )
    if fact.exceeded:
        # The summary counts those of SAML with them, the limit may have been raised, and ours may be there.
        home = session.with_region(_HOME.get(settings.partition, settings.region))
        listed, limit = session.together(
            lambda: _asked(lambda: session.call("iam", "ListOpenIDConnectProviders")["OpenIDConnectProviderList"]),
            lambda: _asked(lambda: _applied(home, "iam", _PROVIDERS_CODE)),
        )
        if listed is None:
            return None
        arns = {str(provider["Arn"]) for provider in listed}
        fact = replace(fact, used=len(arns), limit=int(limit or PROVIDERS), needed=len(wanted - arns))
    return replace(fact, next=_raise("iam", _PROVIDERS_CODE, fact.used + fact.needed, settings))


def _raise(service: str, code: str, value: int, settings: Settings) -> str:
    region = _HOME.get(settings.partition, settings.region)
    return (
        f"aws service-quotas request-service-quota-increase --region {region}"
        f" --service-code {service} --quota-code {code} --desired-value {value}"
    )
