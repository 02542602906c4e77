"""The evidence of a report's period: the facts that only it needs, and the checks of log files, uses of the key,
columns of the database by a scan, and sign-ins.

Reads through the facts of the stack; each is read once.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from components.policies.evaluation.principals import ACCOUNT_ACCESS
from components.policies.stack import trail_arn_of
from components.settings import SecretStore
from components.settings.arn import Arn, resource_name
from wizard.account import fixes
from wizard.account.access.review import review as read_review
from wizard.account.access.stored_reviews import VALID_DAYS
from wizard.account.facts import StackFacts
from wizard.account.notices import Judgement, Notice, judgement, needed
from wizard.core.errors import ResourceError, SetupError, attempted, known
from wizard.core.models.access import AccessReview, FormerText, PrincipalAccess, SignIn
from wizard.core.models.account import TrailFact
from wizard.core.models.delivery import StoredDataKey
from wizard.core.models.rotation import KeyRotations
from wizard.core.models.trail import LogValidation
from wizard.core.next_command import NO_COMMAND, Command, Text, eonpro, shell
from wizard.core.retry import Threads
from wizard.core.safe_text import first_of
from wizard.targets.vercel.access_key import OLDEST

_MOST = 3
"""The most faults in one sentence."""
_UNDONE = {"clear", "unreadable", "unread"}
"""States of a scanned column."""


@judgement("sign-in")
def check_sign_ins(facts: StackFacts) -> Iterator[Notice]:
    """Whether everybody who reaches the key has MFA, and no access key is too old (CIS AWS Foundations 1.5, 1.14)."""
    people = needed("how those who can use the key sign in", sign_ins(facts))
    for each in people:
        yield from _sign_in_problems(facts, each)
        if each.mfa is None:
            is_elsewhere = not each.is_in_iam(facts.settings.account_id)
            command = eonpro("review", "--stack", facts.stack) if is_elsewhere else NO_COMMAND
            yield Notice.unknown(f"the MFA of {each.arn}", each.why, command=command)
    seen = sum(each.mfa is not None for each in people)
    keys = sum(key.active for each in people for key in each.access_keys)
    yield Notice.good(
        f"users with a right on the key, the root user among them: {seen}; their active access keys: {keys}"
    )


def _sign_in_problems(facts: StackFacts, each: SignIn) -> Iterator[Notice]:
    """What is wrong with how somebody signs in, and the command for it."""
    user = resource_name(each.arn)
    active = [key for key in each.access_keys if key.active]
    arn = Arn.find(each.arn)
    is_root = arn is not None and arn.resource == "root"
    summary = fixes.aws(facts, "iam", "get-account-summary")
    # The application has an access key for a program, which no MFA device can confirm.
    is_program = each.arn in facts.principals and not each.has_password
    if each.mfa is False and (each.has_password or active) and not is_program:
        device = ("--virtual-mfa-device-name", user, "--bootstrap-method", "QRCodePNG", "--outfile", f"{user}.png")
        serial = str(arn.with_resource(f"mfa/{user}")) if arn else user
        codes_of = ("--authentication-code1", "FIRST-CODE", "--authentication-code2", "SECOND-CODE")
        enable = shell("aws", "iam", "enable-mfa-device", "--user-name", user, "--serial-number", serial, *codes_of)
        yield Notice.wrong(
            "mfa-missing",
            what=f"{each.arn} has no MFA device",
            why="whoever learns the password or the key can use the KMS key",
            command=NO_COMMAND if is_root else fixes.aws(facts, "iam", "create-virtual-mfa-device", *device),
            advice=_by_root("registers one", "AccountMFAEnabled is 1", summary)
            if is_root
            else Text("the user scans it, then: ", enable),
        )
    if each.has_root_keys:
        yield Notice.wrong(
            "root-access-key",
            what=f"{each.arn} has access keys",
            why="no policy limits the root user, and no second factor is asked for",
            advice=_by_root("deletes them", "AccountAccessKeysPresent is 0", summary),
        )
    for key in active:
        if key.age_days > OLDEST.days:
            off = ("--user-name", user, "--access-key-id", key.id, "--status", "Inactive")
            is_own = user == facts.settings.names.app_user
            yield Notice.wrong(
                "access-key-old",
                what=f"the access key {key.id} of {each.arn} is {key.age_days} days old",
                why=f"an access key is at most {OLDEST.days} days old",
                command=fixes.eonpro(facts, "access-key", action="rotate")
                if is_own
                else fixes.aws(facts, "iam", "update-access-key", *off),
                advice="" if is_own else "after its user has a new one",
            )


def _by_root(does: str, then: str, summary: Command) -> Text:
    """The advice for a repair that the root user alone can make, and the command that shows it afterwards."""
    return Text(f"the root user {does} in the AWS console, Security credentials; then {then} in: ", summary)


@judgement("audit-logs-signed")
def check_log_files(facts: StackFacts) -> Iterator[Notice]:
    """Whether no log file was changed or deleted, and all are signed."""
    validations = needed("the digests of the audit logs", log_validations(facts))
    if faults := [fault for each in validations for fault in each.faults]:
        all_ = ", all in report.json" if len(faults) > _MOST else ""
        start = ("--start-time", f"{since(facts):%Y-%m-%dT%H:%M:%SZ}")
        yield Notice.wrong(
            "logs-changed",
            what=f"{first_of(faults, _MOST, separator='; ')}{all_}",
            why="nobody can say any more who used the key in that time",
            command=fixes.aws(
                facts, "cloudtrail", "validate-logs", "--trail-arn", trail_arn_of(facts.settings), *start
            ),
        )
    for each in validations:
        if each.since and each.until:
            yield Notice.good(
                f"{each.region}: from {each.since:%Y-%m-%d %H:%M} to {each.until:%Y-%m-%d %H:%M} UTC "
                f"{each.digests:,} digests and {each.logs:,} log files are as CloudTrail signed them"
            )
        for why in each.unread:
            command = NO_COMMAND if each.since else fixes.eonpro(facts, "doctor")
            yield Notice.unknown(f"the audit logs of {each.region}", why, command=command)
    if left := sum(each.left for each in validations):
        yield Notice.unknown(
            "the older log files",
            f"{left:,} older log files were not compared",
            command=fixes.eonpro(facts, "report", "--all-logs"),
        )


@judgement("application-tested")
def check_use(facts: StackFacts) -> Iterator[Notice]:
    """Whether the application itself used the key in the period; this product's verifications do not count."""
    what = "whether the application used the key"
    review = needed(what, access_review(facts))
    own = [each for each in review.principals if each.arn in facts.principals]
    if not own or any(each.events is None or each.verifications is None for each in own):
        yield Notice.unknown(what, why="CloudTrail's event history does not tell")
        return
    verifications = sum(each.verifications or 0 for each in own)
    besides = f"; verified by eonpro-kms {_times(verifications)}, which does not count" if verifications else ""
    used = [each for each in own if _own_uses(each)]
    if not used:
        yield Notice.person(
            f"CloudTrail has no use of the key by the application itself in {review.window_days} days{besides}"
        )
    for each in used:
        last = f", the last time at {each.last_use:%Y-%m-%d %H:%M} UTC" if each.last_use and not verifications else ""
        refused = f", and was refused {_times(each.refused)}" if each.refused else ""
        times = _times(_own_uses(each))
        yield Notice.good(f"{each.arn} used the key {times} in {review.window_days} days{last}{refused}{besides}")


def _own_uses(principal: PrincipalAccess) -> int:
    return (principal.events or 0) - (principal.verifications or 0)


def _times(number: int | None) -> str:
    return "once" if number == 1 else f"{number:,} times"


@judgement("application-tested")
def check_scan(facts: StackFacts) -> Iterator[Notice]:
    """Whether the database has columns that are not encrypted: a key beside them protects nothing."""
    scanned = scan(facts)
    if scanned is None:
        return
    at, by_state = datetime.fromisoformat(scanned["at"]), _columns(scanned)
    rows = sum(table["rowsRead"] for table in scanned["tables"])
    text = f"phi scan of {at:%Y-%m-%d} ({rows:,} rows): {len(by_state.get('records', ())):,} columns of records"
    problems = [*_scan_problems(facts, scanned, at, by_state)]
    if not problems:
        yield Notice.good(f"{text}, none in the clear")
        return
    yield Notice.wrong(
        "records-not-encrypted",
        what=f"{text}, but {'; '.join(problems)}",
        why="a record that is not encrypted under the data key is not protected by it",
        command=shell("python", "-m", "eonpro_phi", "encrypt" if "clear" in by_state else "scan", "--help"),
    )


def _columns(scan: Mapping[str, Any]) -> dict[str, list[str]]:
    by_state: dict[str, list[str]] = {}
    for table in scan["tables"]:
        for column in table["columns"]:
            by_state.setdefault(column["state"], []).append(f"{table['table']}.{column['column']}")
    return by_state


def _scan_problems(
    facts: StackFacts, scan: Mapping[str, Any], at: datetime, by_state: Mapping[str, list[str]]
) -> Iterator[str]:
    stored = facts.stored_data_key
    in_use = stored.wrapped.fingerprint if isinstance(stored, StoredDataKey) else None
    for state, words in (
        ("clear", "in the clear"),
        ("unreadable", "under an unknown key"),
        ("unread", "not looked into"),
    ):
        if state in by_state:
            yield f"{words}: {', '.join(by_state[state])}"
    if not scan["complete"] and "unread" not in by_state:
        yield "not every table was read"
    if "records" not in by_state:
        yield "no column of records was found"
    if in_use != scan["keys"][0]:
        yield f"it is about the data key {scan['keys'][0]}, not {in_use}"
    if facts.at - at > timedelta(days=VALID_DAYS):
        yield f"it is older than {VALID_DAYS} days"
    if not scan["succeeded"] and not by_state.keys() & _UNDONE:
        yield "records are under an earlier data key"


REPORT_CHECKS: tuple[Judgement, ...] = (check_log_files, check_use, check_scan, check_sign_ins)

WINDOW_DAYS = 90
"""How far back the use of the key is read: a quarter, as far as CloudTrail's event history goes."""

LOG_FILES = 500
"""Log files that are compared with their signed digests, the newest; a busy account writes some 25,000 a quarter."""

SCAN, MOST_LOG_FILES = "phi scan", "log files to compare"
"""The names of the two facts that a person gives."""


def since(facts: StackFacts) -> datetime:
    """UTC; begin of the period, which ends when the facts are read."""
    return facts.at - timedelta(days=WINDOW_DAYS)


def access_review(facts: StackFacts) -> AccessReview | SetupError:
    """Who can use and who can administer the key, and who did in the period."""
    return facts.once("access review", lambda: read_review(facts, window_days=WINDOW_DAYS))


def sign_ins(facts: StackFacts) -> tuple[SignIn, ...] | SetupError:
    """The sign-ins of all people who can, or may be able to, use or administer the key; not of programs."""
    return facts.once("sign-ins", lambda: _sign_ins(facts))


def _sign_ins(facts: StackFacts) -> tuple[SignIn, ...]:
    account, review = facts.settings.account_id, known(access_review(facts))

    def sign_in(principal: PrincipalAccess) -> SignIn | None:
        arn = principal.arn
        if SignIn(arn=arn).is_in_iam(account):
            answer = attempted(facts.aws.access.sign_in, arn, now=facts.at)
            return SignIn(arn=arn, why=answer.message) if isinstance(answer, SetupError) else answer
        why = _other_sign_in(principal, account)
        return SignIn(arn=arn, why=why) if why else None

    reaching = [principal for principal in review.principals if principal.rights or not principal.is_known]
    with Threads(max_workers=8, thread_name_prefix="sign-in") as pool:
        return tuple(filter(None, pool.map(sign_in, reaching)))


def _other_sign_in(principal: PrincipalAccess, account: str) -> str:
    """A sentence on who decides the role's MFA, if not IAM; empty for a role of listed users, or of a program."""
    if principal.arn == ACCOUNT_ACCESS:
        return "IAM Identity Center decides the MFA of the people who are assigned in AWS account access"
    if "/aws-reserved/sso.amazonaws.com/" in principal.arn:
        return "IAM Identity Center decides its MFA"
    if any(":saml-provider/" in text for text in principal.assumed_by):
        return "its identity provider decides its MFA"
    if f"::{account}:role/" in principal.arn or principal.arn.endswith(".amazonaws.com"):
        return ""
    return "it is not a user or a role of this account"


def log_validations(facts: StackFacts) -> tuple[LogValidation, ...] | SetupError:
    """The validation of the audit logs of the period, of each Region that has the key."""
    return facts.once("signed logs", lambda: _log_validations(facts))


def _log_validations(facts: StackFacts) -> tuple[LogValidation, ...]:
    trail, outputs = known(facts.trail), facts.outputs
    if not isinstance(trail, TrailFact) or outputs is None:
        raise ResourceError("there is no audit trail", eonpro("doctor"))
    most = known(facts.once(MOST_LOG_FILES, lambda: LOG_FILES))
    return tuple(
        facts.aws.audit.validate_logs(trail, region, since=since(facts), until=facts.at, most=most)
        for region in outputs.regions
    )


def scan(facts: StackFacts) -> Mapping[str, Any] | None:
    """What `python -m eonpro_phi scan --json` printed; None if it was not given."""
    return known(facts.once(SCAN, lambda: None))


def rotations(facts: StackFacts) -> KeyRotations | SetupError:
    """The past and future rotations of the key."""
    return facts.once("rotations", lambda: facts.aws.key_rotation.rotations(str(facts.key_arn)))


def history(facts: StackFacts, name: str, store: SecretStore) -> tuple[FormerText, ...] | SetupError:
    """The former values of a parameter or secret, the oldest first."""
    return facts.once(f"history {name}", lambda: facts.access_diagnostics.history(name, store))
