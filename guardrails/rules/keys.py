"""The guardrails of KMS keys: they rotate, can be had back, and lock nobody out.

Touches nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from .rule import Resource, Rule, each
from .types import KEY, KEY_POLICY, KEYS

ROTATION_DAYS = (90, 2560)
"""Shortest and longest period: https://docs.aws.amazon.com/kms/latest/APIReference/API_EnableKeyRotation.html"""

DELETION_WINDOW_DAYS = 30
"""The longest that KMS grants, and its default:
https://docs.aws.amazon.com/kms/latest/APIReference/API_ScheduleKeyDeletion.html"""


def key_rotates(key: Resource) -> Iterator[str]:
    """A KMS key rotates by itself, its period within what KMS accepts."""
    return each(lambda judge: judge(key), (_rotation_is_on, _period_is_accepted))


def _rotation_is_on(key: Resource) -> Iterator[str]:
    # A key that was adopted and is left as it was found is what it was: nobody weakens it.
    if key.props.get("enableKeyRotation") is not True and "enableKeyRotation" not in key.ignored:
        yield "Automatic rotation of the key is off: set enableKeyRotation to true."


def _period_is_accepted(key: Resource) -> Iterator[str]:
    # Left out, the period is AWS's own 365 days.
    period, (shortest, longest) = key.props.get("rotationPeriodInDays"), ROTATION_DAYS
    if period is not None and not shortest <= period <= longest:
        yield f"The key's rotation period is {period:g} days: it must lie between {shortest} and {longest}."


def key_stays_recoverable(key: Resource) -> Iterator[str]:
    """A KMS key that is deleted by mistake can be had back for 30 days."""
    window = key.props.get("deletionWindowInDays")
    if window is not None and window != DELETION_WINDOW_DAYS:
        yield f"The key's deletion window is {window:g} days: it must be {DELETION_WINDOW_DAYS}."


def key_policy_is_checked_for_lockout(resource: Resource) -> Iterator[str]:
    """KMS checks every key policy for locking its administrators out; nobody switches that off."""
    if resource.props.get("bypassPolicyLockoutSafetyCheck") not in (None, False):
        yield "The lockout check of the key policy is bypassed: remove bypassPolicyLockoutSafetyCheck."


RULES = (
    Rule(
        name="phi-key-rotation",
        demand="KMS keys rotate automatically, every 90 to 2,560 days.",
        # A replica rotates with its primary key.
        types=frozenset({KEY}),
        check=key_rotates,
    ),
    Rule(
        name="phi-key-deletion-window",
        demand="A KMS key scheduled for deletion can be had back for 30 days.",
        types=frozenset(KEYS),
        check=key_stays_recoverable,
    ),
    Rule(
        name="phi-key-policy-lockout-check",
        demand="The lockout safety check of key policies is never bypassed.",
        types=frozenset({*KEYS, KEY_POLICY}),
        check=key_policy_is_checked_for_lockout,
    ),
)
