"""How long an unwrapped key may serve: its TTL, the moment of its refresh, its grace, and the pause after a failure.

Touches nothing: moments are seconds of the one clock that the caller reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from phi.batches import PHI_FIELDS, in_fields, in_its_form
from phi.cipher import PhiCipher
from phi.errors import RecordRefused, TransientUnwrapError, UnwrapError
from phi.record import Record

PAUSES_SECONDS = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""How long the next attempt waits after one failure, two in a row…; chance cuts each to between half and all of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """The terms on which keys are held, in seconds; `ahead` is the share of the TTL in which a refresh may begin."""

    ttl: float
    grace: float
    ahead: float

    def __post_init__(self) -> None:
        if not self.ttl > 0 or not self.grace >= 0 or not 0 <= self.ahead < 1:
            raise ValueError("A TTL is above 0, a grace is 0 or more, and a share ahead from 0 to below 1.")

    def lease(self, key: bytes, asked: float) -> Lease:
        """The key on these terms; its age counts from the asking, for that is when KMS judged."""
        return Lease(key=key, expires=asked + self.ttl, ends=asked + self.ttl + self.grace)

    def refresh(self, lease: Lease, chance: float) -> float:
        """When to ask anew: by `chance`, 0 to 1, in the first half of the share ahead: a fleet must not ask at once."""
        return lease.expires - self.ttl * self.ahead * (1 - chance / 2)


@dataclass(frozen=True, kw_only=True, slots=True)
class Lease:
    """One unwrapped key: fresh until it `expires`, of use until it `ends`."""

    key: bytes = field(repr=False)
    expires: float
    ends: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadingKey:
    """A key that is only read with: its lease while there is one, and why the last attempt failed, if it did."""

    lease: Lease | None
    failure: UnwrapError | None

    def after(self, answer: Lease | UnwrapError, now: float) -> ReadingKey:
        """What an attempt makes of it: as with the current key, a transient failure leaves the lease until it ends."""
        if isinstance(answer, Lease):
            return ReadingKey(lease=answer, failure=None)
        stays = isinstance(answer, TransientUnwrapError) and self.lease is not None and now < self.lease.ends
        return ReadingKey(lease=self.lease if stays else None, failure=answer.again())

    def has_ended(self, now: float) -> bool:
        """Whether its lease, which no attempt renewed, is over."""
        return self.failure is not None and self.lease is not None and now >= self.lease.ends


_NEVER_HAD = ReadingKey(lease=None, failure=None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """What is held: the lease of the current key, the reading keys, and the cipher of them all."""

    current: Lease
    reading: tuple[ReadingKey, ...]
    lenient: bool
    cipher: PhiCipher = field(repr=False)

    def boundaries(self) -> list[float]:
        """The moments at which something ends."""
        return [self.current.expires, self.current.ends, *(one.lease.ends for one in self.reading if one.lease)]

    def at(self, now: float) -> Held | None:
        """What of it is of use at this moment; itself, if all is."""
        if now >= self.current.ends:
            return None
        if not any(one.has_ended(now) for one in self.reading):
            return self
        reading = [ReadingKey(lease=None, failure=one.failure) if one.has_ended(now) else one for one in self.reading]
        return _hold(self.current, reading, lenient=self.lenient, former=None)


def after(
    former: Held | None,
    current: Lease | UnwrapError,
    reading: Sequence[Lease | UnwrapError],
    now: float,
    *,
    lenient: bool,
) -> Held | None:
    """What is held after an attempt that had these answers; those for reading are moot without the current key."""
    if isinstance(current, Lease):
        was = former.reading if former is not None else [_NEVER_HAD] * len(reading)
        held = [was[number].after(answer, now) for number, answer in enumerate(reading)]
        return _hold(current, held, lenient=lenient, former=former)
    if former is not None and isinstance(current, TransientUnwrapError):
        return former.at(now)
    return None


def _hold(current: Lease, reading: Sequence[ReadingKey], *, lenient: bool, former: Held | None) -> Held:
    """Hold these; while the keys are the former ones, so is the cipher."""
    held = tuple(reading)
    if former is not None and _keys(current, held) == _keys(former.current, former.reading):
        cipher = former.cipher
    else:
        keys = [one.lease.key for one in held if one.lease]
        missing = [one.failure for one in held if one.failure and not one.lease]
        cipher = PhiCipher(current.key, reading=keys, lenient=lenient)
        if missing:
            cipher = _PartialCipher(current.key, keys, lenient, missing[0])
    return Held(current=current, reading=held, lenient=lenient, cipher=cipher)


def pause(failures: int, chance: float) -> float:
    """Seconds until the next attempt after so many failures in a row; `chance` is from 0 to 1."""
    return PAUSES_SECONDS[min(failures, len(PAUSES_SECONDS)) - 1] * (1 + chance) / 2


def _keys(current: Lease, reading: tuple[ReadingKey, ...]) -> list[bytes | tuple[object, ...]]:
    return [current.key, *(one.lease.key if one.lease else (type(one.failure), str(one.failure)) for one in reading)]


class _PartialCipher(PhiCipher):
    """A cipher without one of its reading keys: a well-formed record that no other opens may be under that one.

    It is met with that key's UnwrapError in place of RecordRefused, which would call a sound record corrupt.
    """

    __slots__ = ("_missing",)
    _missing: UnwrapError

    def __init__(self, key: bytes, reading: Sequence[bytes], lenient: bool, missing: UnwrapError) -> None:
        super().__init__(key, reading=reading, lenient=lenient)
        object.__setattr__(self, "_missing", missing)

    def decrypt(self, record: str | None) -> str | None:
        try:
            return super().decrypt(record)
        except RecordRefused:
            pass
        if isinstance(record, str):
            Record.parse(record)  # what is no record was refused rightly
            raise self._missing.again()
        raise RecordRefused

    def decrypt_many(self, values: Any) -> Any:
        return in_its_form(values, self._each)

    def decrypt_fields(self, patient: Mapping[str, Any], fields: Iterable[str] = PHI_FIELDS) -> dict[str, Any]:
        return in_fields(patient, fields, self._each)

    def _each(self, records: list[str | None]) -> list[str | None]:
        return [self.decrypt(record) for record in records]
