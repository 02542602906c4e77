"""How often each data key has encrypted in this process, and the one warning long before that is too often.

Touches the log (`phi.usage`); of a key it keeps a digest for as long as the process lives.
"""

from __future__ import annotations

import hashlib
import logging
from itertools import islice
from operator import length_hint

WARN_AFTER = 2**26
"""Encryptions under one key, in one process, after which a warning is logged.

NIST SP 800-38D, 8.3 ends the use of a GCM key with IVs of this kind after 2^32 encryptions, over everything that
encrypts under it. A process counts its own alone, so that it speaks at a sixty-fourth of that: there may be many.
"""

_log = logging.getLogger(__name__)


class Tally:
    """A count without a lock: a step of `left` is one call into C, during which no other thread of CPython runs.

    So no two threads draw the same, none waits, and a fork finds no lock held.
    """

    __slots__ = ("left", "size")

    def __init__(self, size: int = 2**62) -> None:
        """Count to `size` at the most; the default is more than a process lives to draw."""
        self.size = size
        self.left = iter(range(size))

    @property
    def drawn(self) -> int:
        """How many were drawn so far."""
        return self.size - length_hint(self.left)


class KeyUsage:
    """The count of one key's encryptions in this process; safe between threads and after a fork."""

    __slots__ = ("_after", "_before", "_unsaid", "left")

    def __init__(self) -> None:
        self._before = Tally(WARN_AFTER)
        self._after = Tally()
        self._unsaid = iter((True,))
        # An encryption takes a step of this; where it ends, it is time to `warn`: no number need be looked at.
        self.left = self._before.left

    @property
    def encryptions(self) -> int:
        """How many encryptions were counted."""
        return self._before.drawn + self._after.drawn

    def add(self, number: int) -> None:
        """Count so many encryptions at once."""
        lacking = number - len(list(islice(self.left, number)))
        if lacking:
            self.warn()
            next(islice(self.left, lacking - 1, None))

    def warn(self) -> None:
        """Say it, the first time; from here on `left` does not end."""
        self.left = self._after.left
        for _ in self._unsaid:  # one at the most, and of threads that come together one alone gets it
            _log.warning(
                "This process has encrypted %d PHI fields under one data key. A key may encrypt 2^32 times, counted "
                "over all processes and machines (NIST SP 800-38D, 8.3): plan to replace the data key.",
                self._before.size,
            )


_USAGES: dict[bytes, KeyUsage] = {}


def usage_of(key: bytes) -> KeyUsage:
    """The count that all ciphers of this key share, however often one is made."""
    return _USAGES.setdefault(hashlib.sha256(key).digest(), KeyUsage())
