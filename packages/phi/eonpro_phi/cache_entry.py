"""The unwrapped keys in the cache: how long each is used, when it is refreshed, and the delay after a failure.

Touches nothing: times are seconds of the one clock that the caller reads.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from eonpro_phi.cipher import PhiCipher
from eonpro_phi.errors import TransientUnwrapError, Unreachable, UnwrapError

RETRY_DELAYS_SECONDS = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""The delay before the next attempt after one failure, two in a row…; jitter cuts each to between half and all."""


REFRESH_AHEAD = 0.2
"""The share of the TTL, at its end, for the refresh: it starts after four to four and a half minutes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CachePolicy:
    """The times of cached keys, in seconds."""

    ttl: float
    grace: float

    def __post_init__(self) -> None:
        if not self.ttl > 0 or not self.grace >= 0:
            raise ValueError("ttl must be above 0, and grace 0 or more.")

    def unwrapped(self, key: bytes, requested_at: float) -> "UnwrappedKey":
        """The key with its times. Its age counts from the request: KMS checked the permissions then."""
        expires_at = requested_at + self.ttl
        return UnwrappedKey(key=key, expires_at=expires_at, unusable_at=expires_at + self.grace)

    def refresh_at(self, key: "UnwrappedKey", jitter: float) -> float:
        """When to unwrap again; `jitter`, 0 to 1, spreads the requests of many processes."""
        return key.expires_at - self.ttl * REFRESH_AHEAD * (1 - jitter / 2)


@dataclass(frozen=True, kw_only=True, slots=True)
class UnwrappedKey:
    """One unwrapped key: fresh until `expires_at`, usable until `unusable_at`."""

    key: bytes = field(repr=False)
    expires_at: float
    unusable_at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadingKey:
    """A key that only decrypts: the unwrapped key while it is usable, and why the last attempt failed, if it did."""

    unwrapped: UnwrappedKey | None
    failure: UnwrapError | None

    def updated(self, result: UnwrappedKey | UnwrapError, now: float) -> "ReadingKey":
        """The key after an attempt. A transient failure leaves it usable until its grace ends, as the current key."""
        if isinstance(result, UnwrappedKey):
            return ReadingKey(unwrapped=result, failure=None)
        usable = isinstance(result, TransientUnwrapError) and self.unwrapped and now < self.unwrapped.unusable_at
        return ReadingKey(unwrapped=self.unwrapped if usable else None, failure=result.copy())

    def is_past_grace(self, now: float) -> bool:
        """Whether no attempt renewed it before its grace ended."""
        return self.failure is not None and self.unwrapped is not None and now >= self.unwrapped.unusable_at


_NOT_UNWRAPPED = ReadingKey(unwrapped=None, failure=None)


@dataclass(frozen=True, kw_only=True, slots=True)
class CacheEntry:
    """The content of the cache: the current key, the reading keys, and the cipher of them all."""

    current: UnwrappedKey
    reading_keys: tuple[ReadingKey, ...]
    lenient: bool
    cipher: PhiCipher = field(repr=False)
    derived: dict[object, Any] = field(repr=False)
    """What was made of the keys by `CachedKey.derived`; it ends with the cipher."""

    def data_keys(self) -> tuple[bytes, ...]:
        """The current key, then the reading keys. Raises the UnwrapError of one that is not available."""
        keys = [self.current.key]
        for reading in self.reading_keys:
            if reading.unwrapped is None:
                raise reading.failure.copy() if reading.failure else Unreachable("A key has not been asked for yet.")
            keys.append(reading.unwrapped.key)
        return tuple(keys)

    def expiry_times(self) -> list[float]:
        """The times at which one of its keys expires or becomes unusable."""
        reading = [key.unwrapped.unusable_at for key in self.reading_keys if key.unwrapped]
        return [self.current.expires_at, self.current.unusable_at, *reading]

    def usable_at(self, now: float) -> "CacheEntry | None":
        """The entry without the keys that are not usable at this time; itself, if all are."""
        if now >= self.current.unusable_at:
            return None
        if not any(key.is_past_grace(now) for key in self.reading_keys):
            return self
        reading_keys = [
            ReadingKey(unwrapped=None, failure=key.failure) if key.is_past_grace(now) else key
            for key in self.reading_keys
        ]
        return _build_entry(self.current, reading_keys, lenient=self.lenient, previous=None)


def next_entry(
    previous: CacheEntry | None,
    current: UnwrappedKey | UnwrapError,
    reading: Sequence[UnwrappedKey | UnwrapError],
    now: float,
    *,
    lenient: bool,
) -> CacheEntry | None:
    """The entry after an attempt with these results. Without the current key, those of reading keys are ignored."""
    if isinstance(current, UnwrappedKey):
        before = previous.reading_keys if previous is not None else [_NOT_UNWRAPPED] * len(reading)
        reading_keys = [before[number].updated(result, now) for number, result in enumerate(reading)]
        return _build_entry(current, reading_keys, lenient=lenient, previous=previous)
    if previous is not None and isinstance(current, TransientUnwrapError):
        return previous.usable_at(now)
    return None


def _build_entry(
    current: UnwrappedKey, reading: Sequence[ReadingKey], *, lenient: bool, previous: CacheEntry | None
) -> CacheEntry:
    """The entry of these keys; it keeps the previous cipher while the keys are the same."""
    reading_keys = tuple(reading)
    if previous is not None and _identity(current, reading_keys) == _identity(previous.current, previous.reading_keys):
        cipher, derived = previous.cipher, previous.derived
    else:
        derived = {}
        keys = [key.unwrapped.key for key in reading_keys if key.unwrapped]
        missing = next((key.failure for key in reading_keys if key.failure and not key.unwrapped), None)
        cipher = PhiCipher(current.key, reading_keys=keys, lenient=lenient, missing=missing)
    return CacheEntry(current=current, reading_keys=reading_keys, lenient=lenient, cipher=cipher, derived=derived)


def retry_delay(failures: int, jitter: float) -> float:
    """Seconds until the next attempt after this many failures in a row; `jitter` is from 0 to 1."""
    return RETRY_DELAYS_SECONDS[min(failures, len(RETRY_DELAYS_SECONDS)) - 1] * (1 + jitter) / 2


def _identity(current: UnwrappedKey, reading_keys: tuple[ReadingKey, ...]) -> list[bytes | tuple[object, ...]]:
    return [
        current.key,
        *(key.unwrapped.key if key.unwrapped else (type(key.failure), str(key.failure)) for key in reading_keys),
    ]
