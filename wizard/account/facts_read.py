"""Which facts a judgement has read: the reader of the facts says it, and a notice names them.

Pure.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_facts_read: ContextVar[set[str] | None] = ContextVar("facts_read", default=None)


def rests_on(*facts: str) -> None:
    """Record that the judgement that is being made rests on these facts. For the reader of the facts."""
    names = _facts_read.get()
    if names is not None:
        names.update(facts)


@contextmanager
def facts_read() -> Iterator[set[str]]:
    """The names of the facts that are read in the block, in this thread and in those it begins."""
    names: set[str] = set()
    token = _facts_read.set(names)
    try:
        yield names
    finally:
        _facts_read.reset(token)
