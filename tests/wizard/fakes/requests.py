"""The answers of services that only a deploy target asks: a session in memory."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from wizard.aws.auth.session import Session


class FakeRequests(Session):
    """A session that sends nothing."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
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
