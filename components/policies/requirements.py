"""The requirements of the key, the access to it, the audit trail and its bucket: the one list, as data.

Pure. Used by the preflight notes of the plan, the checklist, `doctor` and the report.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from components.policies.safeguards import SAFEGUARDS


class Topic(StrEnum):
    """The items of the compliance checklist, in its order: `setup` has the first nine, the report has all."""

    KEY = "Customer managed key with its alias"
    KEY_POLICY = "Key policy restricts access"
    OTHERS = "Rights beyond the policy"
    APPLICATION_POLICY = "IAM policy follows least privilege"
    ROTATION = "Automatic key rotation"
    TRAIL = "CloudTrail logging"
    DATA_KEY = "ENCRYPTED_PHI_KEY generated and stored"
    APPLICATION = "Application tested with KMS"
    REVIEW = "Key access reviewed quarterly"
    BACKUP = "Data key backed up, and the backup opened"
    LOGS = "Audit logs as CloudTrail signed them"
    SIGN_IN = "MFA and recent access keys"
    ALERTS = "Alerts sent and received"
    DOCUMENTS = "Documents in S3 encrypted and private"
    """Only of a stack whose settings name buckets of documents."""


_NOT_FINAL = "RIN 0945-AA22, not final"
PROPOSED = MappingProxyType(
    {
        Topic.KEY: f"{_NOT_FINAL}: would require encryption of all ePHI at rest and in transit: no longer addressable",
        Topic.KEY_POLICY: f"{_NOT_FINAL}: would require multi-factor authentication for whoever administers the key",
        Topic.DATA_KEY: f"{_NOT_FINAL}: would require an inventory of the systems with ePHI every 12 months",
        Topic.REVIEW: f"{_NOT_FINAL}: would require an audit of compliance every 12 months",
        Topic.BACKUP: f"{_NOT_FINAL}: would require a written procedure that restores the data within 72 hours",
    }
)
"""Additional demands of the rule proposed on 6 January 2025 (RIN 0945-AA22), by item.

It is not final and decides no state. https://www.federalregister.gov/documents/2025/01/06/2024-30983
"""


@dataclass(frozen=True, kw_only=True)
class Requirement:
    id: str
    topic: Topic
    text: str
    """The requirement, as a sentence."""
    sections: tuple[str, ...]
    """Keys of `SAFEGUARDS`."""
    label: str = ""
    """A few words for a list of met requirements of the trail and its bucket."""
    met: str = ""
    """The words for a met requirement, after the name of the trail or the bucket."""
    gap: str = ""
    """The words for a requirement that is not met, after the name of the trail or the bucket; they may have `{days}`.
    """
    reason: str = ""
    """Why it matters."""
    prowler: tuple[str, ...] = ()
    """Ids of prowler's checks for the same requirement (https://hub.prowler.com)."""
    optional: bool = False
    """Whether it applies only where the settings ask for it."""


_UNRECORDED = "without it nobody can say who used the key, and when"

REQUIREMENTS = (
    Requirement(
        id="key-enabled",
        topic=Topic.KEY,
        text="The key is enabled, encrypts symmetrically, and has the alias of the environment.",
        sections=("164.312(a)(2)(iv)", "164.308(a)(1)(ii)(B)"),
        prowler=("kms_cmk_are_used", "kms_cmk_not_multi_region"),
    ),
    Requirement(
        id="key-deletion-window",
        topic=Topic.KEY,
        text="A KMS key that is scheduled for deletion can be restored for 30 days.",
        sections=("164.308(a)(1)(ii)(B)",),
        prowler=("kms_cmk_not_deleted_unintentionally",),
    ),
    Requirement(
        id="key-policy",
        topic=Topic.KEY_POLICY,
        text="Policies name the principals that they allow, without wildcards.",
        sections=("164.312(a)(1)", "164.308(a)(3)(ii)(A)", "164.308(a)(4)(i)"),
        prowler=("kms_key_not_publicly_accessible",),
    ),
    Requirement(
        id="key-use-by-others",
        topic=Topic.OTHERS,
        text="Nobody has a right on the key that the settings do not give, unless a signed review accepts it.",
        sections=("164.312(a)(1)", "164.308(a)(3)(ii)(A)", "164.308(a)(4)(ii)(B)", "164.308(a)(4)(ii)(C)"),
    ),
    Requirement(
        id="application-policy",
        topic=Topic.APPLICATION_POLICY,
        text="The application's policy allows the actions that its code uses, on this key, and nothing else.",
        sections=("164.312(a)(1)", "164.308(a)(4)(ii)(B)", "164.312(a)(2)(i)"),
        prowler=("iam_policy_no_full_access_to_kms", "iam_customer_attached_policy_no_administrative_privileges"),
    ),
    Requirement(
        id="key-rotation",
        topic=Topic.ROTATION,
        text="KMS keys rotate automatically, every 90 to 2,560 days.",
        sections=("164.312(a)(2)(iv)", "164.308(a)(1)(ii)(B)"),
        prowler=("kms_cmk_rotation_enabled",),
    ),
    Requirement(
        id="trail-logging",
        topic=Topic.TRAIL,
        text="The audit trail is on.",
        sections=("164.312(b)", "164.308(a)(1)(ii)(D)"),
        label="logging",
        met="is logging",
        gap="it is stopped",
        reason=f"GetTrailStatus says so; {_UNRECORDED}",
        prowler=("cloudtrail_multi_region_enabled",),
    ),
    Requirement(
        id="trail-all-regions",
        topic=Topic.TRAIL,
        text="The audit trail records all Regions.",
        sections=("164.312(b)",),
        label="all Regions",
        met="records all Regions",
        gap="it records one Region only",
        reason="a key used from another Region, and what is done there, would leave no trace",
    ),
    Requirement(
        id="trail-global-events",
        topic=Topic.TRAIL,
        text="The audit trail records the global services, IAM included.",
        sections=("164.312(b)",),
        label="global services",
        met="records the global services, IAM included",
        gap="it does not record the global services, IAM included",
        reason="changes of IAM, and so of the access to the key, would leave no trace",
    ),
    Requirement(
        id="trail-validation",
        topic=Topic.TRAIL,
        text="The audit trail validates its log files.",
        sections=("164.312(c)(1)",),
        label="log file validation",
        met="signs its log files, so that they can be validated",
        gap="its log files cannot be validated",
        reason="nobody could show that no log file was changed or deleted",
        prowler=("cloudtrail_log_file_validation_enabled",),
    ),
    Requirement(
        id="trail-kms-events",
        topic=Topic.TRAIL,
        text="The audit trail records every use of the key.",
        sections=("164.312(b)", "164.308(a)(1)(ii)(D)"),
        label="KMS events",
        met="records the events of KMS",
        gap="it does not record the events of KMS",
        reason=f"GetEventSelectors says so; {_UNRECORDED}",
        prowler=("cloudtrail_multi_region_enabled_logging_management_events",),
    ),
    Requirement(
        id="trail-encryption",
        topic=Topic.TRAIL,
        text="A KMS key encrypts the audit logs.",
        sections=("164.312(a)(2)(iv)",),
        reason="with read access to the bucket alone the logs could be read; the settings ask for a key as well",
        prowler=("cloudtrail_kms_encryption_enabled",),
        optional=True,
    ),
    Requirement(
        id="trail-cloudwatch",
        topic=Topic.TRAIL,
        text="The audit trail copies its events to CloudWatch Logs.",
        sections=("164.308(a)(1)(ii)(D)",),
        prowler=("cloudtrail_cloudwatch_logging_enabled",),
        optional=True,
    ),
    Requirement(
        id="alerts",
        topic=Topic.ALERTS,
        text="An alert is sent when the key, the access to it, the stored data key, the audit trail or an alert is "
        "changed.",
        sections=("164.308(a)(6)(ii)",),
        reason="nobody would notice a change of the key, of the access to it or of the trail",
        optional=True,
    ),
    Requirement(
        id="bucket-private",
        topic=Topic.TRAIL,
        text="Buckets block public access, and nobody beyond the settings can read, change or delete audit records.",
        sections=("164.312(b)",),
        label="bucket private",
        met="blocks all public access",
        gap="its bucket does not block public access",
        reason="a policy or an ACL could make the logs public",
        prowler=("cloudtrail_logs_s3_bucket_is_not_publicly_accessible",),
    ),
    Requirement(
        id="bucket-versioned",
        topic=Topic.TRAIL,
        text="Buckets have versioning.",
        sections=("164.312(c)(1)",),
        label="versioned",
        met="keeps earlier versions",
        gap="its bucket does not keep earlier versions",
        reason="a log that is overwritten or deleted would be lost",
        prowler=("s3_bucket_object_versioning",),
    ),
    Requirement(
        id="bucket-encrypted",
        topic=Topic.TRAIL,
        text="Buckets encrypt by default.",
        sections=("164.312(b)",),
        label="encrypted",
        met="encrypts by default",
        gap="its bucket is not encrypted",
        reason="the logs would be stored in clear text",
        prowler=("s3_bucket_default_encryption",),
    ),
    Requirement(
        id="bucket-retention",
        topic=Topic.TRAIL,
        text="Audit records are retained for at least six years (2,192 days).",
        sections=("164.316(b)(2)(i)",),
        label="retained for at least six years",
        met="keeps its records for six years or longer",
        gap="its logs expire after {days} days, earlier than six years",
        reason="an auditor asks for the records of six years",
    ),
    Requirement(
        id="bucket-tls",
        topic=Topic.TRAIL,
        text="Bucket policies deny plain HTTP and TLS older than 1.2 for everybody.",
        sections=("164.312(b)",),
        label="TLS only",
        met="denies plain HTTP and TLS older than 1.2",
        gap="its bucket allows plain HTTP, or TLS older than 1.2",
        reason="the logs could be read in transit",
        prowler=("s3_bucket_secure_transport_policy",),
    ),
    Requirement(
        id="bucket-lock",
        topic=Topic.TRAIL,
        text="Where audit records are locked, they are locked for at least six years (2,192 days).",
        sections=("164.312(c)(1)",),
        reason="with write access to the bucket a log could be deleted too early",
        prowler=("s3_bucket_object_lock",),
        optional=True,
    ),
    Requirement(
        id="bucket-access-logs",
        topic=Topic.TRAIL,
        text="Requests to the bucket of the audit logs are logged.",
        sections=("164.312(b)",),
        prowler=("cloudtrail_logs_s3_bucket_access_logging_enabled",),
        optional=True,
    ),
    Requirement(
        id="data-key-stored",
        topic=Topic.DATA_KEY,
        text="The wrapped data key is stored once, and every version of it is kept.",
        sections=("164.312(a)(2)(iv)", "164.312(c)(1)"),
    ),
    Requirement(
        id="application-tested",
        topic=Topic.APPLICATION,
        text="The application encrypts and decrypts a record with the key.",
        sections=("164.312(a)(2)(iv)", "164.312(d)", "164.308(a)(8)"),
    ),
    Requirement(
        id="access-review",
        topic=Topic.REVIEW,
        text="A person reviews and signs every quarter who can use and who can administer the key.",
        sections=("164.308(a)(1)(ii)(D)", "164.308(a)(4)(ii)(C)", "164.308(a)(8)", "164.316(b)(1)"),
        prowler=("iam_rotate_access_key_90_days", "iam_user_accesskey_unused"),
    ),
    Requirement(
        id="data-key-backup",
        topic=Topic.BACKUP,
        text="A backup of the data key in use exists outside its store, and a drill has opened it as the application.",
        sections=("164.308(a)(7)(ii)(A)", "164.308(a)(7)(ii)(B)", "164.308(a)(7)(ii)(D)"),
    ),
    Requirement(
        id="audit-logs-signed",
        topic=Topic.LOGS,
        text="No audit record of the period was changed or deleted: the signed digests are complete, and the log files "
        "are as they were signed.",
        sections=("164.312(b)", "164.312(c)(1)"),
    ),
    Requirement(
        id="sign-in",
        topic=Topic.SIGN_IN,
        text="Everybody who can use or administer the key signs in with MFA; access keys are at most 90 days old, and "
        "the root user has none.",
        sections=("164.312(d)", "164.308(a)(5)(ii)(D)"),
        prowler=("iam_root_mfa_enabled", "iam_no_root_access_key", "iam_user_mfa_enabled_console_access"),
    ),
    Requirement(
        id="documents-private",
        topic=Topic.DOCUMENTS,
        text="Buckets of documents block public access, and nobody outside the account can read, change or delete a "
        "document.",
        sections=("164.312(a)(1)", "164.308(a)(4)(ii)(B)"),
        reason="a policy or an ACL could open the documents of patients to everybody",
        prowler=("s3_bucket_level_public_access_block", "s3_bucket_policy_public_write_access"),
        optional=True,
    ),
    Requirement(
        id="documents-encrypted",
        topic=Topic.DOCUMENTS,
        text="Documents in S3 are encrypted, under a key of their own where the settings ask for it.",
        sections=("164.312(a)(2)(iv)",),
        reason="with read access to the bucket alone a document could be read; the settings ask for a key as well",
        prowler=("s3_bucket_kms_encryption",),
        optional=True,
    ),
    Requirement(
        id="documents-tls",
        topic=Topic.DOCUMENTS,
        text="Buckets of documents deny plain HTTP and TLS older than 1.2 for everybody.",
        sections=("164.312(e)(1)", "164.312(e)(2)(ii)"),
        reason="a document could be read in transit",
        optional=True,
    ),
)

_SERVED = frozenset(section for requirement in REQUIREMENTS for section in requirement.sections)
SECTIONS = MappingProxyType({section: name for section, name in SAFEGUARDS.items() if section in _SERVED})
"""The sections that a requirement serves, with their names."""

BY_ID = MappingProxyType({requirement.id: requirement for requirement in REQUIREMENTS})


def requirements_of(topic: Topic) -> tuple[Requirement, ...]:
    """The requirements of an item of the checklist, in order."""
    return tuple(requirement for requirement in REQUIREMENTS if requirement.topic is topic)


def sections_of(topic: Topic) -> tuple[str, ...]:
    """The sections that an item of the checklist serves, each once."""
    return tuple(dict.fromkeys(section for requirement in requirements_of(topic) for section in requirement.sections))


def prowler_checks_of(topic: Topic) -> tuple[str, ...]:
    """The ids of prowler's checks for an item of the checklist."""
    return tuple(check for requirement in requirements_of(topic) for check in requirement.prowler)
