"""The application's side of PHI encryption: unwrap and cache the data key, encrypt and decrypt fields.

Touches nothing on import; AWS is reached by `phi.kms` alone, whose library loads when a KmsKeySource is made.

    key = CachedKey(KmsKeySource(WrappedKey.from_environment(os.environ)))
    record = PhiCipher(key.data_key()).encrypt("text")
"""

from phi.batches import PHI_FIELDS
from phi.cipher import PhiCipher, require_sixteen_byte_ivs
from phi.environment import Credentials, WrappedKey
from phi.errors import (
    CipherUnsupported,
    KeyRefused,
    NotText,
    PhiError,
    RecordRefused,
    TextRefused,
    UnwrapError,
    ValuesRefused,
)
from phi.keys import CachedKey, KeySource
from phi.kms import KmsKeySource
from phi.record import Record

__all__ = [
    "PHI_FIELDS",
    "CachedKey",
    "CipherUnsupported",
    "Credentials",
    "KeyRefused",
    "KeySource",
    "KmsKeySource",
    "NotText",
    "PhiCipher",
    "PhiError",
    "Record",
    "RecordRefused",
    "TextRefused",
    "UnwrapError",
    "ValuesRefused",
    "WrappedKey",
    "require_sixteen_byte_ivs",
]
