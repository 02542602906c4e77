"""The rows of one field: `phi` compared with the calls by hand, other libraries, and its own scalar calls.

Touches memory, and the operating system's random source.
"""

from collections.abc import Callable, Iterator, Sequence
from os import urandom

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from eonpro_phi import PhiCipher, PhiFields
from tools.bench.fields import alternatives
from tools.bench.fields.rounds import Rounds, Side, compare
from tools.bench.rows import Bound, Measured

Opened = Sequence[tuple[bytes, bytes, bytes]]
"""IV, ciphertext, tag."""

BatchFunction = Callable[[Sequence[str]], object]


def rows(rounds: Rounds) -> Iterator[Measured]:
    key = urandom(32)
    cipher = PhiCipher(key)
    yield from _encryption(cipher, key, rounds)
    records = Side(run=scalar_decryption(cipher), prepare=lambda texts: cipher.encrypt_many(texts))
    yield compare(
        "decrypt with its canonical check / AESGCM.decrypt over ready parts",
        records,
        Side(run=raw_decryption(key), prepare=lambda texts: ready_parts(key, texts)),
        bound=Bound(at_most=2.2),
        rounds=rounds,
    )


def _encryption(cipher: PhiCipher, key: bytes, rounds: Rounds) -> Iterator[Measured]:
    scalar = Side(run=scalar_encryption(cipher))
    fewer = Rounds(count=max(rounds.count // 5, 5), texts=4 * rounds.texts)
    yield compare(
        "encrypt / the same library calls, written out by hand",
        scalar,
        Side(run=alternatives.inlined_calls(key)),
        bound=Bound(at_most=1.10),
        rounds=rounds,
    )
    yield compare(
        "encrypt, times as fast as Fernet",
        scalar,
        Side(run=alternatives.fernet()),
        bound=Bound(at_least=3.5),
        rates=True,
        rounds=rounds,
    )
    yield compare(
        "encrypt, times as fast as the same calls in a function of one's own",
        scalar,
        Side(run=alternatives.calls_in_a_function(key)),
        bound=Bound(at_least=0.97),
        rates=True,
        rounds=rounds,
    )
    yield compare(
        "encrypt, times as fast as aws-encryption-sdk with its caching manager",
        scalar,
        Side(run=alternatives.with_aws_encryption_sdk()),
        bound=Bound(at_least=35),
        rates=True,
        rounds=fewer,
    )
    yield compare(
        "encrypt_many, times as fast as encrypt in a loop",
        Side(run=cipher.encrypt_many),
        Side(run=collect(cipher.encrypt)),
        bound=Bound(at_least=1.25),
        rates=True,
        rounds=rounds,
    )


def scalar_encryption(cipher: PhiCipher | PhiFields) -> alternatives.Loop:
    """One call for each text, as in an application."""
    encrypt = cipher.encrypt

    def loop(texts: Sequence[str]) -> None:
        for text in texts:
            encrypt(text)

    return loop


def collect(function: Callable[[str], object]) -> BatchFunction:
    """One call for each value, the results in a list: to compare with the batch functions."""
    return lambda values: [function(value) for value in values]


def scalar_decryption(cipher: PhiCipher) -> BatchFunction:
    """One call for each record, as in an application."""
    decrypt = cipher.decrypt

    def loop(records: Sequence[str]) -> None:
        for record in records:
            decrypt(record)

    return loop


def ready_parts(key: bytes, texts: Sequence[str]) -> Opened:
    """IV, ciphertext and tag of each text, without a record to read."""
    encrypt = AESGCM(key).encrypt
    sealed = [(iv := urandom(16), encrypt(iv, text.encode(), None)) for text in texts]
    return [(iv, both[:-16], both[-16:]) for iv, both in sealed]


def raw_decryption(key: bytes) -> Callable[[Opened], None]:
    """Decrypts the parts of a record: joined for the library, decrypted, decoded; without checks."""
    decrypt = AESGCM(key).decrypt

    def loop(parts: Opened) -> None:
        for iv, ciphertext, tag in parts:
            decrypt(iv, ciphertext + tag, None).decode()

    return loop
