"""The rows of bytes and streams: `phi` compared with the same calls in functions of one's own.

Touches memory, and the operating system's random source.
"""

import hmac
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from os import urandom

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from eonpro_phi import PhiCipher
from eonpro_phi.binary.record import HEADER_BYTES, IV_END
from eonpro_phi.binary.stream import EXPONENT
from tools.bench.fields.rounds import Rounds, Side, compare
from tools.bench.rows import Bound, Measured

DOCUMENT_BYTES, STREAM_BYTES = 100_000, 2**24
FLOOR = Bound(at_least=0.97)
PLACE = "PatientDocument.data"

Blocks = Sequence[bytes]


def rows(rounds: Rounds) -> Iterator[Measured]:
    """Documents both ways, then a stream of 64 chunks."""
    key = urandom(32)
    cipher = PhiCipher(key)
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
