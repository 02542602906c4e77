"""Corrections about automatic key rotation: the period is kept and told.

It may write the period to the emulator's key in this process.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.corrections.keys import named_key
from sandbox.principals import Principal
from sandbox.wire import Answer, AwsError, Call, json_answer

DEFAULT_DAYS = 365
SHORTEST_DAYS, LONGEST_DAYS = 90, 2560


def a_rotation_period_is_kept(call: Call, who: Principal | None) -> None:
    """AWS rotates every RotationPeriodInDays, 90 to 2,560 and 365 unless told; the emulator forgets the period.

    https://docs.aws.amazon.com/kms/latest/APIReference/API_EnableKeyRotation.html
    """
    days = call.parameters.get("RotationPeriodInDays", DEFAULT_DAYS)
    if not isinstance(days, int) or not SHORTEST_DAYS <= days <= LONGEST_DAYS:
        what = f"RotationPeriodInDays must be between {SHORTEST_DAYS} and {LONGEST_DAYS}: {days}"
        raise AwsError("ValidationException", what)
    key: Any = named_key(call)
    if key is None:
        return
    if key.key_spec != "SYMMETRIC_DEFAULT" or key.origin != "AWS_KMS":
        raise AwsError("UnsupportedOperationException", f"{key.arn} cannot be rotated automatically.")
    key.rotation_days, key.rotation_since = days, datetime.now(UTC)


def the_rotation_period_is_told(call: Call, answer: Answer) -> Answer:
    """AWS tells the key's ARN, and while rotation is on its period and next date; the emulator only yes or no.

    https://docs.aws.amazon.com/kms/latest/APIReference/API_GetKeyRotationStatus.html
    """
    key: Any = named_key(call)
    found = json.loads(answer.body) | {"KeyId": key.arn}
    if found["KeyRotationEnabled"]:
        days = getattr(key, "rotation_days", DEFAULT_DAYS)
        since = getattr(key, "rotation_since", datetime.fromtimestamp(key.creation_date, UTC))
        found |= {
            "RotationPeriodInDays": days,
            "NextRotationDate": (since + timedelta(days=days)).timestamp(),
        }
    return replace(answer, body=json_answer(found).body)
