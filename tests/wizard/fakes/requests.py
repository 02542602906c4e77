"""The answers of services that only a deploy target asks: an `AwsRequests` in memory."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(kw_only=True)
class FakeRequests:
    """Implements `wizard.core.ports.aws.AwsRequests`."""

    answers: dict[str, Any] = field(default_factory=dict)
    """By `service:Operation`: an answer, or the error that it raises. Nothing is known of any other."""

    def call(self, service: str, operation: str, /, **parameters: Any) -> Any:
        answer = self.answers.get(f"{service}:{operation}", {})
        if isinstance(answer, Exception):
            raise answer
        return answer

    def find(self, service: str, operation: str, /, *, absent: Collection[str], **parameters: Any) -> Any | None:
        return self.call(service, operation, **parameters) or None

    def pages(self, service: str, operation: str, key: str, /, **parameters: Any) -> Iterator[Any]:
        yield from self.call(service, operation, **parameters).get(key) or ()
