"""The application's side of PHI encryption: unwrap and cache the data key, encrypt and decrypt fields.

Touches nothing on import; AWS is reached by `phi.kms` alone, whose library loads when a KmsKeySource is made.

    fields = PhiFields.from_environment()
    record = fields.encrypt("text")
"""

from phi.batches import PHI_FIELDS
from phi.cipher import PhiCipher, require_sixteen_byte_ivs
from phi.doors import DoorsInOrder
from phi.environment import Credentials, WrappedKey, WrappedKeys
from phi.errors import (
    AlreadyEncrypted,
    CipherUnsupported,
    KeyRefused,
    NotText,
    PhiError,
    RecordRefused,
    TerminalUnwrapError,
    TextRefused,
    TransientUnwrapError,
    UnwrapError,
    ValuesRefused,
)
from phi.events import DoorFailed, KeyDropped, KeyEvent, KeyUnwrapped, StaleServed, UnwrapFailed
from phi.fields import PhiFields
from phi.keys import CachedKey, KeySource
from phi.kms import KmsKeySource, Patience
from phi.record import Record

__all__ = [
    "PHI_FIELDS",
    "AlreadyEncrypted",
    "CachedKey",
    "CipherUnsupported",
    "Credentials",
    "DoorFailed",
    "DoorsInOrder",
    "KeyDropped",
    "KeyEvent",
    "KeyRefused",
    "KeySource",
    "KeyUnwrapped",
    "KmsKeySource",
    "NotText",
    "Patience",
    "PhiCipher",
    "PhiError",
    "PhiFields",
    "Record",
    "RecordRefused",
    "StaleServed",
    "TerminalUnwrapError",
    "TextRefused",
    "TransientUnwrapError",
    "UnwrapError",
    "UnwrapFailed",
    "ValuesRefused",
    "WrappedKey",
    "WrappedKeys",
    "require_sixteen_byte_ivs",
]
