"""The facts that only the evidence of a period needs: the use of the key, the sign-ins, the signed logs, the scan.

Reads through the facts of the stack; each is read once.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from components.policies.evaluation.principals import ACCOUNT_ACCESS
from components.settings import SecretStore
from wizard.account.access.review import review as read_review
from wizard.account.facts import StackFacts
from wizard.core.errors import ResourceError, SetupError, attempted, known
from wizard.core.models.access import AccessReview, FormerText, PrincipalAccess, SignIn
from wizard.core.models.account import TrailFact
from wizard.core.models.rotation import KeyRotations
from wizard.core.models.trail import LogValidation, Usage
from wizard.core.next_command import wizard
from wizard.core.retry import Threads

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
    """Of everybody who can, or may be able to, use or administer the key; not of programs."""
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
    """Where its MFA is decided, if not in IAM; empty for a role of users that are listed, or of a program."""
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
        raise ResourceError("there is no audit trail", wizard("doctor"))
    most = known(facts.once(MOST_LOG_FILES, lambda: LOG_FILES))
    return tuple(
        facts.aws.audit.validate_logs(trail, region, since=since(facts), until=facts.at, most=most)
        for region in outputs.regions
    )


def scan(facts: StackFacts) -> Mapping[str, Any] | None:
    """What `python -m phi scan --json` printed; None if it was not given."""
    return known(facts.once(SCAN, lambda: None))


def rotations(facts: StackFacts) -> KeyRotations | SetupError:
    """The past and future rotations of the key."""
    return facts.once("rotations", lambda: facts.aws.key_rotation.rotations(str(facts.key_arn)))


def usage(facts: StackFacts) -> Usage | SetupError:
    """The counts of the period."""
    key, bucket = str(facts.key_arn), facts.settings.names.trail_bucket
    return facts.once(
        "usage", lambda: facts.aws.usage_metrics.read(key_arn=key, bucket=bucket, since=since(facts), until=facts.at)
    )


def history(facts: StackFacts, name: str, store: SecretStore) -> tuple[FormerText, ...] | SetupError:
    """The former values of a parameter or secret, the oldest first."""
    return facts.once(f"history {name}", lambda: facts.access_diagnostics.history(name, store))
