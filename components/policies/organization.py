"""The pair of policies with which an organization protects the keys, audit trails and stored data keys of its accounts.

Pure. A service control policy (SCP) limits the principals of the member accounts, their root users too; a resource
control policy (RCP) limits everybody who calls a member account's key, bucket or secret. RCPs know no CloudTrail and no
Parameter Store. Neither limits service-linked roles; an SCP does not limit the management account or an AWS service.
https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps.html
https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from components.policies.documents import Policy, Statement, policy
from components.policies.evaluation.conditions import Context
from components.policies.evaluation.statements import Request, match_statement
from components.policies.statements import statements_of
from components.settings.stored_values import STORED_VALUES

LONGEST_POLICY = 5120
"""Characters of an SCP or RCP without white space that every organization accepts.

https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html
"""

_OURS = {"StringEquals": {"aws:ResourceTag/Application": "EONPRO"}}
_RECORD_CHANGES = ["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:BypassGovernanceRetention"]


@dataclass(frozen=True, kw_only=True)
class Protection:
    """The resources that the pair protects, and its exceptions: ARNs of principals, or patterns of them."""

    organization_id: str
    administrators: tuple[str, ...]
    """The principals that may change the key, the trail, its buckets and the stored data key."""
    deletion_administrators: tuple[str, ...] = ()
    incident_responders: tuple[str, ...] = ()
    usage_guard_days: int = 90
    partition: str = "aws"

    def _arns(self, service: str, *names: str) -> list[str]:
        place = "::" if service == "s3" else "*:*:"
        return [f"arn:{self.partition}:{service}:{place}{name}" for name in names]

    def service_control_policy(self) -> Policy:
        """Attach it in addition to FullAWSAccess."""
        logs = ("eonpro-cloudtrail-logs-*", "eonpro-access-logs-*")
        stored = [
            *self._arns("ssm", *(f"parameter/eonpro/*/{value.variable}" for value in STORED_VALUES)),
            *self._arns("ssm", *(f"parameter/eonpro/*/{value.versions}/*" for value in STORED_VALUES)),
            *self._arns("secretsmanager", "secret:/eonpro/*"),
        ]
        others = self.administrators
        return policy(
            [
                *self._key_statements(),
                _deny(
                    "KeyChanges",
                    [
                        "kms:PutKeyPolicy",
                        "kms:DisableKeyRotation",
                        "kms:TagResource",
                        "kms:UntagResource",
                        "kms:UpdatePrimaryRegion",
                    ],
                    ["*"],
                    others,
                    _OURS,
                ),
                _deny("Aliases", ["kms:DeleteAlias", "kms:UpdateAlias"], self._arns("kms", "alias/eonpro-*"), others),
                _deny(
                    "Trail",
                    [
                        "cloudtrail:StopLogging",
                        "cloudtrail:DeleteTrail",
                        "cloudtrail:UpdateTrail",
                        "cloudtrail:PutEventSelectors",
                    ],
                    self._arns("cloudtrail", "trail/eonpro-audit-trail*"),
                    others,
                ),
                _deny(
                    "Buckets",
                    [
                        "s3:DeleteBucket",
                        "s3:DeleteBucketPolicy",
                        "s3:PutBucketPolicy",
                        "s3:PutBucketVersioning",
                        "s3:PutBucketPublicAccessBlock",
                        "s3:PutBucketObjectLockConfiguration",
                        "s3:PutEncryptionConfiguration",
                        "s3:PutLifecycleConfiguration",
                    ],
                    self._arns("s3", *logs),
                    others,
                ),
                _deny("Records", _RECORD_CHANGES, self._arns("s3", *(f"{name}/*" for name in logs))),
                _deny(
                    "StoredKeyChanges",
                    ["ssm:PutParameter", "secretsmanager:PutSecretValue", "secretsmanager:UpdateSecret"],
                    stored,
                    others,
                ),
                _deny(
                    "StoredKeyDeletion",
                    ["ssm:DeleteParameter", "ssm:DeleteParameters", "secretsmanager:DeleteSecret"],
                    stored,
                ),
            ]
        )

    def resource_control_policy(self) -> Policy:
        """Attach it in addition to RCPFullAWSAccess, which is always attached."""
        buckets = self._arns("s3", "eonpro-cloudtrail-logs-*", "eonpro-access-logs-*")
        objects = [f"{bucket}/*" for bucket in buckets]
        secrets = self._arns("secretsmanager", "secret:/eonpro/*")
        outside = {
            "StringNotEqualsIfExists": {"aws:PrincipalOrgID": self.organization_id},
            "BoolIfExists": {"aws:PrincipalIsAWSService": "false"},
        }
        # CloudTrail and S3's log delivery are AWS services, which act for this organization.
        for_others = {
            "StringNotEqualsIfExists": {"aws:SourceOrgID": self.organization_id},
            "Null": {"aws:SourceAccount": "false"},
            "Bool": {"aws:PrincipalIsAWSService": "true"},
        }
        statements = [
            *self._key_statements(),
            _deny("KeyOutsiders", ["kms:*"], ["*"], (), {**_OURS, **outside}),
            _deny("Outsiders", ["s3:*", "secretsmanager:*"], [*buckets, *objects, *secrets], (), outside),
            _deny("ServicesForOthers", ["s3:*"], [*buckets, *objects], (), for_others),
            _deny("Records", _RECORD_CHANGES, objects),
            _deny("StoredKeyDeletion", ["secretsmanager:DeleteSecret"], secrets),
        ]
        return policy([{**statement, "Principal": "*"} for statement in statements])

    def _key_statements(self) -> list[Statement]:
        in_use = {**_OURS, "NumericLessThan": {"kms:TrailingDaysWithoutKeyUsage": str(self.usage_guard_days)}}
        deletion, disabling = ["kms:ScheduleKeyDeletion"], ["kms:DisableKey"]
        statements = [_deny("KeyDeletion", deletion, ["*"], self.deletion_administrators, _OURS)]
        if self.usage_guard_days:
            statements += [
                _deny("KeyInUseDeletion", deletion, ["*"], (), in_use),
                _deny("KeyInUseDisabling", disabling, ["*"], self.incident_responders, in_use),
            ]
        return statements

    def decisions(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Each protected action with the decision for each of CALLERS: `may`, or the policy that denies it."""
        scp, rcp = self.service_control_policy(), self.resource_control_policy()
        rows = []
        for action, resource, context in ACTIONS:
            cells = []
            for caller in CALLERS:
                known = {**context, **caller.context(self)}
                request = Request(action=action, resource=resource.format(partition=self.partition), context=known)
                denials = {"SCP": _denial(scp, request) if caller.by_scp else None}
                denials["RCP"] = _denial(rcp, request) if action.startswith(RCP_SERVICES) else None
                cells.append(next((f"{name}: {sid}" for name, sid in denials.items() if sid), "may"))
            rows.append((action, tuple(cells)))
        return tuple(rows)


def _deny(
    sid: str,
    actions: Sequence[str],
    resources: Sequence[str],
    exempt: Sequence[str] = (),
    condition: Mapping[str, Mapping[str, str]] | None = None,
) -> Statement:
    conditions = {**(condition or {}), **({"ArnNotLike": {"aws:PrincipalArn": list(exempt)}} if exempt else {})}
    statement: Statement = {"Sid": sid, "Effect": "Deny", "Action": list(actions), "Resource": list(resources)}
    return {**statement, "Condition": conditions} if conditions else statement


RCP_SERVICES = ("kms:", "s3:", "secretsmanager:")
"""The services of this product whose resources an RCP protects."""


@dataclass(frozen=True, kw_only=True)
class OrganizationCaller:
    """A kind of caller in the table of decisions."""

    name: str
    by_scp: bool
    """Whether an SCP limits it."""
    is_administrator: bool = False
    is_outside: bool = False
    is_service: bool = False

    def context(self, protection: Protection) -> Context:
        """The condition keys of its requests, in lower case; one without a value is absent."""
        if self.is_service:
            absent: dict[str, tuple[str, ...]] = {"aws:principalorgid": (), "aws:principalarn": ()}
            organization = "o-0000000000" if self.is_outside else protection.organization_id
            return {
                **absent,
                "aws:principalisawsservice": ("true",),
                "aws:sourceorgid": (organization,),
                "aws:sourceaccount": ("111122223333",),
            }
        arn = f"arn:{protection.partition}:iam::{'999988887777' if self.is_outside else '111122223333'}:root"
        return {
            "aws:principalisawsservice": ("false",),
            "aws:principalorgid": ("o-0000000000" if self.is_outside else protection.organization_id,),
            # A pattern stands for a role that matches it.
            "aws:principalarn": (protection.administrators[0] if self.is_administrator else arn,),
            "aws:sourceorgid": (),
            "aws:sourceaccount": (),
        }


CALLERS = (
    OrganizationCaller(name="administrator", by_scp=True, is_administrator=True),
    OrganizationCaller(name="anybody else, root too", by_scp=True),
    OrganizationCaller(name="management account", by_scp=False),
    OrganizationCaller(name="outside", by_scp=False, is_outside=True),
    OrganizationCaller(name="AWS service", by_scp=False, is_service=True),
    OrganizationCaller(name="service, for others", by_scp=False, is_service=True, is_outside=True),
)

_KEY = "arn:{partition}:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
_LOGS = "arn:{partition}:s3:::eonpro-cloudtrail-logs-111122223333-us-east-1"
_STORED = "arn:{partition}:ssm:us-east-1:111122223333:parameter/eonpro/production/ENCRYPTED_PHI_KEY"
_SECRET = "arn:{partition}:secretsmanager:us-east-1:111122223333:secret:/eonpro/production/ENCRYPTED_PHI_KEY-AbCdEf"
_TAGGED: Context = {"aws:resourcetag/application": ("EONPRO",), "kms:trailingdayswithoutkeyusage": ("1",)}
ACTIONS: tuple[tuple[str, str, Context], ...] = (
    ("kms:ScheduleKeyDeletion", _KEY, _TAGGED),
    ("kms:DisableKey", _KEY, _TAGGED),
    ("kms:PutKeyPolicy", _KEY, _TAGGED),
    ("kms:Decrypt", _KEY, _TAGGED),
    ("kms:GenerateDataKey", _KEY, _TAGGED),
    ("cloudtrail:StopLogging", "arn:{partition}:cloudtrail:us-east-1:111122223333:trail/eonpro-audit-trail", {}),
    ("s3:PutBucketPolicy", _LOGS, {}),
    ("s3:PutObject", f"{_LOGS}/AWSLogs/1", {}),
    ("s3:GetObject", f"{_LOGS}/AWSLogs/1", {}),
    ("s3:DeleteObjectVersion", f"{_LOGS}/AWSLogs/1", {}),
    ("ssm:PutParameter", _STORED, {}),
    ("ssm:DeleteParameter", _STORED, {}),
    ("secretsmanager:PutSecretValue", _SECRET, {}),
    ("secretsmanager:DeleteSecret", _SECRET, {}),
)
"""The actions of the table of decisions: action, resource, and the known values of the request; the key is in use."""


def _denial(document: Policy, request: Request) -> str | None:
    """The Sid of the first statement that denies a request for certain."""
    for statement in statements_of(document):
        match = match_statement(statement, request, source=statement.sid)
        if match is not None and not match.terms:
            return match.source
    return None
