"""Limits the size of one answer, and the pages of one listing. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from wizard.core.errors import UnreadableAnswer
from wizard.core.next_command import Command
from wizard.core.retry import Deadline

CHECK_PROXY = Command("env | grep -i _proxy", advice="if no proxy is in the way, run the same command again")

MAX_PAGES = 1_000
"""Most pages of one listing. The longest one that is read, a key's 50,000 grants, has as many, of 50 each."""
ANSWER_BYTES = 64 * 2**20
"""The largest answer to one call. IAM's page of 1,000 principals with their policies has some 10 MB."""
PIECE_BYTES = 2**16


class TooLarge(Exception):
    """An answer is larger than ANSWER_BYTES."""

    def __str__(self) -> str:
        return f"its answer is larger than {ANSWER_BYTES / 2**20:g} MB"


def read_content(read: Callable[[int], bytes]) -> bytes:
    """All that the function reads, which returns at most as many bytes as asked for. Raises TooLarge."""
    content = bytearray()
    while piece := read(PIECE_BYTES):
        content += piece
        if len(content) > ANSWER_BYTES:
            raise TooLarge
    return bytes(content)


@dataclass(kw_only=True)
class Pages:
    """The limit of one listing: it sends no page twice, has no more pages than there can be, and one time."""

    name: str
    """The call and its endpoint, for a message."""
    deadline: Deadline
    """A page is asked for within it."""
    most: int = MAX_PAGES
    hint: str = CHECK_PROXY
    _asked: set[str] = field(default_factory=set, init=False)
    _last: list[Any] = field(default_factory=list, init=False)

    def ask(self, token: str) -> None:
        """Called before the request for the page that a token names. Raises UnreadableAnswer beyond the limit."""
        if token in self._asked:
            raise self.endless("names a page as the next one that it has sent already")
        if len(self._asked) >= self.most:
            raise self.endless(f"has sent {self.most} pages and names another one, more than there can be")
        if self._asked and self.deadline.left <= 0:
            raise self.endless(
                f"has sent {len(self._asked)} pages in {self.deadline.seconds:g} s and names another one"
            )
        self._asked.add(token)

    def check(self, entries: list[Any]) -> None:
        """Raises UnreadableAnswer for a page with the entries of the page before."""
        if entries and entries == self._last:
            raise self.endless("has sent the same entries on two pages")
        self._last = entries

    def endless(self, why: str) -> UnreadableAnswer:
        """The error for a listing without an end."""
        return UnreadableAnswer(f"{self.name} {why}", self.hint)
