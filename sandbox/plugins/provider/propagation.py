"""Waiting until AWS sees what it has just made: a new principal takes seconds to be valid in a policy.

May touch nothing itself; it repeats the call it is handed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from sandbox.plugins.provider.errors import code_of

Answer = TypeVar("Answer")
# The real provider waits up to two minutes; most principals are seen within five seconds.
PAUSES_SECONDS = (0.5, 1.0, 2.0, 4.0)


def once_principals_are_seen(call: Callable[[], Answer]) -> Answer:
    """Repeat a call that is refused for a principal in its policy that AWS does not see yet."""
    from botocore.exceptions import ClientError

    for pause in PAUSES_SECONDS:
        try:
            return call()
        except ClientError as error:
            # KMS says MalformedPolicyDocumentException, IAM MalformedPolicyDocument, S3 MalformedPolicy.
            if not code_of(error).startswith("MalformedPolicy") or "principal" not in str(error).lower():
                raise
        time.sleep(pause)
    return call()
