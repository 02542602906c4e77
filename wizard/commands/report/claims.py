"""What the report claims: the checklist, the business associate agreements, and the index of all safeguards.

Reads one file, the scan of the database. A claim is done only by what was seen of the thing itself; what could not be
read is unknown.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from components.policies.requirements import (
    PROPOSED,
    SAFEGUARDS,
    SECTIONS,
    Topic,
    prowler_checks_of,
    requirements_of,
    sections_of,
)
from components.settings import Outputs, SecretStore, Settings
from components.settings.arn import Arn
from wizard.account.access.stored_reviews import VALID_DAYS
from wizard.account.checklist import ChecklistEntry, ItemState
from wizard.account.diagnosis import Diagnosis
from wizard.commands.report import facts
from wizard.commands.report import readings as checklist
from wizard.commands.report.readings import Readings
from wizard.core import files
from wizard.core.cost.account import AccountFacts
from wizard.core.errors import SetupError, UsageError
from wizard.core.models.access import AccessReview, FormerText, SignIn
from wizard.core.models.account import KeyFact
from wizard.core.models.audit import BucketDocuments, LogValidation, Usage
from wizard.core.models.delivery import StoredDataKey
from wizard.core.models.rotation import DataKeyVersion, KeyRotations, LastBackup, RestoreDrill, file_name_of
from wizard.core.next_command import Run, shell, wizard
from wizard.core.safe_text import parse_json
from wizard.targets.port import all_targets, deploy_targets
from wizard.targets.vercel.access_key import OLDEST

_UNDONE = {"clear", "unreadable", "unread"}
"""States of a scanned column."""


@dataclass(frozen=True, kw_only=True)
class Read:
    readings: Readings
    stored_data_key: StoredDataKey | SetupError | None
    keys: Mapping[str, KeyFact | SetupError | None]
    rotations: KeyRotations | SetupError
    versions: tuple[DataKeyVersion, ...] | SetupError
    live: AccessReview | SetupError
    sign_ins: tuple[SignIn, ...] | SetupError
    diagnosis: Diagnosis | SetupError
    usage: Usage | SetupError
    account: AccountFacts
    backup: LastBackup | SetupError | None
    drill: RestoreDrill | SetupError | None
    bucket: BucketDocuments | SetupError
    """Of the audit trail."""
    logs: tuple[LogValidation, ...] | SetupError
    """Of each Region that has the key."""
    records: Mapping[str, tuple[FormerText, ...] | SetupError]
    """The earlier values of the records of backups and drills, and of the stored data key, by parameter."""
    account_alias: str | None
    since: datetime
    """UTC; begin of the period of the evidence, which ends with `at`."""
    at: datetime


CALLS: Mapping[Topic, tuple[str, ...]] = {
    Topic.KEY: ("kms:DescribeKey",),
    Topic.KEY_POLICY: ("kms:GetKeyPolicy", "kms:ListGrants", "iam:GetAccountAuthorizationDetails"),
    Topic.APPLICATION_POLICY: ("iam:GetPolicy", "iam:GetPolicyVersion"),
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
    Topic.DATA_KEY: ("ssm:GetParameters", "ssm:ListTagsForResource"),
    Topic.APPLICATION: ("cloudtrail:LookupEvents",),
    Topic.BACKUP: ("ssm:GetParameters",),
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
}
"""The calls that return the evidence of each item."""

_SECRET_CALLS = ("secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue")
"""The calls for a data key in Secrets Manager."""


def checklist_of(
    read: Read,
    access: facts.AccessFacts,
    settings: Settings,
    outputs: Outputs,
    stack: str,
    scan: Mapping[str, Any] | None,
) -> Iterator[facts.ChecklistItem]:
    entries = {
        entry.topic: entry
        for entry in checklist.evaluate(
            read.readings, settings=settings, outputs=outputs, stored_data_key=read.stored_data_key, proofs=()
        )
    }
    entries[Topic.KEY_POLICY] = _restricted(entries[Topic.KEY_POLICY], access.review)
    entries[Topic.APPLICATION] = _tested(access.review, outputs)
    if scan is not None:
        entries[Topic.APPLICATION] = _scanned(entries[Topic.APPLICATION], scan, read)
    entries[Topic.REVIEW] = _reviewed(entries[Topic.REVIEW], access)
    entries[Topic.BACKUP] = _backed_up(read, settings)
    entries[Topic.LOGS] = _signed(read, outputs.trail_arn)
    entries[Topic.SIGN_IN] = _signs_in(read, settings, outputs)
    by_state = {
        ItemState.OPEN: wizard("doctor", "--stack", stack),
        ItemState.UNKNOWN: wizard("policy", "auditor", "--stack", stack),
    }
    of_stack = Run(flags={"--stack": ("--stack", stack)})
    in_secrets = settings.secret_store is SecretStore.SECRETS_MANAGER
    for number, (topic, entry) in enumerate(entries.items(), start=1):
        next_ = of_stack.complete(entry.next) or by_state.get(entry.state, "")
        yield facts.ChecklistItem(
            number=number,
            title=entry.title,
            state=entry.state,
            evidence=entry.evidence,
            requirements=tuple(requirement.text for requirement in requirements_of(topic) if not requirement.optional),
            calls=_SECRET_CALLS if topic is Topic.DATA_KEY and in_secrets else CALLS[topic],
            read_at=read.at,
            sections=tuple(facts.Section(section=section, name=SECTIONS[section]) for section in sections_of(topic)),
            prowler_checks=prowler_checks_of(topic),
            proposed_rule=PROPOSED.get(topic, ""),
            next="" if entry.state is ItemState.DONE else next_,
        )


def _restricted(entry: ChecklistEntry, review: AccessReview | None) -> ChecklistEntry:
    """The entry, open where the access table shows a right beyond the settings: the key policy alone does not decide.

    A signed review accepts such a right, but the policy then restricts no more than before: it stays open, and named.
    """
    if review is None or entry.state is ItemState.UNKNOWN:
        unread = "; who else can use or administer the key could not be read" if entry.state is ItemState.DONE else ""
        state = ItemState.UNKNOWN if unread else entry.state
        return replace(entry, state=state, evidence=entry.evidence + unread)
    beyond = [
        f"{principal.arn} ({', '.join(sorted(principal.surplus))})"
        for principal in review.principals
        if principal.surplus
    ]
    if beyond:
        text = f"these can do more with the key than the settings give them: {'; '.join(beyond)}"
        return replace(
            entry, state=ItemState.OPEN, evidence=f"{entry.evidence}; {text}", next=entry.next or wizard("review")
        )
    if entry.state is ItemState.DONE and review.undecided:
        text = f"what these can do with the key is unknown: {', '.join(each.arn for each in review.undecided)}"
        return replace(entry, state=ItemState.UNKNOWN, evidence=f"{entry.evidence}; {text}")
    return entry


def _tested(review: AccessReview | None, outputs: Outputs) -> ChecklistEntry:
    """The application's own use of the key, from CloudTrail; this product's verifications do not count."""
    entry = ChecklistEntry(topic=Topic.APPLICATION, state=ItemState.UNKNOWN, evidence="")
    own = [each for each in review.principals if each.arn in outputs.app_principal_arns] if review else []
    if review is None or not own or any(each.events is None or each.verifications is None for each in own):
        return replace(entry, evidence="whether the application used the key could not be read")
    used = [each for each in own if (each.events or 0) > (each.verifications or 0)]
    verifications = sum(each.verifications or 0 for each in own)
    besides = f"; verified by eonpro-kms {_times(verifications)}, which does not count" if verifications else ""
    if not used:
        text = f"CloudTrail has no use of the key by the application itself in {review.window_days} days{besides}"
        return replace(entry, state=ItemState.OPEN, evidence=text)
    text = "; ".join(
        f"{each.arn} used the key {_times((each.events or 0) - (each.verifications or 0))} "
        f"in {review.window_days} days"
        + (f", the last time at {each.last_use:%Y-%m-%d %H:%M} UTC" if each.last_use and not verifications else "")
        + (f", and was refused {_times(each.refused)}" if each.refused else "")
        for each in used
    )
    return replace(entry, state=ItemState.DONE, evidence=text + besides)


def read_scan(file: Path) -> Mapping[str, Any]:
    """The document of `python -m phi scan --json`. Raises UsageError for another file."""
    try:
        scan = parse_json(files.read_text(file, streams=True))
        datetime.fromisoformat(scan["at"])
        is_scan = scan["command"] == "scan" and all(table["columns"] for table in scan["tables"]) and scan["keys"]
    except (OSError, ValueError, KeyError, TypeError):
        is_scan = False
    if not is_scan:
        raise UsageError(
            f"--phi-scan {file} is not what `python -m phi scan --json` printed",
            shell("python", "-m", "phi", "scan", "--help", advice="reads the database, then names this file"),
        )
    assert isinstance(scan, dict)
    return scan


def _scanned(entry: ChecklistEntry, scan: Mapping[str, Any], read: Read) -> ChecklistEntry:
    """The entry with the scan of the database: a key beside columns that are not encrypted protects nothing."""
    at, stored = datetime.fromisoformat(scan["at"]), read.stored_data_key
    by_state: dict[str, list[str]] = {}
    for table in scan["tables"]:
        for column in table["columns"]:
            by_state.setdefault(column["state"], []).append(f"{table['table']}.{column['column']}")
    rows = sum(table["rowsRead"] for table in scan["tables"])
    text = f"phi scan of {at:%Y-%m-%d} ({rows:,} rows): {len(by_state.get('records', ())):,} columns of records"
    in_use = stored.wrapped.fingerprint if isinstance(stored, StoredDataKey) else None
    problems = [
        *([f"in the clear: {', '.join(by_state['clear'])}"] if "clear" in by_state else []),
        *([f"under an unknown key: {', '.join(by_state['unreadable'])}"] if "unreadable" in by_state else []),
        *([f"not looked into: {', '.join(by_state['unread'])}"] if "unread" in by_state else []),
        *(["not every table was read"] if not scan["complete"] and "unread" not in by_state else []),
        *(["no column of records was found"] if "records" not in by_state else []),
        *([f"it is about the data key {scan['keys'][0]}, not {in_use}"] if in_use != scan["keys"][0] else []),
        *([f"it is older than {VALID_DAYS} days"] if read.at - at > timedelta(days=VALID_DAYS) else []),
        *(["records are under a former key"] if not scan["succeeded"] and not by_state.keys() & _UNDONE else []),
    ]
    if not problems:
        return replace(entry, evidence=f"{entry.evidence}; {text}, none in the clear")
    return replace(
        entry,
        state=ItemState.OPEN,
        evidence=f"{entry.evidence}; {text}, but {'; '.join(problems)}",
        next=shell("python", "-m", "phi", "encrypt" if "clear" in by_state else "scan", "--help"),
    )


def _backed_up(read: Read, settings: Settings) -> ChecklistEntry:
    """Whether a backup of the data key in use exists, is recent, and was opened in a drill."""
    entry = ChecklistEntry(topic=Topic.BACKUP, state=ItemState.OPEN, evidence="")
    unread = [each for each in (read.backup, read.drill, read.stored_data_key) if isinstance(each, SetupError)]
    if unread:
        return replace(entry, state=ItemState.UNKNOWN, evidence=f"could not be read: {unread[0].message}")
    last, drill, stored = read.backup, read.drill, read.stored_data_key
    in_use = stored.wrapped.fingerprint if isinstance(stored, StoredDataKey) else ""
    again = wizard("backup", "--to", file_name_of(settings.environment, in_use)) if in_use else ""
    if not isinstance(last, LastBackup):
        return replace(entry, evidence="the account records no backup of the data key", next=again)
    text = f"{last.fingerprint} was backed up {last.age(read.at)} to {last.place_text}"
    if last.fingerprint != in_use:
        return replace(entry, evidence=f"{text}, but the data key in use is {in_use or 'missing'}", next=again)
    longest = timedelta(days=settings.backup_max_age_days)
    if read.at - last.at > longest:
        return replace(entry, evidence=f"{text}, more than {longest.days} days", next=again)
    rehearse = wizard("backup", "drill")
    if not isinstance(drill, RestoreDrill) or (drill.fingerprint, drill.place) != (last.fingerprint, last.place):
        return replace(entry, evidence=f"{text}, but no drill has opened it", next=rehearse)
    tried = f"a drill on {drill.at:%Y-%m-%d}"
    if not drill.opened:
        return replace(entry, evidence=f"{text}, but {tried} could not open it", next=rehearse)
    if read.at - drill.at > longest:
        return replace(entry, evidence=f"{text}; {tried} opened it, more than {longest.days} days ago", next=rehearse)
    text += f"; {tried} opened it as {drill.principal} in {drill.seconds:.1f} s"
    return replace(entry, state=ItemState.DONE, evidence=text)


def _signed(read: Read, trail_arn: str) -> ChecklistEntry:
    """Whether the audit logs of the period are as CloudTrail signed them."""
    entry = ChecklistEntry(topic=Topic.LOGS, state=ItemState.UNKNOWN, evidence="")
    if isinstance(read.logs, SetupError):
        return replace(entry, evidence=f"could not be read: {read.logs.message}")
    text = "; ".join(
        f"{each.region}: from {each.since:%Y-%m-%d %H:%M} to {each.until:%Y-%m-%d %H:%M} UTC {each.digests:,} digests "
        f"and {each.logs:,} log files are as CloudTrail signed them"
        for each in read.logs
        if each.since and each.until
    )
    faults = [fault for each in read.logs for fault in each.faults]
    if faults:
        more = f"; and {len(faults) - 3:,} more, all in report.json" if len(faults) > 3 else ""
        command = shell(
            *("aws", "cloudtrail", "validate-logs", "--trail-arn", trail_arn),
            *("--start-time", f"{read.since:%Y-%m-%dT%H:%M:%SZ}"),
        )
        text = "; ".join(filter(None, (*faults[:3], text))) + more
        return replace(entry, state=ItemState.OPEN, evidence=text, next=command)
    unread = [f"{each.region}: {text}" for each in read.logs for text in each.unread]
    left = sum(each.left for each in read.logs)
    if left:
        unread.append(f"{left:,} older log files were not compared")
    state = ItemState.UNKNOWN if unread else ItemState.DONE
    text = "; ".join(filter(None, (text, *unread)))
    # Without a right `policy auditor` is the next command, as for every item that is unknown.
    next_ = wizard("report", "--all-logs") if left else ""
    if any(each.since is None for each in read.logs):
        next_ = wizard("doctor")
    return replace(entry, state=state, evidence=text, next=next_)


def _signs_in(read: Read, settings: Settings, outputs: Outputs) -> ChecklistEntry:
    """Whether everybody who reaches the key has MFA, and no access key is too old (CIS AWS Foundations 1.5, 1.14)."""
    entry = ChecklistEntry(topic=Topic.SIGN_IN, state=ItemState.UNKNOWN, evidence="")
    if isinstance(read.sign_ins, SetupError):
        return replace(entry, evidence=f"could not be read: {read.sign_ins.message}")
    wrong = [problem for each in read.sign_ins for problem in _problems(each, settings, outputs)]
    unseen = [f"{each.arn} ({each.why})" for each in read.sign_ins if each.mfa is None]
    keys = sum(key.active for each in read.sign_ins for key in each.access_keys)
    seen = len(read.sign_ins) - len(unseen)
    text = f"users with a right on the key, the root user among them: {seen}; their active access keys: {keys}"
    if unseen:
        text = f"{text}; the MFA of these was not seen: {', '.join(unseen)}"
    if wrong:
        text = f"{'; '.join(problem for problem, _ in wrong)}; {text}"
        return replace(entry, state=ItemState.OPEN, evidence=text, next=wrong[0][1])
    is_elsewhere = not any(each.is_in_iam(settings.account_id) for each in read.sign_ins if each.mfa is None)
    next_ = wizard("review") if is_elsewhere else ""
    return replace(entry, state=ItemState.UNKNOWN if unseen else ItemState.DONE, evidence=text, next=next_)


def _problems(each: SignIn, settings: Settings, outputs: Outputs) -> Iterator[tuple[str, str]]:
    """What is wrong with how somebody signs in, and the command for it."""
    user = Arn.parse(each.arn).name
    active = [key for key in each.access_keys if key.active]
    # The application has an access key for a program, which no MFA device can confirm.
    is_program = each.arn in outputs.app_principal_arns and not each.has_password
    if each.mfa is False and (each.has_password or active) and not is_program:
        device = ("--virtual-mfa-device-name", user, "--bootstrap-method", "QRCodePNG", "--outfile", f"{user}.png")
        advice = "the user scans it, then: aws iam enable-mfa-device"
        command = shell("aws", "iam", "create-virtual-mfa-device", *device, advice=advice)
        is_root = each.arn.endswith(":root")
        yield f"{each.arn} has no MFA device", shell("aws", "iam", "get-account-summary") if is_root else command
    if each.has_root_keys:
        yield f"{each.arn} has access keys", shell("aws", "iam", "get-account-summary")
    for key in active:
        if key.age_days > OLDEST.days:
            command = shell(
                *("aws", "iam", "update-access-key", "--user-name", user),
                *("--access-key-id", key.id, "--status", "Inactive"),
                advice="after its user has a new one",
            )
            is_own = user == settings.names.app_user
            text = f"the access key {key.id} of {each.arn} is {key.age_days} days old"
            yield text, wizard("access-key", "rotate") if is_own else command


def _times(number: int | None) -> str:
    return "once" if number == 1 else f"{number:,} times"


def _reviewed(entry: ChecklistEntry, access: facts.AccessFacts) -> ChecklistEntry:
    if access.sign_off is None or access.signed_days_ago is None:
        return replace(entry, evidence="no review is signed yet", next=wizard("review", "--sign", "NAME"))
    days = access.signed_days_ago
    when = {0: "today", 1: "yesterday"}.get(days, f"{days} days ago")
    text = f"signed by {access.sign_off.signer} {when}"
    if days > access.valid_days:
        text = f"{text}: a review is valid for {access.valid_days} days"
        return replace(entry, state=ItemState.OPEN, evidence=text, next=wizard("review", "--sign", "NAME"))
    return replace(entry, state=ItemState.DONE, evidence=text)


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
            wizard("report", "--agreement", "AWS=2026-01-15:aws-baa.pdf"),
        ) from error
    return facts.Agreement(partner=match[1], signed_on=signed.isoformat(), file=match[3].rpartition("/")[2])


# --- the index of all safeguards

_AGREEMENTS = ("164.308(b)(1)", "164.308(b)(3)")
_NOT_SEEN = (
    "164.312(a)(2)(ii)",
    "164.312(a)(2)(iii)",
    "164.312(c)(2)",
    "164.312(e)(1)",
    "164.312(e)(2)(i)",
    "164.312(e)(2)(ii)",
)
"""Technical safeguards of the application and its network, at which this program does not look."""

_ORDER = ("open", "not seen", "a person", "done")
_INDEXED = {ItemState.OPEN: "open", ItemState.UNKNOWN: "not seen", ItemState.PERSON: "a person", ItemState.DONE: "done"}


def safeguards_of(
    items: Iterable[facts.ChecklistItem], agreements: Iterable[facts.Agreement]
) -> Iterator[facts.Safeguard]:
    """Each standard and specification of the Security Rule with its evidence; none is left out.

    A section that several items serve has the state of the worst of them.
    """
    items, agreements = tuple(items), tuple(agreements)
    for section, name in SAFEGUARDS.items():
        serving = [item for item in items if section in {each.section for each in item.sections}]
        evidence = tuple(item.title for item in serving)
        states = {_INDEXED[item.state] for item in serving}
        if section in _AGREEMENTS:
            states = {"done" if agreement.file else "a person" for agreement in agreements}
            evidence = tuple(f"agreement with {agreement.partner}" for agreement in agreements)
        elif not serving:
            states = {"not seen" if section in _NOT_SEEN else "a person"}
        yield facts.Safeguard(
            section=section,
            name=name,
            state=next(state for state in _ORDER if state in states),
            evidence=evidence,
        )
