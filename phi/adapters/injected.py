"""The cipher that an application injects into an adapter: an object, or a callable that returns one at the first use.

Touches what the callable touches, and caches its result; importing an application's models makes no request to AWS.
"""

from collections.abc import Callable
from typing import Any, Protocol, cast
from uuid import UUID

from phi.adapters.values import BYTES, ValueForm
from phi.errors import DecryptionError, UnwrapError
from phi.record import place


class FieldCipher(Protocol):
    """The methods of a PhiFields that an adapter uses; in a test, of a PhiCipher."""

    def encrypt(self, text: str | None) -> str | None:
        """A text as a record; None and "" return None."""

    def decrypt(self, record: str | None) -> str | None:
        """A record as its text; None returns None."""

    def encrypt_many(self, values: list[str | None]) -> list[str | None]:
        """Several texts as records."""

    def decrypt_many(self, values: list[str | None]) -> list[str | None]:
        """Several records as their texts."""


class BindingCipher(FieldCipher, Protocol):
    """The methods for bytes, for tenants, and for records that are bound to their place."""

    def for_tenant(self, tenant: str) -> "BindingCipher":
        """The same under the key of a tenant."""

    def encrypt_v2(self, text: str | None, context: str = "") -> str | None:
        """A text as a record of version 2."""

    def decrypt(self, record: str | None, context: str = "") -> str | None:
        """A record as its text."""

    def encrypt_bytes(self, data: Any, context: str = "") -> bytes | None:
        """Bytes as a binary record."""

    def decrypt_bytes(self, record: Any, context: str = "") -> bytes | None:
        """A binary record as its bytes."""


CipherProvider = FieldCipher | Callable[[], FieldCipher]
"""The argument of a column's declaration: `PhiFields.from_environment`, a function of the application, or an object."""

_ciphers: dict[Callable[[], FieldCipher], FieldCipher] = {}


def key_text(value: object) -> str:
    """The text of a primary key or a tenant, as PostgreSQL and `phi reencrypt` write it. Raises ValueError for anything
    but a whole number, a text and a UUID: the texts of other types depend on the database.
    """
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, UUID) or (isinstance(value, int) and not isinstance(value, bool)):
        return str(value) if isinstance(value, UUID) else str(int(value))
    raise ValueError("a key is a whole number, a text or a UUID")


def contexts(table: str, column: str, bound: bool | str, *, row: str = "", has_tenant: bool = False) -> tuple[str, ...]:
    """The contexts of a column's records: the one to seal with, then those of the former forms, which are read still.

    `bound` is False, True for the column, or "row"; `row` is the `key_text` of the row's primary key.
    """
    if not bound:
        return ("",)
    here = place(table, column)
    if bound == "row":
        return place(table, column, row), here, ""
    return (here, "") if has_tenant else (here,)


def sealed(
    cipher: FieldCipher, value: Any, form: ValueForm | None, context: str, tenant: str | None = None
) -> str | bytes | None:
    """The record of a value: of its text in this form, of a text for None, of bytes for BYTES; with a context bound,
    with a tenant under its key. Raises InvalidTenant.
    """
    if tenant is not None:
        cipher = cast(BindingCipher, cipher).for_tenant(tenant)
    if form is BYTES:
        return cast(BindingCipher, cipher).encrypt_bytes(value, context)
    text = form.dump(value) if form else value
    return cast(BindingCipher, cipher).encrypt_v2(text, context) if context else cipher.encrypt(text)


def opened(cipher: FieldCipher, record: Any, form: ValueForm | None, *of: str, tenant: str | None = None) -> Any:
    """The value of a record of `sealed` in one of these contexts: under the tenant's key, or under the data key itself,
    as it was before there were tenants. Never of another tenant, or bound to another place.

    Raises DecryptionError; the UnwrapError of a key that may be the record's and is not available; InvalidTenant.
    """
    ciphers = [cipher] if tenant is None else [cast(BindingCipher, cipher).for_tenant(tenant), cipher]
    missing: UnwrapError | None = None
    for each in ciphers:
        try:
            return _opened(each, record, form, of)
        except DecryptionError:
            continue
        except UnwrapError as error:
            missing = missing or error.copy()
    raise missing or DecryptionError


def _opened(cipher: FieldCipher, record: Any, form: ValueForm | None, of: tuple[str, ...]) -> Any:
    for context in of:
        try:
            if form is BYTES:
                return cast(BindingCipher, cipher).decrypt_bytes(record, context)
            text = cast(BindingCipher, cipher).decrypt(record, context) if context else cipher.decrypt(record)
        except DecryptionError:
            continue
        return form.load(text) if form else text
    raise DecryptionError


def resolve(provider: CipherProvider) -> FieldCipher:
    """The cipher. A callable is called once in a process, so that all its columns share one key cache.

    If it raises, it is called again at the next use.
    """
    if not callable(provider):
        return provider
    cipher = _ciphers.get(provider)
    # No lock, which a fork could leave closed: of two threads that come first at the same time, one's result is unused.
    return cipher if cipher is not None else _ciphers.setdefault(provider, provider())
