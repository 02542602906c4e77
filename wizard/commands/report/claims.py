"""What the report claims: the checklist, the business associate agreements, and the index of all safeguards.

Reads one file, the scan of the database. It chooses notices of the diagnosis, and judges nothing.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

from components.policies.requirements import (
    PROPOSED,
    REQUIREMENTS,
    SECTIONS,
    Topic,
    prowler_checks_of,
    requirements_of,
    sections_of,
)
from components.policies.safeguards import ORGANIZATIONAL, SAFEGUARDS
from components.settings import SecretStore, Settings
from wizard.account.notices import State
from wizard.account.views import Diagnosis, ItemState, counts, item_of, state_of, topics_of
from wizard.commands.report import facts
from wizard.core import files
from wizard.core.errors import UsageError
from wizard.core.next_command import eonpro, shell
from wizard.core.safe_text import parse_json
from wizard.targets.port import all_targets, deploy_targets

CALLS: Mapping[Topic, tuple[str, ...]] = {
    Topic.KEY: ("kms:DescribeKey",),
    Topic.KEY_POLICY: ("kms:GetKeyPolicy", "kms:ListGrants", "kms:DescribeKey"),
    Topic.OTHERS: ("kms:GetKeyPolicy", "kms:ListGrants", "iam:GetAccountAuthorizationDetails"),
    Topic.APPLICATION_POLICY: ("iam:GetPolicy", "iam:GetPolicyVersion", "iam:GetRole", "iam:ListAttachedRolePolicies"),
    Topic.ROTATION: ("kms:GetKeyRotationStatus",),
    Topic.TRAIL: (
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
    Topic.DATA_KEY: ("ssm:GetParameters", "ssm:ListTagsForResource", "ssm:GetParametersByPath"),
    Topic.APPLICATION: ("cloudtrail:LookupEvents",),
    Topic.BACKUP: ("ssm:GetParameters", "s3:GetObject"),
    Topic.REVIEW: (
        "kms:GetKeyPolicy",
        "kms:ListGrants",
        "iam:GetAccountAuthorizationDetails",
        "iam:ListAccessKeys",
        "cloudtrail:LookupEvents",
    ),
    Topic.SIGN_IN: (
        "iam:GetAccountSummary",
        "iam:ListMFADevices",
        "iam:GetLoginProfile",
        "iam:ListAccessKeys",
        "iam:GetAccessKeyLastUsed",
    ),
    Topic.LOGS: ("cloudtrail:ListPublicKeys", "s3:ListObjectsV2", "s3:GetObject"),
    Topic.ALERTS: (
        "events:DescribeRule",
        "events:ListTargetsByRule",
        "sns:GetTopicAttributes",
        "cloudwatch:DescribeAlarms",
    ),
    Topic.DOCUMENTS: (
        "s3:GetBucketEncryption",
        "s3:GetPublicAccessBlock",
        "s3:GetBucketPolicy",
        "s3:GetBucketVersioning",
        "s3:GetObjectLockConfiguration",
        "s3:HeadObject",
    ),
}
"""The calls that return the evidence of each item."""

_SECRET_CALLS = ("secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue")
"""The calls for a data key in Secrets Manager."""


def checklist_of(diagnosis: Diagnosis, settings: Settings, stack: str, at: datetime) -> Iterator[facts.ChecklistItem]:
    """Every item, as the notices of the diagnosis say it."""
    by_state = {
        ItemState.OPEN: eonpro("doctor", "--stack", stack),
        ItemState.UNKNOWN: eonpro("policy", "auditor", "--stack", stack),
    }
    in_secrets = settings.secret_store is SecretStore.SECRETS_MANAGER
    for number, topic in enumerate(topics_of(settings), start=1):
        entry = item_of(topic, diagnosis.notices, settings, stack)
        yield facts.ChecklistItem(
            number=number,
            title=entry.title,
            state=entry.state,
            evidence=entry.evidence,
            requirements=tuple(each.text for each in requirements_of(topic) if counts(each, settings)),
            calls=_SECRET_CALLS if topic is Topic.DATA_KEY and in_secrets else CALLS[topic],
            read_at=at,
            sections=tuple(facts.Section(section=section, name=SECTIONS[section]) for section in sections_of(topic)),
            prowler_checks=prowler_checks_of(topic),
            proposed_rule=PROPOSED.get(topic, ""),
            next=entry.next or by_state.get(entry.state, ""),
            facts=entry.facts,
        )


def read_scan(file: Path) -> Mapping[str, Any]:
    """The document of `python -m eonpro_phi scan --json`. Raises UsageError for another file."""
    try:
        scan = parse_json(files.read_text(file, streams=True))
        datetime.fromisoformat(scan["at"])
        is_scan = scan["command"] == "scan" and all(table["columns"] for table in scan["tables"]) and scan["keys"]
    except (OSError, ValueError, KeyError, TypeError):
        is_scan = False
    if not is_scan:
        raise UsageError(
            f"--phi-scan {file} is not what `python -m eonpro_phi scan --json` printed",
            shell("python", "-m", "eonpro_phi", "scan", "--help", advice="reads the database, then names this file"),
        )
    assert isinstance(scan, dict)
    return scan


# --- what a person confirms


def agreements_of(settings: Settings, confirmed: Mapping[str, facts.Agreement]) -> tuple[facts.Agreement, ...]:
    """The business associate agreement with each company that can reach health data; a person confirms each."""
    # AWS has the key, whatever runs the application.
    partners = dict.fromkeys(("AWS", *(target.company for target in deploy_targets(settings.deploy_targets))))
    return tuple(confirmed.get(partner) or facts.Agreement(partner=partner) for partner in partners)


_COMPANIES = "|".join(sorted({target.company for target in all_targets()}))
_AGREEMENT = re.compile(rf"({_COMPANIES})=(\d{{4}}-\d{{2}}-\d{{2}}):(.+)")


def agreement_of(text: str) -> facts.Agreement:
    """The agreement of a flag `AWS=2026-01-15:aws-baa.pdf`. Raises UsageError."""
    match = _AGREEMENT.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        signed = date.fromisoformat(match[2])
    except ValueError as error:
        raise UsageError(
            f"--agreement: {text!r} does not name the company, the date and the file of an agreement",
            eonpro("report", "--agreement", "AWS=2026-01-15:aws-baa.pdf"),
        ) from error
    return facts.Agreement(partner=match[1], signed_on=signed.isoformat(), file=match[3].rpartition("/")[2])


# --- the index of all safeguards

_AGREEMENTS = ("164.308(b)(1)", "164.308(b)(3)")
_ORDER = ("open", "not seen", "a person", "done")
_INDEXED = {State.WRONG: "open", State.UNKNOWN: "not seen", State.PERSON: "a person", State.GOOD: "done"}


def safeguards_of(
    diagnosis: Diagnosis, settings: Settings, agreements: Iterable[facts.Agreement]
) -> Iterator[facts.Safeguard]:
    """Each standard and specification of the Security Rule with its evidence; none is left out.

    A section has the state of the worst requirement that serves it and that the settings ask for. What the rule asks of
    the organization is done by a person only, beside the technical evidence.
    """
    agreements = tuple(agreements)
    for section, name in SAFEGUARDS.items():
        serving = [each for each in REQUIREMENTS if section in each.sections and counts(each, settings)]
        states = {_INDEXED[state_of(each.id, diagnosis.notices)] for each in serving}
        evidence = tuple(dict.fromkeys(str(each.topic) for each in serving))
        if section in _AGREEMENTS:
            states = {"done" if agreement.file else "a person" for agreement in agreements}
            evidence = tuple(f"agreement with {agreement.partner}" for agreement in agreements)
        elif section in ORGANIZATIONAL:
            states |= {"a person"}
        elif not serving:
            states = {"not seen"}
        yield facts.Safeguard(
            section=section,
            name=name,
            state=next(state for state in _ORDER if state in states),
            evidence=evidence,
        )
