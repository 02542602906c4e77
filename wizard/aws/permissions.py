"""Asks IAM's policy simulator, KMS dry runs and Access Analyzer about permissions and policies; reads quotas.

Asks IAM, Access Analyzer, KMS, Service Quotas, CloudTrail and S3; changes nothing.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from components.policies.stack import PolicyKind, StackPolicy
from components.settings import Settings
from components.settings.arn import Arn
from wizard.aws import kms
from wizard.aws.auth.session import Session
from wizard.aws.auth.session_client import SessionClient, or_none
from wizard.aws.iam import identify
from wizard.aws.simulation import context_of_key, simulate
from wizard.core.errors import PermissionDenied, ResourceError, SetupError, Unsupported, attempted
from wizard.core.models.access import PolicyFinding, PolicyFindingKind, PolicyJudgement, Simulation
from wizard.core.models.account import Identity, PermissionsFact, Principal, QuotaFact
from wizard.core.next_command import Command, shell
from wizard.core.required_permissions.table import RequiredPermission, required, required_to_replace
from wizard.core.retry import MAX_PARALLEL


class Permissions(SessionClient):
    """Reads the permissions of a principal."""

    def simulate(
        self, principal_arn: str, actions: Sequence[str], key_arn: str, *, tags: Mapping[str, str] | None = None
    ) -> Simulation:
        """IAM's decisions on these actions of a principal on a KMS key, as direct calls without encryption context.

        Key policies are not considered. `tags`: of a key that does not exist yet. Raises the errors of `AccessReader`.
        """
        context = context_of_key(self._session, key_arn, tags)
        return simulate(self._session, principal_arn, actions, key_arn, context)

    def check_permissions(self, settings: Settings, *, only: Collection[str] = ()) -> PermissionsFact:
        """Check which of the set-up's actions the caller is allowed, by IAM's simulator, and by a dry run if the key
        exists.

        Each action is simulated on its own resource, so that a caller with narrow policies passes. `only`: these
        actions, of a stack that exists; none: all of them.
        """
        if Principal(arn=identify(self._session).principal_arn).kind == "root":
            return PermissionsFact()
        requirements = required(settings, identify(self._session).principal_arn)
        if only:
            requirements = tuple(requirement for requirement in requirements if {*only} & {*requirement.actions})
            denied, unknown, why = _simulate_all(self._session, identify(self._session), requirements)
            return PermissionsFact(
                denied=tuple(sorted(denied & {*only})),
                unknown=tuple(sorted(unknown & {*only})),
                why_unknown="; ".join(why),
            )
        (denied, unknown, why), dry_run = self._session.together(
            lambda: _simulate_all(self._session, identify(self._session), requirements),
            lambda: kms.simulate_make_data_key(self._session, settings.names.alias),
        )
        if dry_run is kms.DryRun.ALLOWED:
            # KMS evaluates the key policy as well, so its answer counts more than the simulator's.
            denied, unknown = denied - {MAKE_DATA_KEY}, unknown - {MAKE_DATA_KEY}
            why = why if unknown else []
        elif dry_run is kms.DryRun.FORBIDDEN:
            denied, unknown = denied | {MAKE_DATA_KEY}, unknown - {MAKE_DATA_KEY}
        elif dry_run is kms.DryRun.REFUSED and MAKE_DATA_KEY not in denied:
            # The policy of a manually created key says so; the set-up replaces that policy.
            unknown = unknown | {MAKE_DATA_KEY}
            why = [*why, f"the present policy of the key {settings.names.alias} does not allow it"]
        return PermissionsFact(denied=tuple(sorted(denied)), unknown=tuple(sorted(unknown)), why_unknown="; ".join(why))

    def check_replacement(self, settings: Settings) -> PermissionsFact:
        """Check by IAM's simulator whether the caller may replace the stored keys (`policy promotion`)."""
        caller = identify(self._session)
        if Principal(arn=caller.principal_arn).kind == "root":
            return PermissionsFact()
        denied, unknown, why = _simulate_all(self._session, caller, required_to_replace(settings))
        return PermissionsFact(denied=tuple(sorted(denied)), unknown=tuple(sorted(unknown)), why_unknown="; ".join(why))


MAKE_DATA_KEY = "kms:GenerateDataKeyWithoutPlaintext"


def _simulate_all(
    session: Session, caller: Identity, requirements: Sequence[RequiredPermission]
) -> tuple[frozenset[str], frozenset[str], list[str]]:
    """The denied actions, the unknown ones, and the reason."""

    def ask(requirement: RequiredPermission) -> Simulation:
        context = {"aws:RequestedRegion": (requirement.region,), **requirement.context}
        return simulate(session, caller.principal_arn, requirement.actions, requirement.resource, context)

    try:
        simulations = session.together(*(partial(ask, requirement) for requirement in requirements))
    except (Unsupported, PermissionDenied, ResourceError) as error:
        everything = frozenset(action for requirement in requirements for action in requirement.actions)
        return frozenset(), everything, [f"IAM's policy simulator could not be asked: {error.message}"]
    denied = frozenset(action for simulation in simulations for action in simulation.denied)
    unknown = frozenset(action for simulation in simulations for action in simulation.unknown) - denied
    terms = sorted({term for simulation in simulations for term in simulation.depends_on})
    return denied, unknown, [f"it depends on {', '.join(terms)}"] if terms and unknown else []


class PolicyAnalyzer(SessionClient):
    """IAM Access Analyzer, which needs no analyzer for this.

    ValidatePolicy is free, each of the other two checks costs $0.002.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-checks-validating-policies.html
    """

    def judge(self, planned: Sequence[StackPolicy], before: Sequence[StackPolicy]) -> PolicyJudgement:
        """Whether the policies are valid, public, or allow more than those of the same name before. Raises nothing.

        The first of two rounds is small: an endpoint that does not know the call is asked nothing else.
        """
        former = {policy.name: policy.document for policy in before}
        checks: list[Callable[[], list[PolicyFinding]]] = [partial(self._validate, policy) for policy in planned]
        checks += [partial(self._public, policy) for policy in planned if policy.kind is not PolicyKind.IDENTITY]
        checks += [
            partial(self._new, policy, former[policy.name])
            for policy in planned
            if former.get(policy.name, policy.document) != policy.document
        ]
        answers: tuple[list[PolicyFinding] | SetupError, ...] = ()
        begin = max(1, len(checks) - MAX_PARALLEL)
        for part in (checks[:begin], checks[begin:]):
            answers += self._session.together(*(partial(attempted, check) for check in part))
            if isinstance(answers[0], SetupError):
                break
        return PolicyJudgement(
            findings=tuple(one for answer in answers if not isinstance(answer, SetupError) for one in answer),
            not_asked=next((answer.message for answer in answers if isinstance(answer, SetupError)), ""),
        )

    def _validate(self, policy: StackPolicy) -> list[PolicyFinding]:
        of_type = {"validatePolicyResourceType": policy.kind} if policy.kind in _VALIDATED_TYPES else {}
        answers = self._session.pages("accessanalyzer", "ValidatePolicy", "findings", **_document(policy), **of_type)
        return [
            PolicyFinding(
                policy=policy.name,
                kind=PolicyFindingKind[answer["findingType"]],
                text=f"{answer['issueCode']}: {answer['findingDetails']}",
            )
            for answer in answers
            if answer["findingType"] in PolicyFindingKind.__members__
        ]

    def _public(self, policy: StackPolicy) -> list[PolicyFinding]:
        document = _document(policy)["policyDocument"]
        return self._check(
            policy, PolicyFindingKind.PUBLIC, "CheckNoPublicAccess", policyDocument=document, resourceType=policy.kind
        )

    def _new(self, policy: StackPolicy, former: Mapping[str, Any]) -> list[PolicyFinding]:
        document = _document(policy)
        return self._check(
            policy,
            PolicyFindingKind.NEW,
            "CheckNoNewAccess",
            newPolicyDocument=document["policyDocument"],
            existingPolicyDocument=json.dumps(former),
            policyType=document["policyType"],
        )

    def _check(
        self, policy: StackPolicy, kind: PolicyFindingKind, operation: str, **parameters: str
    ) -> list[PolicyFinding]:
        answer = self._session.call("accessanalyzer", operation, **parameters)
        if answer.get("result") == "PASS":
            return []
        if answer.get("result") != "FAIL":
            raise Unsupported(f"access-analyzer:{operation} answered neither PASS nor FAIL", "use another endpoint")
        reasons = [str(reason.get("description")) for reason in answer.get("reasons") or ()]
        return [PolicyFinding(policy=policy.name, kind=kind, text="; ".join(reasons) or str(answer.get("message")))]


_VALIDATED_TYPES = (PolicyKind.BUCKET, PolicyKind.TRUST)
"""Resource types for which ValidatePolicy has its own checks."""


def _document(policy: StackPolicy) -> dict[str, str]:
    kind = "IDENTITY_POLICY" if policy.kind is PolicyKind.IDENTITY else "RESOURCE_POLICY"
    return {"policyDocument": json.dumps(policy.document), "policyType": kind}


TRAILS = 5
"""In each Region, and cannot be raised; a trail of all Regions counts in each.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/WhatIsCloudTrail-Limits.html
"""

BUCKETS = 10_000
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/BucketRestrictions.html"""

PROVIDERS = 100
"""https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""

_HOME = {"aws": "us-east-1", "aws-us-gov": "us-gov-west-1", "aws-cn": "cn-northwest-1"}
"""The Region in which Service Quotas has the quotas of IAM and S3, which are global."""


class _QuotaKind(NamedTuple):
    """A kind of IAM resource, as the account's summary counts it: `used` of `usedQuota`."""

    what: str
    create: str
    used: str
    lookup: str
    """The operation that finds a resource by its name or ARN."""
    parameter: str
    code: str | None
    """Code of the quota; None where it cannot be raised."""


_IAM = (
    _QuotaKind("IAM roles", "iam:CreateRole", "Roles", "GetRole", "RoleName", "L-FE177D64"),
    _QuotaKind("customer managed IAM policies", "iam:CreatePolicy", "Policies", "GetPolicy", "PolicyArn", "L-E95E4862"),
    _QuotaKind("IAM users", "iam:CreateUser", "Users", "GetUser", "UserName", None),
)

_PROVIDERS_CODE, _BUCKETS_CODE = "L-858F3967", "L-DC2B2D3D"

Creations = Mapping[str, frozenset[str]]
"""The ARNs that the set-up creates, by action."""


class ServiceQuotas(SessionClient):
    """The account's limits."""

    def check_quotas(self, settings: Settings) -> tuple[QuotaFact, ...]:
        """The quotas that the set-up needs a part of; none where it creates nothing, or all of it exists already."""
        creations = _creations(settings, identify(self._session))
        buckets = creations.get("s3:CreateBucket")
        home = self._session.with_region(_HOME.get(settings.partition, settings.region))
        # A quota that cannot be read is left out: AWS itself refuses what exceeds it.
        trails, summary, owned, limit = self._session.together(
            lambda: or_none(lambda: _trails(self._session)) if "cloudtrail:CreateTrail" in creations else None,
            lambda: or_none(lambda: self._session.call("iam", "GetAccountSummary")["SummaryMap"]),
            lambda: or_none(lambda: _buckets(self._session)) if buckets else None,
            lambda: or_none(lambda: _applied(home, "s3", _BUCKETS_CODE)) if buckets else None,
        )
        facts = [
            None if trails is None else _trail_quota(settings, trails, creations),
            *(
                []
                if summary is None
                else [_iam_quota(self._session, settings, kind, summary, creations) for kind in _IAM]
            ),
            None if summary is None else _provider_quota(self._session, settings, summary, creations),
            None if owned is None else _bucket_quota(settings, owned, int(limit or BUCKETS), creations),
        ]
        return tuple(fact for fact in facts if fact is not None and fact.needed)


def _creations(settings: Settings, caller: Identity) -> Creations:
    creations: dict[str, frozenset[str]] = {}
    for requirement in required(settings, caller.principal_arn):
        for action in requirement.actions:
            creations[action] = creations.get(action, frozenset()) | {requirement.resource}
    return creations


def _trails(session: Session) -> list[str]:
    """The ARNs of the trails that count in this Region: its own, and those of all Regions."""
    trails = session.call("cloudtrail", "DescribeTrails", includeShadowTrails=True)["trailList"]
    return [str(trail["TrailARN"]) for trail in trails]


def _buckets(session: Session) -> frozenset[str]:
    # In pages: without them AWS refuses an account whose quota is above 10,000.
    pages = session.pages("s3", "ListBuckets", "Buckets", PaginationConfig={"PageSize": BUCKETS})
    return frozenset(str(bucket["Name"]) for bucket in pages)


def _applied(session: Session, service: str, code: str) -> float:
    return float(
        session.call("service-quotas", "GetServiceQuota", ServiceCode=service, QuotaCode=code)["Quota"]["Value"]
    )


def _trail_quota(settings: Settings, trails: list[str], creations: Creations) -> QuotaFact:
    return QuotaFact(
        what=f"trails in {settings.region}",
        used=len(trails),
        limit=TRAILS,
        needed=len(creations["cloudtrail:CreateTrail"] - set(trails)),
        next=shell(
            *("aws", "cloudtrail", "describe-trails", "--region", settings.region),
            advice="then delete one, or use one: --trail ARN",
        ),
    )


def _bucket_quota(settings: Settings, owned: frozenset[str], limit: int, creations: Creations) -> QuotaFact:
    names = {Arn.parse(arn).resource for arn in creations["s3:CreateBucket"]}
    needed = len(names - owned)
    return QuotaFact(
        what="S3 buckets",
        used=len(owned),
        limit=limit,
        needed=needed,
        next=_raise("s3", _BUCKETS_CODE, len(owned) + needed, settings),
    )


def _iam_quota(
    session: Session, settings: Settings, kind: _QuotaKind, summary: Mapping[str, int], creations: Creations
) -> QuotaFact | None:
    arns = creations.get(kind.create, frozenset())
    if kind.used not in summary or f"{kind.used}Quota" not in summary:
        return None
    used, limit = int(summary[kind.used]), int(summary[f"{kind.used}Quota"])
    needed = len(arns)
    if used + needed > limit:
        # Only now does it matter which of them exist already.
        needed -= sum(session.together(*(lambda arn=arn: _exists(session, kind, arn) for arn in arns)))
    more = (
        _raise("iam", kind.code, used + needed, settings)
        if kind.code
        else shell("aws", "iam", "list-users", advice="then delete some")
    )
    return QuotaFact(what=kind.what, used=used, limit=limit, needed=needed, next=more)


def _exists(session: Session, kind: _QuotaKind, arn: str) -> bool:
    name = arn if kind.parameter.endswith("Arn") else Arn.parse(arn).name
    answer = or_none(lambda: session.find("iam", kind.lookup, absent=("NoSuchEntity",), **{kind.parameter: name}))
    return answer is not None


def _provider_quota(
    session: Session, settings: Settings, summary: Mapping[str, int], creations: Creations
) -> QuotaFact | None:
    expected = creations.get("iam:CreateOpenIDConnectProvider", frozenset())
    if "Providers" not in summary or not expected:
        return None
    fact = QuotaFact(
        what="OpenID Connect identity providers",
        used=int(summary["Providers"]),
        limit=PROVIDERS,
        needed=len(expected),
        next="",
    )
    if fact.exceeded:
        # The summary includes SAML providers, the quota may have been raised, and ours may exist already.
        home = session.with_region(_HOME.get(settings.partition, settings.region))
        listed, limit = session.together(
            lambda: or_none(lambda: session.call("iam", "ListOpenIDConnectProviders")["OpenIDConnectProviderList"]),
            lambda: or_none(lambda: _applied(home, "iam", _PROVIDERS_CODE)),
        )
        if listed is None:
            return None
        arns = {str(provider["Arn"]) for provider in listed}
        fact = replace(fact, used=len(arns), limit=int(limit or PROVIDERS), needed=len(expected - arns))
    return replace(fact, next=_raise("iam", _PROVIDERS_CODE, fact.used + fact.needed, settings))


def _raise(service: str, code: str, value: int, settings: Settings) -> Command:
    region = _HOME.get(settings.partition, settings.region)
    quota = ("--service-code", service, "--quota-code", code, "--desired-value", str(value))
    return shell("aws", "service-quotas", "request-service-quota-increase", "--region", region, *quota)
