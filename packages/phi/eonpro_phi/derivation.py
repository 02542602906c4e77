"""Keys derived from a key: HKDF-SHA-256 (RFC 5869) with an unambiguous text of what each is for.

Touches nothing.
"""

import hmac

DERIVED_KEY_BYTES = 32


def parts(*texts: str) -> bytes:
    """The texts as one sequence of bytes: each as its length in UTF-8 (4 bytes, big-endian), then its bytes.

    No two lists of texts have the same one.

    >>> parts("ab", "")
    b'\\x00\\x00\\x00\\x02ab\\x00\\x00\\x00\\x00'
    """
    encoded = [text.encode() for text in texts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)


def derived_key(key: bytes, *purpose: str) -> bytes:
    """The 32 bytes for this purpose, without a salt. From them nobody can compute the key, nor those of another
    purpose.
    """
    # RFC 5869, 2.2 and 2.3: without a salt, and for one block. A lookup makes one, and the library's takes longer.
    extracted = hmac.digest(bytes(DERIVED_KEY_BYTES), key, "sha256")
    return hmac.digest(extracted, parts(*purpose) + b"\x01", "sha256")
