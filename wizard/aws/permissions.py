"""IAM's policies: what one says, and what the simulator says they allow, where it is to be had.

Asks IAM; changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from components.settings import Settings
from wizard.aws import kms
from wizard.aws.auth.session import Session
from wizard.aws.iam import identify
from wizard.core.errors import PermissionDenied, ResourceError, Unsupported
from wizard.core.models.account import Identity, Principal
from wizard.core.models.delivery import Simulation
from wizard.core.models.discovery import PermissionsFact, QuotaFact
from wizard.core.required_permissions.table import RequiredPermission, required


class Permissions:
    """What a principal may do: a `wizard.core.ports.aws.Permissions`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def simulate(self, principal_arn: str, actions: Sequence[str], resource: str) -> Simulation:
        """Whether the principal's own policies, boundary included, allow all the actions on the resource.

        A key policy is no part of what the simulator weighs
        (https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_testing-policies.html).
        """
        try:
            weighed = _weigh(self._session, principal_arn, actions, resource)
        except (Unsupported, PermissionDenied, ResourceError) as error:
            return Simulation(allowed=None, detail=f"the policy simulator could not be asked: {error.message}")
        if weighed.denied:
            denied = ", ".join(weighed.denied)
            return Simulation(
                allowed=False, detail=f"the policies of {principal_arn} do not allow {denied} on {resource}"
            )
        if weighed.unclear:
            unclear = ", ".join(weighed.unclear)
            return Simulation(
                allowed=None, detail=f"whether {principal_arn} may do {unclear} depends on {', '.join(weighed.context)}"
            )
        return Simulation(
            allowed=True, detail=f"the policies of {principal_arn} allow {', '.join(actions)} on {resource}"
        )

    def check_permissions(self, settings: Settings) -> PermissionsFact:
        """What the caller may do of the set-up: by IAM's simulator, and by a dry run where the stack's key is there.

        Each action is weighed on the resource it is for, so that a caller with narrow policies is not found wanting.
        """
        if Principal(arn=identify(self._session).principal_arn).kind == "root":
            return PermissionsFact()
        needs = required(settings, identify(self._session).principal_arn)
        weighed, tried = self._session.together(
            lambda: _weigh_all(self._session, identify(self._session), needs),
            lambda: kms.weigh_data_key(self._session, settings.names.alias),
        )
        denied, unknown, why = weighed
        if tried is kms.DryRun.ALLOWED:
            # KMS weighs the key's own policy too, so that its word goes before the simulator's.
            denied, unknown = denied - {MAKE_DATA_KEY}, unknown - {MAKE_DATA_KEY}
            why = why if unknown else []
        elif tried is kms.DryRun.FORBIDDEN:
            denied, unknown = denied | {MAKE_DATA_KEY}, unknown - {MAKE_DATA_KEY}
        elif tried is kms.DryRun.REFUSED and MAKE_DATA_KEY not in denied:
            # The policy of a key that was created manually says so; the set-up puts another on it.
            unknown = unknown | {MAKE_DATA_KEY}
            why = [*why, f"the policy of the key behind {settings.names.alias} refuses it as it is today"]
        return PermissionsFact(denied=tuple(sorted(denied)), unknown=tuple(sorted(unknown)), why_unknown="; ".join(why))


@dataclass(frozen=True, kw_only=True)
class _Weighed:
    denied: tuple[str, ...]
    unclear: tuple[str, ...]
    """Not allowed as asked, but a condition's key was unknown: with MFA, from another network, it may be."""
    context: tuple[str, ...]


def _weigh(
    session: Session,
    principal_arn: str,
    actions: Sequence[str],
    resource: str,
    context: Mapping[str, str] = MappingProxyType({}),
) -> _Weighed:
    entries = [
        {"ContextKeyName": key, "ContextKeyType": "string", "ContextKeyValues": [value]}
        for key, value in context.items()
    ]
    results = {
        str(result["EvalActionName"]).lower(): result
        for result in session.pages(
            "iam",
            "SimulatePrincipalPolicy",
            "EvaluationResults",
            PolicySourceArn=principal_arn,
            ActionNames=list(actions),
            ResourceArns=[resource],
            **({"ContextEntries": entries} if entries else {}),
        )
    }
    refused = {
        action: tuple(results.get(action.lower(), {}).get("MissingContextValues", ()))
        for action in actions
        if results.get(action.lower(), {}).get("EvalDecision") != "allowed"
    }
    return _Weighed(
        denied=tuple(action for action, missing in refused.items() if not missing),
        unclear=tuple(action for action, missing in refused.items() if missing),
        context=tuple(sorted({key for missing in refused.values() for key in missing})),
    )


MAKE_DATA_KEY = "kms:GenerateDataKeyWithoutPlaintext"


def _weigh_all(
    session: Session, caller: Identity, needs: Sequence[RequiredPermission]
) -> tuple[frozenset[str], frozenset[str], list[str]]:
    """What is denied, what is not known, and why not."""

    def weigh(need: RequiredPermission) -> _Weighed:
        context = {"aws:RequestedRegion": need.region, **need.context}
        return _weigh(session, caller.principal_arn, need.actions, need.resource, context)

    try:
        found = session.together(*(lambda need=need: weigh(need) for need in needs))
    except (Unsupported, PermissionDenied, ResourceError) as error:
        everything = frozenset(action for need in needs for action in need.actions)
        return frozenset(), everything, [f"IAM's policy simulator could not be asked: {error.message}"]
    denied = frozenset(action for weighed in found for action in weighed.denied)
    unclear = frozenset(action for weighed in found for action in weighed.unclear) - denied
    context = sorted({key for weighed in found for key in weighed.context})
    return denied, unclear, [f"it depends on {', '.join(context)}"] if unclear else []


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
