"""The alternatives for one field, each in its fastest form: the calls by hand, Fernet, AWS's library.

Touches memory, and the operating system's random source.
"""

import os
from binascii import b2a_base64
from collections.abc import Callable, Sequence
from os import getrandom

import aws_encryption_sdk
from aws_encryption_sdk.identifiers import EncryptionKeyType, WrappingAlgorithm
from aws_encryption_sdk.internal.crypto.wrapping_keys import WrappingKey
from aws_encryption_sdk.key_providers.raw import RawMasterKey
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

Loop = Callable[[Sequence[str]], None]


def inlined_calls(key: bytes) -> Loop:
    """The calls of `PhiCipher.encrypt` in the body of the loop: no method, no count, no check of the input."""
    encrypt = AESGCM(key).encrypt

    def loop(texts: Sequence[str]) -> None:
        for text in texts:
            iv = getrandom(16)
            sealed = encrypt(iv, text.encode(), None)
            b":".join(
                (
                    b2a_base64(iv, newline=False),
                    b2a_base64(sealed[-16:], newline=False),
                    b2a_base64(sealed[:-16], newline=False),
                )
            ).decode()

    return loop


def calls_in_a_function(key: bytes) -> Loop:
    """The same calls in a plain function: each field takes one call."""
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

    def loop(texts: Sequence[str]) -> None:
        for text in texts:
            encrypt(text)

    return loop


def fernet() -> Loop:
    """cryptography's Fernet: text in, text out, as in `phi`."""
    encrypt = Fernet(Fernet.generate_key()).encrypt

    def loop(texts: Sequence[str]) -> None:
        for text in texts:
            encrypt(text.encode()).decode()

    return loop


def with_aws_encryption_sdk() -> Loop:
    """AWS's library with its caching manager over a local master key, without any network request.

    Its default commitment policy, with the suite that its documentation recommends where all parties trust each other:
    without the signature of its default suite, which takes ten times as long.
    """
    wrapping = WrappingKey(
        wrapping_algorithm=WrappingAlgorithm.AES_256_GCM_IV12_TAG16_NO_PADDING,
        wrapping_key=os.urandom(32),
        wrapping_key_type=EncryptionKeyType.SYMMETRIC,
    )
    manager = aws_encryption_sdk.CachingCryptoMaterialsManager(
        master_key_provider=RawMasterKey(provider_id="bench", key_id=b"local", wrapping_key=wrapping),
        cache=aws_encryption_sdk.LocalCryptoMaterialsCache(10),
        max_age=3600.0,
        max_messages_encrypted=2**32,
    )
    client = aws_encryption_sdk.EncryptionSDKClient(
        commitment_policy=aws_encryption_sdk.CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT
    )
    suite = aws_encryption_sdk.Algorithm.AES_256_GCM_HKDF_SHA512_COMMIT_KEY

    def loop(texts: Sequence[str]) -> None:
        for text in texts:
            client.encrypt(source=text.encode(), materials_manager=manager, algorithm=suite)

    return loop
