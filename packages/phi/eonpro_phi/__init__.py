"""The application's side of PHI encryption: unwrap and cache the data key, encrypt and decrypt fields.

Touches nothing on import; AWS is called by `eonpro_phi.kms` only, which loads botocore when a KmsKeySource is created.

    fields = PhiFields.from_environment()
    record = fields.encrypt("text")
    stored = fields.encrypt_bytes(pdf, place("PatientDocument", "data", 7))
    fields.encrypt_file("scan.tiff", "scan.tiff.phi")
"""

from eonpro_phi.batches import PHI_FIELDS
from eonpro_phi.cipher import PhiCipher, require_sixteen_byte_ivs
from eonpro_phi.environment import Credentials, WrappedKey, WrappedKeys
from eonpro_phi.errors import (
    AlreadyEncrypted,
    CipherUnsupported,
    DecryptionError,
    InvalidBytes,
    InvalidDataKey,
    InvalidTenant,
    InvalidText,
    InvalidValues,
    NotBound,
    NotBytes,
    NotText,
    PhiError,
    TerminalUnwrapError,
    TransientUnwrapError,
    UnwrapError,
)
from eonpro_phi.fields import PhiFields
from eonpro_phi.key_cache import CachedKey, KeySource
from eonpro_phi.kms import KmsKeySource
from eonpro_phi.record import place
from eonpro_phi.tenants import TenantFields

__all__ = [
    "PHI_FIELDS",
    "AlreadyEncrypted",
    "CachedKey",
    "CipherUnsupported",
    "Credentials",
    "DecryptionError",
    "InvalidBytes",
    "InvalidDataKey",
    "InvalidTenant",
    "InvalidText",
    "InvalidValues",
    "KeySource",
    "KmsKeySource",
    "NotBound",
    "NotBytes",
    "NotText",
    "PhiCipher",
    "PhiError",
    "PhiFields",
    "TenantFields",
    "TerminalUnwrapError",
    "TransientUnwrapError",
    "UnwrapError",
    "WrappedKey",
    "WrappedKeys",
    "place",
    "require_sixteen_byte_ivs",
]
