"""Who did use the key, by what the event histories of it and its replicas tell: counted, merged, and never guessed.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from wizard.access_review.expectation import Expectation
from wizard.access_review.judgement import RIGHTS
from wizard.access_review.rows import Rights
from wizard.errors import SetupError
from wizard.facts_access import History, May, PrincipalAccess
from wizard.facts_iam import KeyEvents

Histories = Sequence[tuple[History, tuple[KeyEvents, ...]] | SetupError]
"""What was read of each key, or why it could not be."""


def counted(arn: str, histories: Histories) -> tuple[int | None, int | None, datetime | None]:
    """Uses, refusals and the last use of somebody; None for a count that is not known.

    What is missing makes a count a lower bound.
    """
    uses, refused, last = 0, 0, None
    is_partial = False
    for each in histories:
        if isinstance(each, SetupError):
            is_partial = True
            continue
        history, told = each
        is_partial |= history.is_cut_off
        for one in told:
            if _is_same(one.principal, arn):
                uses, refused = uses + one.uses, refused + one.refused
                last = max(filter(None, (last, one.last_use)), default=None)
    # Nothing in what was read is not yet nothing at all.
    known = bool(uses or refused) or not is_partial
    return (uses, refused, last) if known else (None, None, None)


def _is_same(told: str, arn: str) -> bool:
    """Whether an event's principal is this one: a role may be told without its path, as its sessions are."""
    if told == arn:
        return True
    head, kind, rest = arn.partition(":role/")
    return bool(kind) and told == f"{head}:role/{rest.rpartition('/')[2]}"


def who_else_called(
    principals: Iterable[PrincipalAccess],
    histories: Histories,
    found: Mapping[str, Rights],
    meant: Expectation,
) -> Iterator[PrincipalAccess]:
    """Who used the key, or tried to, and has no right on it that is known."""
    there = [each.arn for each in principals]
    rest = next((each for each in found.values() if each.arn.endswith(":*")), None)
    may = rest.may if rest else dict.fromkeys(RIGHTS, May.NO)
    called = {one.principal for each in histories if not isinstance(each, SetupError) for one in each[1]}
    for name in sorted(called):
        uses, refused, last_use = counted(name, histories)
        if (uses or refused) and not any(_is_same(name, arn) for arn in there):
            yield PrincipalAccess(
                arn=name,
                use=may["use"],
                administer=may["administer"],
                delete=may["delete"],
                ways=(),
                last_use=last_use,
                events=uses,
                refused=refused,
                is_expected=meant.names(name),
            )


def history_of(found: Histories) -> History | None:
    """What was read of all keys together; None where one of them could not be read."""
    told = [each for each in found if not isinstance(each, SetupError)]
    if not told or len(told) < len(found):
        return None
    return History(
        since=max(history.since for history, _ in told),
        events=sum(history.events for history, _ in told),
        is_cut_off=any(history.is_cut_off for history, _ in told),
    )
