"""The part `phi`: one field, bytes and streams, compared with the same calls of the library in a function of one's own.

Touches memory, and the operating system's random source.
"""

import gc
import hmac
from binascii import b2a_base64
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from os import getrandom, urandom

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from eonpro_phi import CachedKey, PhiCipher, PhiFields
from eonpro_phi.binary.record import HEADER_BYTES, IV_END
from eonpro_phi.binary.stream import EXPONENT
from tools.bench.rounds import Rounds, Side, compare
from tools.bench.rows import Bound, Measured

DOCUMENT_BYTES, STREAM_BYTES = 100_000, 2**24
FLOOR = Bound(at_least=0.97)
PLACE = "PatientDocument.data"

Blocks = Sequence[bytes]
Parts = Sequence[tuple[bytes, bytes, bytes]]
"""IV, ciphertext, tag."""


def rows(rounds: int) -> Iterator[Measured]:
    """The rows of this part. A round is short, so there are many."""
    gc.collect()
    gc.freeze()  # the collector does not scan the objects of the libraries while a side runs
    key = urandom(32)
    cipher, many = PhiCipher(key), Rounds(count=60 * rounds, texts=250)
    yield from _fields(cipher, key, many)
    yield from _bytes(cipher, key, many)


def _fields(cipher: PhiCipher, key: bytes, rounds: Rounds) -> Iterator[Measured]:
    one_by_one = Side(run=_each_text(cipher.encrypt))
    yield compare(
        "encrypt, times as fast as the same calls in a function of one's own",
        one_by_one,
        Side(run=_each_text(_by_hand(key))),
        bound=FLOOR,
        rates=True,
        rounds=rounds,
    )
    fields = PhiFields(CachedKey(_Ready(key)))
    fields.encrypt("warm")
    yield compare(
        "PhiFields.encrypt with a key at hand / PhiCipher.encrypt",
        Side(run=_each_text(fields.encrypt)),
        one_by_one,
        bound=Bound(at_most=1.05),
        rounds=rounds,
    )
    yield compare(
        "encrypt_many, times as fast as encrypt in a loop",
        Side(run=cipher.encrypt_many),
        Side(run=lambda texts: [cipher.encrypt(text) for text in texts]),
        bound=Bound(at_least=1.25),
        rates=True,
        rounds=rounds,
    )
    yield compare(
        "decrypt with its canonical check / AESGCM.decrypt over ready parts",
        Side(run=_each_text(cipher.decrypt), prepare=cipher.encrypt_many),
        Side(run=_unsealed(key), prepare=lambda texts: _parts(key, texts)),
        bound=Bound(at_most=2.2),
        rounds=rounds,
    )


class _Ready:
    """A source of the key that has it."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def data_key(self) -> bytes:
        return self._key


def _each_text(call: Callable[[str], object]) -> Callable[[Sequence[str]], None]:
    """The call in a loop, as in an application."""

    def loop(texts: Sequence[str]) -> None:
        for text in texts:
            call(text)

    return loop


def _by_hand(key: bytes) -> Callable[[str], str]:
    aead = AESGCM(key)

    def encrypt(text: str) -> str:
        iv = getrandom(16)
        sealed = aead.encrypt(iv, text.encode(), None)
        return b":".join(
            (
                b2a_base64(iv, newline=False),
                b2a_base64(sealed[-16:], newline=False),
                b2a_base64(sealed[:-16], newline=False),
            )
        ).decode()

    return encrypt


def _parts(key: bytes, texts: Sequence[str]) -> Parts:
    """IV, ciphertext and tag of each text, without a record to read."""
    encrypt = AESGCM(key).encrypt
    sealed = [(iv := urandom(16), encrypt(iv, text.encode(), None)) for text in texts]
    return [(iv, both[:-16], both[-16:]) for iv, both in sealed]


def _unsealed(key: bytes) -> Callable[[Parts], None]:
    """Decrypts the parts of a record: joined for the library, decrypted, decoded; without checks."""
    decrypt = AESGCM(key).decrypt

    def loop(parts: Parts) -> None:
        for iv, ciphertext, tag in parts:
            decrypt(iv, ciphertext + tag, None).decode()

    return loop


def _bytes(cipher: PhiCipher, key: bytes, rounds: Rounds) -> Iterator[Measured]:
    """Documents both ways, then a stream of 64 chunks."""
    aead, start = AESGCM(key), (cipher.encrypt_bytes(b"?") or b"")[:HEADER_BYTES]

    def seal(data: bytes, context: str) -> bytes:
        iv = urandom(12)
        return b"".join((start, iv, aead.encrypt(iv, data, start + context.encode())))

    def unseal(record: bytes, context: str) -> bytes:
        return aead.decrypt(record[HEADER_BYTES:IV_END], memoryview(record)[IV_END:], start + context.encode())

    few = Rounds(count=rounds.count, texts=50)

    def plain(texts: Sequence[str]) -> Blocks:
        return [urandom(DOCUMENT_BYTES) for _ in texts]

    def sealed(texts: Sequence[str]) -> Blocks:
        return [seal(urandom(DOCUMENT_BYTES), PLACE) for _ in texts]

    for name, ours, theirs, prepare in (
        ("encrypt_bytes", cipher.encrypt_bytes, seal, plain),
        ("decrypt_bytes", cipher.decrypt_bytes, unseal, sealed),
    ):
        yield compare(
            f"{name} of a document of 100 kB, times as fast as the same calls in a function of one's own",
            Side(run=_each(ours), prepare=prepare),
            Side(run=_each(theirs), prepare=prepare),
            bound=FLOOR,
            rates=True,
            rounds=few,
        )
    yield _stream(cipher, key, rounds)


def _each(call: Callable[[bytes, str], bytes | None]) -> Callable[[Blocks], None]:
    """The call in a loop. Each result ends with the next one: none makes the process grow for the other side."""

    def loop(blocks: Blocks) -> None:
        for block in blocks:
            call(block, PLACE)

    return loop


def _stream(cipher: PhiCipher, key: bytes, rounds: Rounds) -> Measured:
    content = urandom(STREAM_BYTES)

    def by_hand(source: BytesIO) -> None:
        # As the format has it: a key of its own for each stream, of the data key and a header with 32 random bytes.
        target, start, number = BytesIO(), urandom(53), 0
        target.write(start)
        seal, place = AESGCM(hmac.digest(key, start, "sha256")).encrypt, start + PLACE.encode()
        chunk = source.read(2**EXPONENT)
        while chunk:  # whether it is the last one is known from the one after it
            following = source.read(2**EXPONENT)
            target.write(seal(start[-7:] + number.to_bytes(4) + (not following).to_bytes(), chunk, place))
            chunk, number = following, number + 1

    return compare(
        "encrypt_stream of 16 MiB, times as fast as a loop of the same calls, chunk by chunk",
        Side(run=lambda source: cipher.encrypt_stream(source, BytesIO(), PLACE), prepare=lambda _: BytesIO(content)),
        Side(run=by_hand, prepare=lambda _: BytesIO(content)),
        bound=FLOOR,
        rates=True,
        rounds=Rounds(count=rounds.count // 2, texts=1),
    )
