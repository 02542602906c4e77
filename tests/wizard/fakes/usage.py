"""A fake of the usage metrics (`wizard.core.ports.aws.UsageMetrics`): the counts that a test gives it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from wizard.core.models.trail import Usage


@dataclass(kw_only=True)
class FakeUsageMetrics:
    """Answers with the usage it was given, in the window it is asked for; all unknown unless a test says more."""

    usage: Usage | None = None
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Key and bucket of each reading."""

    def read(self, *, key_arn: str, bucket: str, since: datetime, until: datetime) -> Usage:
        self.asked.append((key_arn, bucket))
        return replace(self.usage, since=since, until=until) if self.usage else Usage(since=since, until=until)
