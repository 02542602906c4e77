"""This machine's clock against AWS's, by the `Date` of an answer: AWS takes no request that is signed at another time.

Reads the clock; touches nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from wizard.core.errors import CredentialsError
from wizard.core.next_command import Command

TOLERATED = 5 * 60
"""Seconds by which a clock may be off; S3 bears 15 minutes.

https://docs.aws.amazon.com/IAM/latest/UserGuide/signature-v4-troubleshooting.html
"""


def skew_of(response: Mapping[str, Any]) -> float | None:
    """Seconds that this machine's clock is ahead of AWS's, by the `Date` of an answer that has just come."""
    told = response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    try:
        theirs = parsedate_to_datetime(str(told))
    except ValueError:
        return None
    return (datetime.now(UTC) - theirs).total_seconds() if theirs.tzinfo else None


def wrong_clock(response: Mapping[str, Any]) -> CredentialsError | None:
    """What a refusal comes of, where this machine's clock is off by more than AWS bears; None where it is not."""
    skew = skew_of(response)
    if skew is None or abs(skew) <= TOLERATED:
        return None
    ours = datetime.now(UTC)
    theirs = datetime.fromtimestamp(ours.timestamp() - skew, UTC)
    return CredentialsError(
        f"this machine's clock is wrong: it says {ours:%Y-%m-%d %H:%M:%S} UTC, AWS says {theirs:%Y-%m-%d %H:%M:%S} UTC,"
        " and AWS takes no request that is off by more than 5 minutes",
        Command("timedatectl set-ntp true", advice="then run the same command again"),
    )
