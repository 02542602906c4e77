"""A stream of any length in authenticated chunks, in bounded memory: the STREAM construction. docs/formats.md.

Touches the source and the target that it is given. No chunk can be left out, moved, repeated or changed, no end cut off
and nothing added: the chunk's number and whether it is the last one are in its IV.
"""

from collections.abc import Callable, Iterator
from hmac import HMAC
from os import urandom
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from eonpro_phi.binary.record import HEADER_BYTES, MAGIC, STREAM, header
from eonpro_phi.errors import DecryptionError, NotBytes
from eonpro_phi.record import TAG_BYTES

SALT_BYTES = 32
"""Length of the random part from which, with the data key, the stream's own key is derived."""

PREFIX_BYTES = 7
"""Length of the random beginning of each IV; four bytes of the chunk's number and one for the last chunk follow."""

STREAM_HEADER_BYTES = HEADER_BYTES + 1 + SALT_BYTES + PREFIX_BYTES
"""Length of what is before the first chunk."""

SMALLEST, LARGEST = 16, 20
"""The chunk's size as a power of two: 64 KiB to 1 MiB."""

EXPONENT = 18
"""A new stream has chunks of 2**18 bytes: their overhead of some 8 µs does not count, and memory stays small."""

_LABEL = b"eonpro-phi-stream-v1 key"


def new_header(key_id: bytes, exponent: int = EXPONENT) -> bytes:
    """The header of a new stream."""
    return header(STREAM, key_id) + exponent.to_bytes() + urandom(SALT_BYTES + PREFIX_BYTES)


def read_header(source: BinaryIO) -> bytes:
    """The header of a stream; raises DecryptionError for anything else."""
    start = read_full(source, STREAM_HEADER_BYTES)
    if (
        len(start) == STREAM_HEADER_BYTES
        and start.startswith(MAGIC)
        and start[len(MAGIC)] == STREAM
        and SMALLEST <= start[HEADER_BYTES] <= LARGEST
    ):
        return start
    raise DecryptionError


def seal(source: BinaryIO, write: Callable[[bytes], None], key: HMAC, start: bytes, context: str) -> None:
    """Encrypt to the end of the source; the header is the first thing written."""
    chunk_bytes = 2 ** start[HEADER_BYTES]
    aead, place = _own_key(key, start), start + context.encode()
    write(start)
    for _, iv, chunk in _chunks(source, chunk_bytes, start):
        write(aead.encrypt(iv, chunk, place))
        del chunk  # its memory is in the processor's caches: the next one is read into it


def unseal(source: BinaryIO, write: Callable[[bytes], None], key: HMAC, start: bytes, context: str) -> None:
    """Decrypt what follows the header. Each chunk is written after it was authenticated; DecryptionError means that
    those before it are true and that the rest is missing.
    """
    sealed_bytes = 2 ** start[HEADER_BYTES] + TAG_BYTES
    aead, place = _own_key(key, start), start + context.encode()
    for number, iv, chunk in _chunks(source, sealed_bytes, start):
        content = _opened(aead, iv, chunk, place)
        del chunk
        # Only an empty stream has an empty chunk.
        if content is None or (number and not content):
            raise DecryptionError
        write(content)


def _chunks(source: BinaryIO, size: int, start: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Number, IV and content of each piece of the source; each but the last has this size."""
    prefix = start[-PREFIX_BYTES:]
    number, chunk = 0, read_full(source, size)
    while len(chunk) == size and (following := read_full(source, size)):
        yield number, prefix + number.to_bytes(4) + b"\0", chunk
        number, chunk = number + 1, following
    yield number, prefix + number.to_bytes(4) + b"\1", chunk


def read_full(source: BinaryIO, size: int) -> bytes:
    """The next bytes, fewer only at the end: a pipe or a socket returns what it has. Raises NotBytes for a source of
    text, BlockingIOError for one that does not wait.
    """
    part: object = source.read(size)
    if type(part) is bytes and len(part) == size:
        return part
    parts, missing = [], size
    while missing:
        if part is None:
            raise BlockingIOError("The source of a stream must wait for its data.")
        if not isinstance(part, bytes | bytearray | memoryview):
            raise NotBytes
        if not part:
            break
        parts.append(part)
        missing -= len(part)
        if missing:
            part = source.read(missing)
    return bytes(parts[0]) if len(parts) == 1 else b"".join(parts)


def writer(target: BinaryIO) -> Callable[[bytes], None]:
    """Writes all of some bytes: an unbuffered file may take fewer at once."""

    def write(data: bytes) -> None:
        left: bytes | memoryview = data
        while (written := target.write(left)) != len(left):
            if written is None:
                raise BlockingIOError("The target of a stream must wait until it has taken the data.")
            left = memoryview(left)[written:]

    return write


def _opened(aead: AESGCM, iv: bytes, chunk: bytes, place: bytes) -> bytes | None:
    try:
        return aead.decrypt(iv, chunk, place)
    except (InvalidTag, ValueError):
        return None


def _own_key(key: HMAC, start: bytes) -> AESGCM:
    """The stream's own key: however many chunks there are, none counts for the data key's limit."""
    derived = key.copy()
    derived.update(_LABEL + start)
    return AESGCM(derived.digest())
