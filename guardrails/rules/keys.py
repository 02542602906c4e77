"""The guardrails of KMS keys: rotation, recovery after a deletion, and no lockout.

Pure.
"""

from collections.abc import Iterator

from .resource_types import KEY, KEY_POLICY, KEYS
from .rule import Resource, Rule, check_all, has

ROTATION_DAYS = (90, 2560)
"""Minimum and maximum period: https://docs.aws.amazon.com/kms/latest/APIReference/API_EnableKeyRotation.html"""

DELETION_WINDOW_DAYS = 30
"""KMS's maximum, and its default:
https://docs.aws.amazon.com/kms/latest/APIReference/API_ScheduleKeyDeletion.html"""


def rotation(key: Resource) -> Iterator[str]:
    """A KMS key rotates automatically, with a period that KMS accepts."""
    return check_all(lambda check: check(key), (_rotation_enabled, _rotation_period))


def _rotation_enabled(key: Resource) -> Iterator[str]:
    # ignoreChanges: an imported key keeps its setting, so this stack does not weaken it.
    if key.props.get("enableKeyRotation") is not True and "enableKeyRotation" not in key.ignored:
        yield "Automatic rotation of the key is off: set enableKeyRotation to true."


def _rotation_period(key: Resource) -> Iterator[str]:
    # Without a value the period is AWS's default of 365 days.
    period, (minimum, maximum) = key.props.get("rotationPeriodInDays"), ROTATION_DAYS
    if period is not None and not minimum <= period <= maximum:
        yield f"The key's rotation period is {period:g} days: it must be between {minimum} and {maximum}."


def enabled(key: Resource) -> Iterator[str]:
    """A KMS key is enabled: a disabled one decrypts nothing."""
    if key.props.get("isEnabled") is False or key.props.get("enabled") is False:
        yield "The key is disabled, and nothing can be decrypted: remove isEnabled."


def deletion_window(key: Resource) -> Iterator[str]:
    """A KMS key that is deleted by mistake can be restored for 30 days."""
    window = key.props.get("deletionWindowInDays")
    if window is not None and window != DELETION_WINDOW_DAYS:
        yield f"The key's deletion window is {window:g} days: it must be {DELETION_WINDOW_DAYS}."


_lockout_check = has(
    "bypassPolicyLockoutSafetyCheck",
    (None, False),
    "The lockout check of the key policy is bypassed: remove bypassPolicyLockoutSafetyCheck.",
)


RULES = (
    Rule(
        name="phi-key-rotation",
        description="KMS keys rotate automatically, every 90 to 2,560 days.",
        # A replica rotates with its primary key.
        types=frozenset({KEY}),
        check=rotation,
    ),
    Rule(
        name="phi-key-enabled",
        description="KMS keys are enabled.",
        types=frozenset(KEYS),
        check=enabled,
    ),
    Rule(
        name="phi-key-deletion-window",
        description="A KMS key that is scheduled for deletion can be restored for 30 days.",
        types=frozenset(KEYS),
        check=deletion_window,
    ),
    Rule(
        name="phi-key-policy-lockout-check",
        description="The lockout safety check of key policies is never bypassed.",
        types=frozenset({*KEYS, KEY_POLICY}),
        check=lambda resource: _lockout_check(resource.props),
    ),
)
