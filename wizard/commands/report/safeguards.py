"""The guide's eight items as the guide words them, what each is read from, and the sections of the rule it serves.

Pure. The sections are of 45 CFR, https://www.ecfr.gov/current/title-45/part-164/subpart-C.
"""

from __future__ import annotations

from dataclasses import dataclass

from wizard.commands.report.facts import Safeguard


def _section(text: str) -> Safeguard:
    section, _, name = text.partition(" ")
    return Safeguard(section=section, name=name)


_ENCRYPTION = _section("164.312(a)(2)(iv) encryption and decryption")
_ACCESS_CONTROL = _section("164.312(a)(1) access control")
_AUDIT = _section("164.312(b) audit controls")
_INTEGRITY = _section("164.312(c)(1) integrity")
_ACTIVITY_REVIEW = _section("164.308(a)(1)(ii)(D) information system activity review")
_RISK = _section("164.308(a)(1)(ii)(B) risk management")
_SUPERVISION = _section("164.308(a)(3)(ii)(A) authorization and supervision")
_ACCESS_MANAGEMENT = _section("164.308(a)(4)(i) information access management")
_AUTHORIZATION = _section("164.308(a)(4)(ii)(B) access authorization")
_MODIFICATION = _section("164.308(a)(4)(ii)(C) access establishment and modification")
_RECOVERY = _section("164.308(a)(7)(ii)(B) disaster recovery plan")
_BACKUP = _section("164.308(a)(7)(ii)(A) data backup plan")
_EVALUATION = _section("164.308(a)(8) evaluation")
_USERS = _section("164.312(a)(2)(i) unique user identification")
_AUTHENTICATION = _section("164.312(d) person or entity authentication")
_TIME_LIMIT = _section("164.316(b)(2)(i) time limit")
_DOCUMENTATION = _section("164.316(b)(1) documentation")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One item of the guide's list."""

    words: str
    calls: tuple[str, ...]
    """What it is read from: `kms:DescribeKey`."""
    safeguards: tuple[Safeguard, ...]


ITEMS = (
    Asked(
        words="CMK created with appropriate alias",
        calls=("kms:DescribeKey",),
        safeguards=(_ENCRYPTION, _RISK),
    ),
    Asked(
        words="Key policy restricts access",
        calls=("kms:GetKeyPolicy",),
        safeguards=(_ACCESS_CONTROL, _SUPERVISION, _ACCESS_MANAGEMENT),
    ),
    Asked(
        words="IAM policy follows least privilege",
        calls=("iam:GetPolicy", "iam:GetPolicyVersion"),
        safeguards=(_ACCESS_CONTROL, _AUTHORIZATION, _USERS),
    ),
    Asked(
        words="Automatic key rotation enabled",
        calls=("kms:GetKeyRotationStatus",),
        safeguards=(_ENCRYPTION, _RISK),
    ),
    Asked(
        words="CloudTrail logging enabled",
        calls=(
            "cloudtrail:DescribeTrails",
            "cloudtrail:GetTrailStatus",
            "cloudtrail:GetEventSelectors",
            "s3:GetBucketLifecycleConfiguration",
            "s3:GetObjectLockConfiguration",
            "s3:GetBucketVersioning",
            "s3:GetBucketEncryption",
            "s3:GetPublicAccessBlock",
            "s3:GetBucketPolicy",
            "s3:GetBucketLogging",
        ),
        safeguards=(_AUDIT, _INTEGRITY, _ACTIVITY_REVIEW, _TIME_LIMIT),
    ),
    Asked(
        words="ENCRYPTED_PHI_KEY generated and stored securely",
        calls=("ssm:GetParameters", "ssm:ListTagsForResource"),
        safeguards=(_ENCRYPTION, _BACKUP, _RECOVERY),
    ),
    Asked(
        words="Application tested with KMS integration",
        calls=("cloudtrail:LookupEvents",),
        safeguards=(_ENCRYPTION, _AUTHENTICATION, _EVALUATION),
    ),
    Asked(
        words="Key access reviewed quarterly",
        calls=(
            "kms:GetKeyPolicy",
            "kms:ListGrants",
            "iam:GetAccountAuthorizationDetails",
            "iam:ListAccessKeys",
            "cloudtrail:LookupEvents",
        ),
        safeguards=(_ACTIVITY_REVIEW, _MODIFICATION, _EVALUATION, _DOCUMENTATION),
    ),
)
SECRET_CALLS = ("secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue")
"""What the data key is read from where it is in Secrets Manager."""
