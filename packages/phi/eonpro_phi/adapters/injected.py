"""The cipher that an application injects into an adapter: an object, or a callable that returns one at the first use.

Touches what the callable touches, and caches its result; importing an application's models makes no request to AWS.
"""

from collections.abc import Callable
from typing import Any, Protocol

from eonpro_phi.adapters.values import BYTES, ValueForm
from eonpro_phi.binding import ROW, Binding, Form, may_be_bound
from eonpro_phi.errors import DecryptionError, InvalidValue, NotBound, UnwrapError
from eonpro_phi.record import looks_like_a_record

EARLIER = (
    '{place} reads records of the form "{declared}", and this one is genuine and "{found}". While the table moves, '
    'declare reads="{found}"; `phi reencrypt --reads {found}`, with the --bind and --tenant-column of the column, ends '
    "the move. If it is not moving, somebody has put the record here."
)
UNDECLARED = (
    'The record in {place} is of the form "{found}", and the column has neither bound nor tenant: declare them.'
)
ELSEWHERE = (
    "The record is not bound to {place}, or not to this row of it, or is damaged. If the table or the column was "
    'renamed, declare its former name: place="TABLE.COLUMN". Else somebody has moved the record: restore it from a '
    "backup."
)
OTHER_KEY = (
    "The record in {place} is of another tenant, or under a key that is not here: ENCRYPTED_PHI_KEYS_FOR_READING."
)


class RecordCipher(Protocol):
    """The methods of a tenant's fields that an adapter uses."""

    def encrypt(self, text: str | None) -> str | None:
        """A text as a record; None and "" return None."""

    def encrypt_v2(self, text: str | None, context: str = "") -> str | None:
        """A text as a record of version 2."""

    def decrypt(self, record: str | None, context: str = "") -> str | None:
        """A record as its text; None returns None."""

    def encrypt_bytes(self, data: Any, context: str = "") -> bytes | None:
        """Bytes as a binary record."""

    def decrypt_bytes(self, record: Any, context: str = "") -> bytes | None:
        """A binary record as its bytes."""

    def holds(self, record: Any) -> bool:
        """Whether a record is under one of its keys."""


class FieldCipher(RecordCipher, Protocol):
    """The methods of a PhiFields that an adapter uses; a test gives a PhiCipher."""

    def for_tenant(self, tenant: str) -> RecordCipher:
        """The fields that use the key of this tenant."""


CipherProvider = FieldCipher | Callable[[], FieldCipher]
"""The argument of a column's declaration: `PhiFields.from_environment`, a function of the application, or an object."""

_ciphers: dict[Callable[[], FieldCipher], FieldCipher] = {}


def sealed(
    cipher: FieldCipher, value: Any, kind: ValueForm | None, of: Binding, row: str = "", tenant: str | None = None
) -> str | bytes | None:
    """The record of a value: of its text in this kind, of a text for None, of bytes for BYTES; bound as declared to the
    row whose key has this text, and under the key of its tenant. Raises InvalidTenant.
    """
    assert of.form is not None
    context = of.context(of.form, row)
    writer: RecordCipher = cipher if tenant is None else cipher.for_tenant(tenant)
    if kind is BYTES:
        return writer.encrypt_bytes(value, context)
    text = kind.dump(value) if kind else value
    return writer.encrypt_v2(text, context) if context else writer.encrypt(text)


def opened(
    cipher: FieldCipher, record: Any, kind: ValueForm | None, of: Binding, row: str = "", tenant: str | None = None
) -> Any:
    """The value of a record of `sealed`, or of one in an earlier form that is declared.

    Raises NotBound, which says what was found, for a record of another form, place or tenant; DecryptionError; the
    UnwrapError of a key that may be the record's and is not available; InvalidTenant.
    """
    missing: UnwrapError | None = None
    for form in of.forms(tenant=tenant is not None):
        try:
            return _opened(cipher, record, kind, form, of, row, tenant)
        except DecryptionError:
            continue
        except UnwrapError as error:
            missing = missing or error.copy()
    raise missing or _refused(cipher, record, kind, of, row, tenant)


def _opened(
    cipher: FieldCipher, record: Any, kind: ValueForm | None, form: Form, of: Binding, row: str, tenant: str | None
) -> Any:
    context = of.context(form, row)
    # Of no place, and of no tenant: what a lenient cipher passes through is not either.
    if form is not Form.UNBOUND and record is not None and not may_be_bound(record):
        raise DecryptionError
    reader: RecordCipher = cipher.for_tenant(tenant or "") if form.of_tenant else cipher
    if kind is BYTES:
        return reader.decrypt_bytes(record, context)
    text = reader.decrypt(record, context)
    return kind.load(text) if kind else text


def _refused(
    cipher: FieldCipher, record: Any, kind: ValueForm | None, of: Binding, row: str, tenant: str | None
) -> DecryptionError:
    """Says what was found in the place of a record."""
    is_plain = isinstance(record, str) and not looks_like_a_record(record)
    if not may_be_bound(record) and (of.form is Form.UNBOUND or is_plain or kind is BYTES):
        return DecryptionError()
    for form in Form:
        if (form.of_tenant and tenant is None) or (form.bound == ROW and not row):
            continue
        try:
            _opened(cipher, record, kind, form, of, row, tenant)
        except (DecryptionError, InvalidValue):
            continue
        reason = UNDECLARED if of.form is Form.UNBOUND else EARLIER
        return NotBound(reason.format(place=of.place, declared=of.form, found=form))
    if not may_be_bound(record):
        return DecryptionError()
    known = cipher.holds(record) or (tenant is not None and cipher.for_tenant(tenant).holds(record))
    return NotBound((ELSEWHERE if known else OTHER_KEY).format(place=of.place, declared=of.form))


def resolve(provider: CipherProvider) -> FieldCipher:
    """The cipher. A callable is called once in a process, so that all its columns share one key cache.

    If it raises, it is called again at the next use.
    """
    if not callable(provider):
        return provider
    cipher = _ciphers.get(provider)
    # No lock, which a fork could leave closed: of two threads that come first at the same time, one's result is unused.
    return cipher if cipher is not None else _ciphers.setdefault(provider, provider())
