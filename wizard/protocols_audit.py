"""What an edge can tell of the audit: a trail of any kind, the alerts, what is on the bucket, who used the key.

Pure. An edge implements a Protocol and knows no step; the steps know no edge.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from components.contract import Settings
from wizard.facts import TrailFact
from wizard.facts_audit import AlertsFact, BucketDocuments, KeyUses


class Audit(Protocol):
    """The audit of one Region (`wizard/aws/audit.py`). Reads only; raises errors of `wizard.errors` only."""

    def trail(self, arn: str) -> TrailFact | None:
        """The trail of that ARN, wherever its home is and however few Regions it records; None for none."""
        ...

    def selectors(self, arn: str) -> Mapping[str, Any]:
        """What the trail selects, as CloudTrail has it: `EventSelectors`, `AdvancedEventSelectors`."""
        ...

    def bucket_documents(self, bucket: str) -> BucketDocuments: ...

    def alerts(self, settings: Settings) -> AlertsFact:
        """The topic of the alerts and their rules, under the stack's names, in its own Region."""
        ...

    def key_uses(self, key_arn: str, *, since: datetime) -> KeyUses:
        """The Decrypt calls on the key since then, refused ones too, without those of a proof of this product's.

        CloudTrail tells them within minutes.
        """
        ...
