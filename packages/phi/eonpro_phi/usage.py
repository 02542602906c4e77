"""Counts the encryptions of each data key in this process, and warns once, long before the limit of a GCM key.

Touches the log (`eonpro_phi.usage`); keeps a digest of each key for as long as the process lives.
"""

import hashlib
import logging
from itertools import islice, repeat
from operator import length_hint

WARN_AFTER = 2**26
"""Encryptions under one key, in one process, after which a warning is logged.

NIST SP 800-38D, 8.3 limits a GCM key with random IVs to 2^32 encryptions, over every process that uses it. One process
knows its own count only, so it warns at a sixty-fourth of the limit: there may be many processes.
"""

_log = logging.getLogger(__name__)


class AtomicCounter:
    """A counter without a lock: one step of `steps` is one call into C, during which no other CPython thread runs.

    Two threads never take the same step, none waits, and a fork never leaves a lock closed in the child.
    """

    __slots__ = ("size", "steps")

    def __init__(self, size: int = 2**62) -> None:
        """Count up to `size`; a process does not live long enough to reach the default."""
        self.size = size
        self.steps = repeat(None, size)

    @property
    def count(self) -> int:
        """Number of steps so far."""
        return self.size - length_hint(self.steps)


class KeyUsage:
    """The number of encryptions under one key in this process; safe between threads and after a fork."""

    __slots__ = ("_after_warning", "_before_warning", "_warning", "steps")

    def __init__(self) -> None:
        self._before_warning = AtomicCounter(WARN_AFTER)
        self._after_warning = AtomicCounter()
        self._warning = iter((True,))
        # Each encryption takes one step. The iterator ends at WARN_AFTER, so no number needs to be compared.
        self.steps = self._before_warning.steps

    @property
    def encryptions(self) -> int:
        """Number of encryptions."""
        return self._before_warning.count + self._after_warning.count

    def add(self, number: int) -> None:
        """Count this many encryptions at once."""
        missing = number - len(list(islice(self.steps, number)))
        if missing:
            self.warn()
            next(islice(self.steps, missing - 1, None))

    def warn(self) -> None:
        """Log the warning, the first time; from here on `steps` does not end."""
        self.steps = self._after_warning.steps
        for _ in self._warning:  # one step at most: of several threads exactly one logs
            _log.warning(
                "This process has encrypted %d PHI fields under one data key. A key may encrypt 2^32 times, counted "
                "over all processes and machines (NIST SP 800-38D, 8.3): plan to replace the data key.",
                self._before_warning.size,
            )


_USAGES: dict[bytes, KeyUsage] = {}


def usage_of(key: bytes) -> KeyUsage:
    """The usage that all ciphers of this key share, however many there are."""
    return _USAGES.setdefault(hashlib.sha256(key).digest(), KeyUsage())
