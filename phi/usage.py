"""How often each data key has encrypted in this process, and the one warning long before that is too often.

Touches the log (`phi.usage`); of a key it keeps a digest for as long as the process lives.
"""

from __future__ import annotations

import hashlib
import itertools
import logging
import sys

WARN_AFTER = 2**26
"""Encryptions under one key, in one process, after which a warning is logged.

NIST SP 800-38D, 8.3 ends the use of a GCM key with IVs of this kind after 2^32 encryptions, over everything that
encrypts under it. A process counts its own alone, so that it speaks at a sixty-fourth of that: there may be many.
"""

_log = logging.getLogger(__name__)


class KeyUsage:
    """The count of one key's encryptions in this process; safe between threads and after a fork without a lock."""

    __slots__ = ("_once", "ordinals", "warn_from")

    def __init__(self) -> None:
        # Drawing the next is one call into C, during which no other thread of CPython runs: none is drawn twice.
        self.ordinals = itertools.count(1)
        self.warn_from = WARN_AFTER
        self._once = iter((True,))

    @property
    def encryptions(self) -> int:
        """How many ordinals were drawn."""
        # Its written form is the one way to look at a counter without advancing it.
        return int(repr(self.ordinals)[len("count(") : -1]) - 1

    def add(self, number: int) -> None:
        """Count as many encryptions at once; 0 or more."""
        if number and next(itertools.islice(self.ordinals, number - 1, None)) >= self.warn_from:
            self.warn()

    def warn(self) -> None:
        """Say it, the first time; who draws an ordinal of `warn_from` or above calls this."""
        # From here on no ordinal reaches it, so that those who come later do not pay for what was said.
        self.warn_from = sys.maxsize
        if next(self._once, False):
            _log.warning(
                "This process has encrypted %d PHI fields under one data key. A key may encrypt 2^32 times, counted "
                "over all processes and machines (NIST SP 800-38D, 8.3): plan to replace the data key.",
                WARN_AFTER,
            )


_USAGES: dict[bytes, KeyUsage] = {}


def usage_of(key: bytes) -> KeyUsage:
    """The count that all ciphers of this key share, however often one is made."""
    return _USAGES.setdefault(hashlib.sha256(key).digest(), KeyUsage())
