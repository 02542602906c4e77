"""Encryption and decryption of bytes and files: the part of PhiCipher for everything that is not text.

Touches the operating system's random source, and the files that it is given.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from hmac import HMAC
from io import BytesIO
from os import urandom
from typing import Any, BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from eonpro_phi.binary import stream
from eonpro_phi.binary.files import whole_file
from eonpro_phi.binary.record import (
    HEADER_BYTES,
    IV_END,
    MAGIC,
    OVERHEAD_BYTES,
    RECORD,
    STREAM,
    Bytes,
    as_view,
    header,
    key_id_of,
    looks_binary,
)
from eonpro_phi.errors import DecryptionError, InvalidBytes, NotBytes, PhiError, UnwrapError
from eonpro_phi.record import V2_IV_BYTES, key_id

# Slices that are there already cost less than bounds at each use.
_HEADER, _IV, _SEALED = slice(None, HEADER_BYTES), slice(HEADER_BYTES, IV_END), slice(IV_END, None)


class BinaryCipher:
    """The methods of PhiCipher for bytes and files."""

    __slots__ = ("_binary_id", "_binary_keys", "_binary_start")
    _aead: AESGCM
    _binary_id: bytes
    _binary_start: bytes
    """The header of a record under the current key."""
    _binary_keys: Mapping[bytes, tuple[AESGCM, HMAC]]
    _lenient: bool
    _missing: UnwrapError | None

    def encrypt_bytes(self, data: Bytes | None, context: str = "") -> bytes | None:
        """A binary record of the bytes, 41 bytes longer; None and b"" return None, as None and "" do of a text.

        Only `decrypt_bytes` with the same context opens it: `eonpro_phi.place("PatientDocument", "data", 7)` binds it
        to its row, `eonpro_phi.place("PatientDocument", "data")` to its column. Raises NotBytes for anything but bytes,
        bytearray and memoryview, and InvalidBytes for more than 2 GiB: for those see `encrypt_stream`.

        >>> from eonpro_phi import PhiCipher
        >>> cipher = PhiCipher(bytes(32))
        >>> cipher.decrypt_bytes(cipher.encrypt_bytes(b"%PDF", "PatientDocument.data"), "PatientDocument.data")
        b'%PDF'
        """
        if type(data) is not bytes:
            if data is None:
                return None
            if not isinstance(data, Bytes):
                raise NotBytes
            data = as_view(data)
        if not data:
            return None
        start, iv = self._binary_start, urandom(V2_IV_BYTES)
        try:
            return b"".join((start, iv, self._aead.encrypt(iv, data, start + context.encode())))
        except (UnicodeEncodeError, OverflowError):
            pass
        # Outside the handler, whose error may hold the context.
        raise InvalidBytes

    def decrypt_bytes(self, record: Bytes | None, context: str = "") -> bytes | None:
        """The bytes of a binary record, or of a whole stream (`encrypt_stream`); None returns None.

        Takes what a database driver returns. Raises DecryptionError, always the same, for anything else, and for a
        record of another context. Without a context a lenient cipher returns bytes that are neither unchanged.
        """
        start = self._binary_start
        if type(record) is bytes and record[_HEADER] == start:
            # The rest of this method, repeated inline for a record of the current key.
            try:
                if content := self._aead.decrypt(record[_IV], memoryview(record)[_SEALED], start + context.encode()):
                    return content
            except (InvalidTag, ValueError, OverflowError):
                pass
            raise DecryptionError
        if record is None:
            return None
        if not isinstance(record, Bytes):
            raise DecryptionError
        view = as_view(record)
        start = view[:HEADER_BYTES].tobytes()
        if self._lenient and record and not context and not looks_binary(start):
            return bytes(record)
        if start.startswith(header(STREAM, b"")):
            opened = BytesIO()
            self.decrypt_stream(BytesIO(view), opened, context)
            return opened.getvalue()
        # No record has an empty content.
        if start.startswith(header(RECORD, b"")) and len(view) > OVERHEAD_BYTES:
            aead, _ = self._keys_of(start[len(MAGIC) + 1 :])
            with suppress(InvalidTag, ValueError, OverflowError):
                return aead.decrypt(view[HEADER_BYTES:IV_END].tobytes(), view[IV_END:], start + context.encode())
        raise DecryptionError

    def encrypt_stream(self, source: BinaryIO, target: BinaryIO, context: str = "") -> None:
        """Encrypt everything that the source returns, of any length up to 256 TiB, with some chunks of memory.

        The target is whole when this returns; after an error it is not, and no reader takes it for whole. An empty
        source makes a stream that is empty when it is decrypted. Raises NotBytes for a source of text, InvalidBytes for
        a context that is not UTF-8, and the OSError of source and target.
        """
        _require_context(context)
        start = stream.new_header(self._binary_id)
        stream.seal(source, stream.writer(target), self._binary_keys[self._binary_id][1], start, context)

    def decrypt_stream(self, source: BinaryIO, target: BinaryIO, context: str = "") -> None:
        """Decrypt a stream. A chunk is written to the target as soon as it is authenticated, before the rest is read.

        So the target is whole only when this returns. DecryptionError means that the stream was cut off, changed,
        reordered or bound to another context, or that its key is not here: what was written until then is true, and is
        not all. Do not act on it: `decrypt_file` shows nothing before everything is proved. Raises the OSError of
        source and target, too.
        """
        start = stream.read_header(source)
        _, key = self._keys_of(start[len(MAGIC) + 1 : HEADER_BYTES])
        with suppress(UnicodeEncodeError):
            context.encode()
            return stream.unseal(source, stream.writer(target), key, start, context)
        raise DecryptionError

    def encrypt_file(self, source: str | os.PathLike[str], target: str | os.PathLike[str], context: str = "") -> None:
        """`encrypt_stream` from one path to another. The target appears, or is replaced, when it is whole and on the
        disk, with the permissions 0600; an error leaves it as it was.
        """
        with open(source, "rb") as file, whole_file(target) as draft:
            self.encrypt_stream(file, draft, context)

    def decrypt_file(self, source: str | os.PathLike[str], target: str | os.PathLike[str], context: str = "") -> None:
        """`decrypt_stream` from one path to another. The target appears, or is replaced, when every chunk is proved,
        with the permissions 0600; an error leaves it as it was. Meanwhile the plain text is in a draft beside it, which
        an error removes and a killed process leaves: `.<name>.….draft`.
        """
        with open(source, "rb") as file, whole_file(target) as draft:
            self.decrypt_stream(file, draft, context)

    def holds(self, record: Any) -> bool:
        """Whether bytes begin like a record or a stream of one of these keys, by the key id; nothing is proved."""
        return key_id_of(bytes(record)) in self._binary_keys

    def _keys_of(self, identity: bytes) -> tuple[AESGCM, HMAC]:
        if found := self._binary_keys.get(identity):
            return found
        raise self._no_such_key()

    def _no_such_key(self) -> PhiError:
        return DecryptionError() if self._missing is None else self._missing.copy()


def binary_keys(keys: Mapping[bytes, AESGCM]) -> dict[bytes, tuple[AESGCM, HMAC]]:
    """The keys of each data key, by its key id: its AES key, which opens binary records, and its HMAC, without any
    input yet, which derives the keys of streams.
    """
    return {
        bytes.fromhex(key_id(data_key)): (aead, HMAC(data_key, digestmod="sha256")) for data_key, aead in keys.items()
    }


def _require_context(context: str) -> None:
    with suppress(UnicodeEncodeError):
        context.encode()
        return
    raise InvalidBytes
