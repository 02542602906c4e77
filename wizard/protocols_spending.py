"""What a meter can do: count how often the account and the key were used, as AWS itself counts it.

Pure. An edge implements the Protocol and knows no step; the steps know no edge.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from wizard.facts_usage import Usage


class Meter(Protocol):
    """The counts of one Region (`wizard/aws/usage.py`). Reads only; what is denied is None, with the reason."""

    def read(self, *, key_arn: str, bucket: str, since: datetime, until: datetime) -> Usage:
        """What was counted from `since` to `until`. Raises only where the endpoint itself cannot be asked."""
        ...
