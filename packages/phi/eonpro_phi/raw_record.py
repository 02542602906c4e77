"""The parts of a record of version 1 as bytes: decoded as one base64 text, and split.

Touches nothing.
"""

from contextlib import suppress

from cryptography.exceptions import InvalidTag
from pybase64 import b64decode

from eonpro_phi.record import BEFORE_ONE_PAD, BEFORE_TWO_PADS

# AESGCM returns the ciphertext followed by the tag.
CIPHERTEXT = slice(None, -16)
TAG = slice(-16, None)

# The parts of a whole record that is decoded as one base64 text: see PhiCipher.decrypt.
RAW_IV = slice(None, 16)
RAW_TAG = slice(18, 34)
RAW_CIPHERTEXT = slice(36, None)

join_parts = b":".join

DECRYPTION_FAILURES = (InvalidTag, ValueError, LookupError, TypeError, AttributeError, OverflowError)
"""The libraries' errors for a text that is not a record of the key; base64's and UTF-8's are ValueErrors."""


def split_record(record: str) -> tuple[bytes, bytes]:
    """The IV, and ciphertext and tag together, as AESGCM expects; raises one of DECRYPTION_FAILURES for other texts.

    The comments in PhiCipher.decrypt explain the steps.
    """
    if record[24] == ":" == record[49] and record[50]:
        raw = b64decode(record.replace("==:", "AA", 2), None, True)
        if (
            not raw[16]
            and not raw[34]
            and (
                record[-1] != "="
                or record[-2] in BEFORE_ONE_PAD
                or (record[-2] == "=" and record[-3] in BEFORE_TWO_PADS)
            )
        ):
            return raw[RAW_IV], raw[RAW_CIPHERTEXT] + raw[RAW_TAG]
    raise ValueError


def is_whole(record: str) -> bool:
    """Whether it has the form of a record of version 1."""
    with suppress(*DECRYPTION_FAILURES):
        return bool(split_record(record))
    return False
