"""The checks of the application's use of the key, and of the columns of its database, by a scan that was given.

Reads through the facts.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from wizard.account import codes, evidence
from wizard.account.access.stored_reviews import VALID_DAYS
from wizard.account.facts import StackFacts
from wizard.account.notices import Judgement, Notice, judgement, needed
from wizard.core.models.access import PrincipalAccess
from wizard.core.models.delivery import StoredDataKey
from wizard.core.next_command import shell

codes.declare("records-not-encrypted", after="logs-changed")


@judgement("application-tested")
def check_use(facts: StackFacts) -> Iterator[Notice]:
    """Whether the application itself used the key in the period; this product's verifications do not count."""
    what = "whether the application used the key"
    review = needed(what, evidence.access_review(facts))
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


_UNDONE = {"clear", "unreadable", "unread"}
"""States of a scanned column."""


@judgement("application-tested")
def check_scan(facts: StackFacts) -> Iterator[Notice]:
    """Whether the database has columns that are not encrypted: a key beside them protects nothing."""
    scan = evidence.scan(facts)
    if scan is None:
        return
    at, by_state = datetime.fromisoformat(scan["at"]), _columns(scan)
    rows = sum(table["rowsRead"] for table in scan["tables"])
    text = f"phi scan of {at:%Y-%m-%d} ({rows:,} rows): {len(by_state.get('records', ())):,} columns of records"
    problems = [*_problems(facts, scan, at, by_state)]
    if not problems:
        yield Notice.good(f"{text}, none in the clear")
        return
    yield Notice.wrong(
        "records-not-encrypted",
        what=f"{text}, but {'; '.join(problems)}",
        why="a record that is not encrypted under the data key is not protected by it",
        command=shell("python", "-m", "phi", "encrypt" if "clear" in by_state else "scan", "--help"),
    )


def _columns(scan: Mapping[str, Any]) -> dict[str, list[str]]:
    by_state: dict[str, list[str]] = {}
    for table in scan["tables"]:
        for column in table["columns"]:
            by_state.setdefault(column["state"], []).append(f"{table['table']}.{column['column']}")
    return by_state


def _problems(
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
        yield "records are under a former key"


REPORT_CHECKS: tuple[Judgement, ...] = (check_use, check_scan)
