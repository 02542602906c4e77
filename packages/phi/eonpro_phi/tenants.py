"""A key for each tenant (a clinic), derived from the data key: one tenant's key opens no other's records.

Touches what the cipher of the data key touches. It erases nothing: whoever has the data key derives it again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from eonpro_phi.binary.fields import BinaryFields
from eonpro_phi.derivation import derived_key
from eonpro_phi.errors import InvalidTenant

if TYPE_CHECKING:
    from eonpro_phi.cipher import PhiCipher

PURPOSE = "eonpro-phi-tenant-v1"


def tenant_key(data_key: bytes, tenant: str) -> bytes:
    """The 32 bytes of a tenant's key. Raises InvalidTenant for an id that is empty or no text.

    >>> tenant_key(bytes(32), "clinic-7").hex()[:16]
    '874ec7dc201fd7c7'
    """
    return derived_key(data_key, PURPOSE, require_tenant(tenant))


def require_tenant(tenant: str) -> str:
    """The id; raises InvalidTenant for one that is empty, no text, or has no UTF-8."""
    if not isinstance(tenant, str) or not tenant or any("\ud800" <= sign <= "\udfff" for sign in tenant):
        raise InvalidTenant
    return str.__str__(tenant)


class TenantFields(BinaryFields):
    """Encrypts and decrypts for one tenant: `fields.for_tenant("clinic-7")`.

    Records are of version 2, or binary, and carry the id of the tenant's key. The keys for reading give those of
    the tenant. `context` binds a record to its place, as in PhiCipher.encrypt_v2. Every method raises
    what PhiFields's or PhiCipher's of the same name raises.

    >>> from eonpro_phi import PhiCipher
    >>> one, other = (PhiCipher(bytes(32)).for_tenant(name) for name in ("clinic-7", "clinic-8"))
    >>> one.decrypt(one.encrypt("Jane"))
    'Jane'
    >>> other.decrypt(one.encrypt("Jane"))
    Traceback (most recent call last):
    eonpro_phi.errors.DecryptionError: The record cannot be decrypted.
    """

    __slots__ = ("_tenant",)

    def __init__(self, tenant: str, base: Callable[[], PhiCipher]) -> None:
        """`base` returns the data key's cipher; it is called for each use. Raises InvalidTenant."""
        self._tenant = require_tenant(tenant)
        # No bound method of its own: a tenant's object ends with its last use, not with the next search for cycles.
        self._cipher = lambda: base().derived(tenant)

    def encrypt(self, text: str | None, context: str = "") -> str | None:
        """A record of version 2; None and "" return None."""
        return self._cipher().encrypt_v2(text, context)

    encrypt_v2 = encrypt
    """The name that PhiFields's has, for an adapter that is given a tenant."""

    def decrypt(self, record: str | None, context: str = "") -> str | None:
        """The text of one of the tenant's records; None returns None."""
        return self._cipher().decrypt(record, context)

    def __repr__(self) -> str:
        return f"TenantFields({self._tenant!r})"
