"""The methods for bytes, streams and files of what encrypts with the key of the moment.

Touches what the cipher touches.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO

from eonpro_phi.binary.record import Bytes

if TYPE_CHECKING:
    from eonpro_phi.cipher import PhiCipher


class BinaryFields:
    """Asks for the cipher at each use."""

    __slots__ = ("_cipher",)

    _cipher: Callable[[], PhiCipher]

    def encrypt_bytes(self, data: Bytes | None, context: str = "") -> bytes | None:
        """A binary record of bytes, bound to the context; None and b"" return None: see PhiCipher.encrypt_bytes."""
        return self._cipher().encrypt_bytes(data, context)

    def decrypt_bytes(self, record: Bytes | None, context: str = "") -> bytes | None:
        """The bytes of a binary record, or of a whole stream; None returns None. Raises as `decrypt`."""
        return self._cipher().decrypt_bytes(record, context)

    def holds(self, record: str | Bytes) -> bool:
        """Whether a record is under one of these keys; a record that is bound to any place too."""
        return self._cipher().holds(record)

    def encrypt_stream(self, source: BinaryIO, target: BinaryIO, context: str = "") -> None:
        """Encrypt a source of any length in bounded memory; the target is whole when this returns. One key for all of
        it, also where the cache changes meanwhile: see PhiCipher.encrypt_stream.
        """
        self._cipher().encrypt_stream(source, target, context)

    def decrypt_stream(self, source: BinaryIO, target: BinaryIO, context: str = "") -> None:
        """Decrypt a stream; each chunk is written when it is authenticated, and the target is whole only when this
        returns: see PhiCipher.decrypt_stream. Raises as `decrypt`.
        """
        self._cipher().decrypt_stream(source, target, context)

    def encrypt_file(self, source: str | os.PathLike[str], target: str | os.PathLike[str], context: str = "") -> None:
        """Encrypt a file into another, which appears when it is whole: see PhiCipher.encrypt_file."""
        self._cipher().encrypt_file(source, target, context)

    def decrypt_file(self, source: str | os.PathLike[str], target: str | os.PathLike[str], context: str = "") -> None:
        """Decrypt a file into another, which appears when all of it is proved: see PhiCipher.decrypt_file."""
        self._cipher().decrypt_file(source, target, context)
