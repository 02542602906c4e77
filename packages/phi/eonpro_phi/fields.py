"""Encryption and decryption of PHI fields with the key of the application's environment, in two lines.

Touches what its cached key touches: KMS, at the first use and every few minutes of use.

    from eonpro_phi import PhiFields

    fields = PhiFields.from_environment()
    record = fields.encrypt("Jane")
"""

import logging
import os
import time
from binascii import b2a_base64
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

from eonpro_phi.batches import PHI_FIELDS
from eonpro_phi.binary.fields import BinaryFields
from eonpro_phi.cipher import random_bytes, require_sixteen_byte_ivs, utf8
from eonpro_phi.development import LOUD
from eonpro_phi.development import development_key as key_for_development
from eonpro_phi.environment import ACCESS_KEY_ID, SECRET_ACCESS_KEY, Credentials, WrappedKey, WrappedKeys
from eonpro_phi.hashes import NORMALISATIONS, derived_hash_key, text_hash
from eonpro_phi.key_cache import GRACE_SECONDS, TTL_SECONDS, CachedKey
from eonpro_phi.kms import KmsKeySource
from eonpro_phi.raw_record import CIPHERTEXT, TAG, join_parts
from eonpro_phi.search.indexes import ExactIndex, WordIndex
from eonpro_phi.search.keys import Clinic, ExactKey, WordKey, exact_values, token_groups
from eonpro_phi.tenants import TenantFields

Made = TypeVar("Made")
Derive = Callable[[tuple[bytes, ...]], tuple[Made, ...]]


class PhiFields(BinaryFields):
    """Encrypts texts to records and back with a key that is fetched, cached and refreshed automatically.

    Safe between threads and after a fork; never pickled or copied. Every method but `ready` blocks for an unwrap at the
    first use, and at the first after more than five idle minutes: see CachedKey. A coroutine calls
    `await fields.ready()` first; while a key is cached that costs next to nothing.

    Every method raises an UnwrapError where no key is available, and what PhiCipher's method of the same name raises.

    >>> class Pinned:  # for a test; a service uses `PhiFields.from_environment()`
    ...     def data_key(self) -> bytes:
    ...         return bytes(32)
    >>> fields = PhiFields(CachedKey(Pinned()))
    >>> fields.decrypt(fields.encrypt("Jane"))
    'Jane'
    """

    __slots__ = ("_clock", "_derived_hash_keys", "_former_hash_keys", "_hash_key", "_key")

    def __init__(
        self,
        key: CachedKey,
        *,
        hash_key: CachedKey | None = None,
        former_hash_keys: Sequence[CachedKey] = (),
        derived_hash_keys: bool = False,
    ) -> None:
        """Use these cached keys. Without a `hash_key` it is derived from the data key.

        Lookups try the `former_hash_keys` too, and with `derived_hash_keys` those that the data keys give; without a
        `hash_key` they always try those.
        """
        self._key = key
        self._cipher = key.cipher
        self._hash_key = hash_key
        self._former_hash_keys = tuple(former_hash_keys)
        self._derived_hash_keys = derived_hash_keys or hash_key is None
        self._clock = key._clock

    @classmethod
    def from_environment(
        cls,
        environ: Mapping[str, str] | None = None,
        *,
        credentials: Credentials | None = None,
        lenient: bool = False,
        ttl: float = TTL_SECONDS,
        grace: float = GRACE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        development_key: str | None = None,
    ) -> "PhiFields":
        """Read the variables (by default the process's) and check them all; no request before the first use or `ready`.

        `AWS_REGION`, `AWS_KMS_KEY_ID` and `ENCRYPTED_PHI_KEY` are required, `ENCRYPTED_PHI_KEYS_FOR_READING`,
        `ENCRYPTED_PHI_HASH_KEY` and `ENCRYPTED_PHI_HASH_KEYS_FOR_READING` optional: see WrappedKeys. Credentials: the
        argument, else `AWS_ACCESS_KEY_ID` and the variables that belong to it in `environ`, else those of botocore's
        own chain.
        With a `development_key`, or `PHI_DEVELOPMENT_KEY`, none of them: a key of that text, and no AWS.

        Raises MissingVariable or MalformedVariable, and CipherUnsupported where the cryptography library refuses
        16-byte IVs. `ttl`, `grace` and `clock` are CachedKey's, `lenient` is PhiCipher's.
        """
        require_sixteen_byte_ivs()
        # Not a default argument: `help()` prints those, with every secret of the environment.
        environ = os.environ if environ is None else environ
        if key := key_for_development(environ, development_key):
            logging.getLogger("eonpro_phi").warning(LOUD)
            return cls(CachedKey(key, ttl=ttl, grace=grace, lenient=lenient, clock=clock))
        keys = WrappedKeys.from_environment(environ)
        if credentials is None and (environ.get(ACCESS_KEY_ID) or environ.get(SECRET_ACCESS_KEY)):
            credentials = Credentials.from_environment(environ)

        def cached(*wrapped: WrappedKey) -> CachedKey:
            sources = [KmsKeySource(key, credentials=credentials) for key in wrapped]
            return CachedKey(
                sources[0],
                reading_keys=sources[1:],
                ttl=ttl,
                grace=grace,
                lenient=lenient,
                clock=clock,
            )

        return cls(
            cached(keys.current, *keys.reading_keys),
            hash_key=cached(keys.hash_key) if keys.hash_key else None,
            former_hash_keys=[cached(key) for key in keys.former_hash_keys],
            derived_hash_keys=keys.derived_hash_keys,
        )

    async def ready(self) -> None:
        """Get the keys without blocking the event loop."""
        for key in self._keys():
            await key.ready()

    def forget(self) -> None:
        """Drop all keys now; the next use unwraps again."""
        for key in self._keys():
            key.forget()

    def search_hash(self, field: str, text: str | None) -> str | None:
        """The value that the application stores in `emailHash` (field "email") or `dobHash` ("dob"); None for a
        placeholder.

        Raises KeyError for another field.
        """
        return text_hash(self._current_hash_key(), text, NORMALISATIONS[field])

    def search_hashes(self, field: str, text: str | None) -> list[str]:
        """The values of `emailHash` or `dobHash` to look up, one for each hash key in use; none for a placeholder."""
        hashes = (text_hash(key, text, NORMALISATIONS[field]) for key in self._all_hash_keys())
        return list(dict.fromkeys(each for each in hashes if each is not None))

    def search_value(self, index: ExactIndex, text: str | None, clinic: Clinic = "") -> str | None:
        """The value to store for a row; None for nothing to hash. Raises NotText and InvalidText."""
        return self._exact_keys(index, clinic, of_all=False)[0].value(text)

    def search_values(self, index: ExactIndex, text: str | None, clinic: Clinic = "") -> list[str]:
        """The values to look up, under each hash key in use: `column IN (values)`. None for nothing to hash: then no
        row is the wanted one.

        Raises as `search_value`, and the UnwrapError of any of the keys: without one of them rows would be missing.
        """
        return exact_values(self._exact_keys(index, clinic, of_all=True), text)

    def search_tokens(self, index: WordIndex, texts: Iterable[str | None], clinic: Clinic = "") -> list[int]:
        """The tokens to store for a row, from the texts of its searched columns: sorted, each once. Raises NotText."""
        return self._word_keys(index, clinic, of_all=False)[0].row_tokens(texts)

    def search_groups(self, index: WordIndex, query: str, clinic: Clinic = "") -> list[list[int]]:
        """The tokens of each word of a query; a row has to have one of them: `column && group` for each, joined by
        AND. Decrypt the rows, and keep those that `index.matches`. No group: the query finds nothing.

        Raises as `search_values`.
        """
        return token_groups(self._word_keys(index, clinic, of_all=True), query)

    def _exact_keys(self, index: ExactIndex, clinic: Clinic, *, of_all: bool) -> tuple[ExactKey, ...]:
        return self._of_hash_keys((index, str(clinic)), lambda key: ExactKey(key, index, clinic), of_all=of_all)

    def _word_keys(self, index: WordIndex, clinic: Clinic, *, of_all: bool) -> tuple[WordKey, ...]:
        return self._of_hash_keys((index, str(clinic)), lambda key: WordKey(key, index, clinic), of_all=of_all)

    def _current_hash_key(self) -> bytes:
        return self._of_hash_keys("hash key", bytes, of_all=False)[0]

    def _all_hash_keys(self) -> list[bytes]:
        """The current hash key, then the former ones."""
        return list(dict.fromkeys(self._of_hash_keys("hash key", bytes, of_all=True)))

    def _of_hash_keys(self, name: Hashable, make: Callable[[bytes], Made], *, of_all: bool) -> tuple[Made, ...]:
        """What `make` makes of the current hash key, then `of_all` the former ones: each is kept, under the name, with
        the key that it is of. Without a hash key of its own, the current one is derived from the current data key.
        """
        # No `def`: its annotations would be evaluated at each lookup.
        own: Derive[Made] = lambda keys: tuple([make(key) for key in keys])  # noqa: E731
        of_data_keys: Derive[Made] = lambda keys: own(tuple(map(derived_hash_key, keys)))  # noqa: E731
        if self._hash_key is None and not (of_all and self._former_hash_keys):
            return self._key.derived(name, of_data_keys, of_all=of_all)
        if not of_all:
            assert self._hash_key is not None
            return self._hash_key.derived(name, own, of_all=False)
        found = () if self._hash_key is None else self._hash_key.derived(name, own, of_all=False)
        if self._derived_hash_keys:
            found += self._key.derived(name, of_data_keys, of_all=True)
        return sum((key.derived(name, own, of_all=False) for key in self._former_hash_keys), found)

    def _keys(self) -> list[CachedKey]:
        return [self._key, *([] if self._hash_key is None else [self._hash_key]), *self._former_hash_keys]

    # The next two repeat CachedKey.cipher inline: one call less for each field. The clock gets a local name because
    # Python looks `self._clock()` up as a method first, which takes as long as the clock itself.
    def encrypt(self, text: str | None) -> str | None:
        """Encrypt a text; None and "" return None."""
        try:
            snapshot = self._key._snapshot
            clock = self._clock
            if text and clock() < snapshot.valid_until:
                # PhiCipher.encrypt, repeated inline: with a cached key a field costs what it costs with a pinned key,
                # and one reading of the clock.
                iv = random_bytes(16)
                sealed = snapshot.aead.encrypt(iv, utf8(text), None)
                return join_parts(
                    (
                        b2a_base64(iv, newline=False),
                        b2a_base64(sealed[TAG], newline=False),
                        b2a_base64(sealed[CIPHERTEXT], newline=False),
                    )
                ).decode()
        except (TypeError, ValueError, OverflowError):
            pass
        # The cipher raises the right error; outside the handler, whose error holds the text.
        return self._key.cipher().encrypt(text)

    def encrypt_v2(self, text: str | None, context: str = "") -> str | None:
        """A record of version 2, bound to its place: see PhiCipher.encrypt_v2. The application cannot read it."""
        return self._key.cipher().encrypt_v2(text, context)

    def decrypt(self, record: str | None, context: str = "") -> str | None:
        """Decrypt a record; None returns None. `context` is that of `encrypt_v2`.

        Raises DecryptionError. While a reading key that may be the record's is not available, raises that key's
        UnwrapError instead.
        """
        snapshot, clock = self._key._snapshot, self._clock
        if clock() < snapshot.valid_until:
            return snapshot.cipher.decrypt(record, context)
        return self._key.cipher().decrypt(record, context)

    def encrypt_many(self, values: Iterable[str | None]) -> list[str | None]:
        """Encrypt several texts."""
        return self._key.cipher().encrypt_many(values)

    def decrypt_many(self, values: Iterable[str | None]) -> list[str | None]:
        """Decrypt several records."""
        return self._key.cipher().decrypt_many(values)

    def encrypt_fields(self, patient: Mapping[str, Any], fields: Iterable[str] = PHI_FIELDS) -> dict[str, Any]:
        """A copy of the mapping with these fields encrypted, where they exist; the others are unchanged."""
        return self._key.cipher().encrypt_fields(patient, fields)

    def decrypt_fields(self, patient: Mapping[str, Any], fields: Iterable[str] = PHI_FIELDS) -> dict[str, Any]:
        """A copy of the mapping with these fields decrypted, where they exist; the others are unchanged."""
        return self._key.cipher().decrypt_fields(patient, fields)

    def for_tenant(self, tenant: str) -> TenantFields:
        """Encryption for one tenant, under a key of its own that is derived from the data key: its records open with no
        other tenant's key. `tenant` is an id that never changes. Raises InvalidTenant.

        >>> from eonpro_phi import PhiCipher
        >>> clinic = PhiCipher(bytes(32)).for_tenant("clinic-7")
        >>> clinic.decrypt(clinic.encrypt("Jane", "Patient.firstName"), "Patient.firstName")
        'Jane'
        """
        return TenantFields(tenant, self._key.cipher)

    def __repr__(self) -> str:
        return f"PhiFields({self._key!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A PhiFields cannot be copied or pickled: it holds a data key.")
