"""Access keys of one user told apart, in words: which is where, which may be in use, what a person types by hand.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from wizard.facts import AccessKeyFact

LIMIT = 2
"""Access keys of one user (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html)."""
QUIET = timedelta(hours=1)
"""How long an access key must have been unused before it is switched off."""


def described(keys: Iterable[AccessKeyFact], named: str | None) -> str:
    """Which is where, in words: `named` is the id that Vercel's variables name."""
    return "; ".join(
        f"{key.id} ({'on' if key.active else 'off'}, {'on Vercel' if key.id == named else 'not named by Vercel'},"
        f" made {key.made:%Y-%m-%d},"
        f" {f'last used {key.last_used:%Y-%m-%d %H:%M} UTC' if key.last_used else 'never used'})"
        for key in keys
    )


def by_hand(user: str, keys: Sequence[AccessKeyFact], named: str | None) -> str:
    """What frees a place when nothing tells which key is in use."""
    off = next((key for key in keys if not key.active and key.id != named), None)
    if off is not None:
        return f"{deletion(user, off.id)}   # then run the same command again"
    first = min((key for key in keys if key.id != named), key=lambda key: key.last_used or key.made)
    off_and_away = f"{switch(user, first.id, 'Inactive')} && {deletion(user, first.id)}"
    return f"find out who uses {first.id}; if nobody does: {off_and_away}   # then run the same command again"


def switch(user: str, key_id: str, status: str) -> str:
    """The command that switches an access key: `Active` or `Inactive`."""
    return f"aws iam update-access-key --user-name {user} --access-key-id {key_id} --status {status}"


def deletion(user: str, key_id: str) -> str:
    """The command that deletes an access key."""
    return f"aws iam delete-access-key --user-name {user} --access-key-id {key_id}"


def use_of(old: AccessKeyFact, current: AccessKeyFact, now: datetime) -> str | None:
    """Why the old key may be in use, in words. IAM tells the last use only, some minutes late."""
    if old.last_used is None:
        # A younger one that was never used is what a crashed run left behind.
        never = old.made < current.made and current.last_used is None
        return f"neither it nor {current.id} is known to have been used yet" if never else None
    if now - old.last_used < QUIET:
        return f"it was used at {old.last_used:%Y-%m-%d %H:%M} UTC, less than an hour ago"
    if current.last_used is None:
        return f"{current.id}, which Vercel has, was never used"
    if old.last_used >= current.last_used:
        return (
            f"it was used at {old.last_used:%Y-%m-%d %H:%M} UTC,"
            f" and {current.id} not since {current.last_used:%Y-%m-%d %H:%M} UTC"
        )
    return None
