"""The access keys of the application's IAM user: listed, made, switched off, deleted.

Calls IAM. The secret of a new key leaves in the answer alone; it is in no log, error or repr.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from wizard.aws.session import Session
from wizard.aws.translation import code_of
from wizard.errors import PermissionDenied, ResourceError, Unsupported, UsageError
from wizard.facts import AccessKey, AccessKeyFact

_TRIES = (0.5, 1.0, 2.0, 4.0)
"""Seconds between tries while a user made a moment ago is not yet visible everywhere: IAM is eventually consistent
(https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency)."""

_ABSENT = ("NoSuchEntity", "NoSuchEntityException")
_FULL = ("LimitExceeded", "LimitExceededException")


def list_access_keys(session: Session, user: str) -> tuple[AccessKeyFact, ...]:
    """The user's access keys, the oldest first; none where there is no such user.

    When a key was last used is None where the caller may not know.
    """
    # IAM gives a user two at the most, which is one page.
    answer = session.find("iam", "ListAccessKeys", absent=_ABSENT, UserName=user) or {}
    keys = answer.get("AccessKeyMetadata", ())
    used = session.together(*(lambda key=key: _last_used(session, str(key["AccessKeyId"])) for key in keys))
    facts = (
        AccessKeyFact(
            id=str(key["AccessKeyId"]),
            active=key["Status"] == "Active",
            made=_utc(key["CreateDate"]),
            last_used=last,
        )
        for key, last in zip(keys, used, strict=True)
    )
    return tuple(sorted(facts, key=lambda fact: (fact.made, fact.id)))


def _last_used(session: Session, key_id: str) -> datetime | None:
    try:
        answer = session.find("iam", "GetAccessKeyLastUsed", absent=_ABSENT, AccessKeyId=key_id) or {}
    except (PermissionDenied, Unsupported):
        return None
    last = answer.get("AccessKeyLastUsed", {}).get("LastUsedDate")
    return _utc(last) if isinstance(last, datetime) else None


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def make_access_key(session: Session, user: str) -> AccessKey:
    """A new access key, active. Waits a few seconds for a user made a moment ago.

    Raises ResourceError when the user has two already, which is all that IAM gives
    (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html).
    """
    for seconds in (*_TRIES, None):
        try:
            made = session.call("iam", "CreateAccessKey", UserName=user)["AccessKey"]
        except ResourceError as error:
            cause: Any = error.__cause__
            if code_of(cause) in _FULL:
                raise ResourceError(
                    f"the user {user} has two access keys already, and IAM gives no third",
                    f"aws iam list-access-keys --user-name {user}   # then switch off and delete the one nobody uses: "
                    f"aws iam delete-access-key --user-name {user} --access-key-id …",
                ) from cause
            if seconds is None or code_of(cause) not in _ABSENT:
                raise
            session.pause(seconds)
        else:
            return AccessKey(id=str(made["AccessKeyId"]), secret=str(made["SecretAccessKey"]))
    raise AssertionError("the last try returns or raises")


def retire_access_key(session: Session, user: str, key_id: str) -> None:
    """Switch the key off; it can be switched on again."""
    session.call("iam", "UpdateAccessKey", UserName=user, AccessKeyId=key_id, Status="Inactive")


def delete_access_key(session: Session, user: str, key_id: str) -> None:
    """Delete a key that is switched off; one that is gone already is no error.

    Raises UsageError, before anything is deleted, for a key that is active: whoever uses it shows when it is switched
    off, which can be undone, and a deletion cannot.
    """
    found = next((key for key in list_access_keys(session, user) if key.id == key_id), None)
    if found is None:
        return
    if found.active:
        raise UsageError(
            f"the access key {key_id} of the user {user} is active; it was not deleted",
            f"aws iam update-access-key --user-name {user} --access-key-id {key_id} --status Inactive"
            "   # and see that nothing fails without it",
        )
    session.find("iam", "DeleteAccessKey", absent=_ABSENT, UserName=user, AccessKeyId=key_id)
