"""The application's side of PHI encryption: unwrap and cache the data key, encrypt and decrypt fields.

Touches nothing on import; AWS is called by `phi.kms` only, which loads botocore when a KmsKeySource is created.

    fields = PhiFields.from_environment()
    record = fields.encrypt("text")
    stored = fields.encrypt_bytes(pdf, place("PatientDocument", "data", 7))
    fields.encrypt_file("scan.tiff", "scan.tiff.phi")
"""

from phi import interpreter

# Before the first module that a Python which is too old cannot even read.
interpreter.require()

from phi.batches import PHI_FIELDS
from phi.cipher import PhiCipher, require_sixteen_byte_ivs
from phi.environment import Credentials, WrappedKey, WrappedKeys
from phi.errors import (
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
from phi.events import KeyDropped, KeyEvent, KeyUnwrapped, RegionFailed, StaleServed, UnwrapFailed
from phi.failover import FailoverKeySource
from phi.fields import PhiFields
from phi.key_cache import CachedKey, KeySource
from phi.kms import KmsKeySource, KmsTimeouts
from phi.record import Record, place
from phi.tenants import TenantFields

__all__ = [
    "PHI_FIELDS",
    "AlreadyEncrypted",
    "CachedKey",
    "CipherUnsupported",
    "Credentials",
    "DecryptionError",
    "FailoverKeySource",
    "InvalidBytes",
    "InvalidDataKey",
    "InvalidTenant",
    "InvalidText",
    "InvalidValues",
    "KeyDropped",
    "KeyEvent",
    "KeySource",
    "KeyUnwrapped",
    "KmsKeySource",
    "KmsTimeouts",
    "NotBound",
    "NotBytes",
    "NotText",
    "PhiCipher",
    "PhiError",
    "PhiFields",
    "Record",
    "RegionFailed",
    "StaleServed",
    "TenantFields",
    "TerminalUnwrapError",
    "TransientUnwrapError",
    "UnwrapError",
    "UnwrapFailed",
    "WrappedKey",
    "WrappedKeys",
    "place",
    "require_sixteen_byte_ivs",
]
