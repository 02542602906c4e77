"""Fault injection and the record of calls, for tests.

Touches memory only.
"""

from collections import deque
from dataclasses import dataclass
from typing import Any

from sandbox.aws.protocol import Call

KINDS = ("error", "hang", "drop")
REMEMBERED_CALLS = 20_000


@dataclass(frozen=True, kw_only=True)
class Fault:
    """`times` calls of an operation fail, after `skip` that succeed; an empty service or operation means any."""

    service: str = ""
    operation: str = ""
    access_key_id: str = ""
    """Access key of the caller whose calls fail; empty for every caller."""
    kind: str = "error"
    error: str = "InternalFailure"
    message: str = "A test ordered the sandbox to fail this call."
    status: int = 400
    seconds: float = 60.0
    times: int = 1
    skip: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}: {self.kind!r}")
        if self.times < 1:
            raise ValueError(f"times must be at least 1: {self.times}")
        if self.skip < 0:
            raise ValueError(f"skip must be at least 0: {self.skip}")

    def matches_call(self, call: Call) -> bool:
        wanted = (self.service, self.operation, self.access_key_id)
        actual = (call.service, call.operation, call.access_key_id)
        return all(name in ("", of_call) for name, of_call in zip(wanted, actual, strict=True))


class Calls:
    """The AWS calls that arrived, oldest first, without their parameters."""

    def __init__(self) -> None:
        self._calls: deque[Call] = deque(maxlen=REMEMBERED_CALLS)

    def add(self, call: Call) -> None:
        self._calls.append(call)

    def clear(self) -> None:
        self._calls.clear()

    def listing(self) -> list[dict[str, Any]]:
        """Each call's service, operation, region and access key id, and whether it was a dry run (KMS has those)."""
        return [
            {
                "service": call.service,
                "operation": call.operation,
                "region": call.region,
                "accessKeyId": call.access_key_id,
                "dryRun": call.parameters.get("DryRun") is True,
            }
            for call in tuple(self._calls)
        ]
