"""The two-line door: encryption and decryption of PHI fields by the application's environment.

Touches what the cached key behind it touches: KMS, at the first use and every few minutes of use.

    from phi import PhiFields

    fields = PhiFields.from_environment()
    record = fields.encrypt("Jane")
"""

from __future__ import annotations

import os
import time
from binascii import b2a_base64
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn, TypeVar, overload

from phi.batches import PHI_FIELDS, Column
from phi.cipher import CIPHERTEXT, TAG, draw, parted, require_sixteen_byte_ivs, utf8
from phi.doors import DoorsInOrder
from phi.environment import ACCESS_KEY_ID, SECRET_ACCESS_KEY, Credentials, WrappedKey, WrappedKeys
from phi.events import KeyEvent
from phi.keys import GRACE_SECONDS, TTL_SECONDS, CachedKey, KeySource
from phi.kms import KmsKeySource, Patience

Name = TypeVar("Name")


class PhiFields:
    """Turns texts into records and back under a key that is fetched, kept and renewed behind it.

    Safe between threads and after a fork; never pickled or copied. Every method but `ready` blocks for an unwrap at the
    first use, and at the first after more than five idle minutes: CachedKey says when. A coroutine calls
    `await fields.ready()` first; while a key is held that costs next to nothing.

    Every method raises an UnwrapError where no key is to be had, besides what PhiCipher's of the same name raises.

    >>> class Pinned:  # of a test; a service has `PhiFields.from_environment()`
    ...     def data_key(self) -> bytes:
    ...         return bytes(32)
    >>> fields = PhiFields(CachedKey(Pinned()))
    >>> fields.decrypt(fields.encrypt("Jane"))
    'Jane'
    """

    __slots__ = ("_clock", "_key")

    def __init__(self, key: CachedKey) -> None:
        """Stand before a cached key, whatever its source."""
        self._key = key
        self._clock = key._clock

    @classmethod
    def from_environment(
        cls,
        environ: Mapping[str, str] = os.environ,
        *,
        credentials: Credentials | None = None,
        lenient: bool = False,
        ttl: float = TTL_SECONDS,
        grace: float = GRACE_SECONDS,
        patience: Patience | None = None,
        clock: Callable[[], float] = time.monotonic,
        on_event: Callable[[KeyEvent], object] | None = None,
    ) -> PhiFields:
        """Read the variables and check them, all at once; AWS is not asked before the first use or `ready`.

        `AWS_REGION`, `AWS_KMS_KEY_ID` and `ENCRYPTED_PHI_KEY` must be there; `ENCRYPTED_PHI_KEYS_FOR_READING` and
        `AWS_KMS_FALLBACK_REGIONS` may be: WrappedKeys.from_environment. Credentials are those given, else
        `AWS_ACCESS_KEY_ID` and its companions where they are set in `environ`, else what botocore's own chain finds.

        Raises MissingVariable or MalformedVariable, and CipherUnsupported where the cryptography library refuses
        16-byte IVs. `ttl`, `grace`, `clock` and `on_event` are CachedKey's, `lenient` is PhiCipher's.
        """
        require_sixteen_byte_ivs()
        keys = WrappedKeys.from_environment(environ)
        if credentials is None and (environ.get(ACCESS_KEY_ID) or environ.get(SECRET_ACCESS_KEY)):
            credentials = Credentials.from_environment(environ)

        def source(doors: tuple[WrappedKey, ...]) -> KeySource:
            opened = {door.region: KmsKeySource(door, credentials=credentials, patience=patience) for door in doors}
            return DoorsInOrder(opened, on_event=on_event) if len(opened) > 1 else opened[doors[0].region]

        return cls(
            CachedKey(
                source(keys.current),
                reading=[source(doors) for doors in keys.reading],
                ttl=ttl,
                grace=grace,
                lenient=lenient,
                clock=clock,
                on_event=on_event,
            )
        )

    async def ready(self) -> None:
        """Have a key, and wait for it without blocking the event loop."""
        await self._key.ready()

    def forget(self) -> None:
        """Drop all keys now; the next use unwraps again."""
        self._key.forget()

    # These two do what CachedKey.cipher does, in their own frame: one call the less for each field. The clock has a
    # name of its own because Python looks `self._clock()` up as a method first, which takes as long as the clock.
    def encrypt(self, text: str | None) -> str | None:
        """Encrypt a text; None and "" give None."""
        try:
            serving = self._key._serving
            clock = self._clock
            if text and clock() < serving.until:
                # PhiCipher.encrypt once more, written out: so a field costs with its key at hand what it costs under a
                # pinned key, and the reading of the clock.
                iv = draw(16)
                sealed = serving.aead.encrypt(iv, utf8(text), None)
                for _ in serving.left:
                    break
                else:
                    serving.usage.add(1)
                return parted(
                    (
                        b2a_base64(iv, newline=False),
                        b2a_base64(sealed[TAG], newline=False),
                        b2a_base64(sealed[CIPHERTEXT], newline=False),
                    )
                ).decode()
        except (TypeError, ValueError, OverflowError):
            pass
        # The cipher says what a text is refused for; outside the handler, whose error would carry the text along.
        return self._key.cipher().encrypt(text)

    def decrypt(self, record: str | None) -> str | None:
        """Open a record; None gives None.

        Raises RecordRefused; in its place, while a reading key could not be had that the record may be under, that
        key's UnwrapError.
        """
        serving, clock = self._key._serving, self._clock
        if clock() < serving.until:
            return serving.cipher.decrypt(record)
        return self._key.cipher().decrypt(record)

    @overload
    def encrypt_many(self, values: Mapping[Name, Column]) -> dict[Name, list[str | None]]: ...  # type: ignore[overload-overlap]
    @overload
    def encrypt_many(self, values: Mapping[Name, str | None]) -> dict[Name, str | None]: ...  # type: ignore[overload-overlap]
    @overload
    def encrypt_many(self, values: Iterable[str | None]) -> list[str | None]: ...

    def encrypt_many(self, values: Any) -> Any:
        """Encrypt several texts: an iterable gives a list; a mapping of texts, or of columns, a dict of those names."""
        return self._key.cipher().encrypt_many(values)

    @overload
    def decrypt_many(self, values: Mapping[Name, Column]) -> dict[Name, list[str | None]]: ...  # type: ignore[overload-overlap]
    @overload
    def decrypt_many(self, values: Mapping[Name, str | None]) -> dict[Name, str | None]: ...  # type: ignore[overload-overlap]
    @overload
    def decrypt_many(self, values: Iterable[str | None]) -> list[str | None]: ...

    def decrypt_many(self, values: Any) -> Any:
        """Open several records, in the forms of `encrypt_many`."""
        return self._key.cipher().decrypt_many(values)

    def encrypt_fields(self, patient: Mapping[str, Any], fields: Iterable[str] = PHI_FIELDS) -> dict[str, Any]:
        """A copy of the mapping with these fields encrypted, as far as it has them; the others as they are."""
        return self._key.cipher().encrypt_fields(patient, fields)

    def decrypt_fields(self, patient: Mapping[str, Any], fields: Iterable[str] = PHI_FIELDS) -> dict[str, Any]:
        """A copy of the mapping with these fields opened, as far as it has them; the others as they are."""
        return self._key.cipher().decrypt_fields(patient, fields)

    @property
    def encryptions(self) -> int:
        """How many texts this process has encrypted under the current key."""
        return self._key.cipher().encryptions

    @property
    def passed_through(self) -> int:
        """How many texts the present cipher, being lenient, has given back as they were; it changes with the keys."""
        return self._key.cipher().passed_through

    def __repr__(self) -> str:
        return f"PhiFields({self._key!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("PhiFields are not copied or pickled: they hold a data key.")
