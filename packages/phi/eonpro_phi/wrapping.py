"""Wraps a former `ENCRYPTION_KEY`: `python -m eonpro_phi wrap` reads its 64 hex digits, and KMS encrypts the 32 bytes.

Touches standard input or the terminal, and KMS (Encrypt); prints one line of JSON with the wrapped key, which is not
secret. The key itself stays in this process, which ends then.
"""

import base64
import getpass
import hashlib
import logging
import sys
import warnings
from collections.abc import Callable, Mapping

from eonpro_phi.cipher import DATA_KEY_BYTES
from eonpro_phi.environment import KEY_ARN, KEY_ID, REGION
from eonpro_phi.errors import InvalidEncryptionKey, MalformedVariable, MissingVariable, PhiError, UnwrapError
from eonpro_phi.kms import encrypt
from eonpro_phi.record import key_id

PROMPT = "ENCRYPTION_KEY (64 hex digits, not shown): "
MAX_CHARACTERS = 4096
"""A longer input is not a key."""

_DIGITS = 2 * DATA_KEY_BYTES
_HEX = frozenset("0123456789abcdefABCDEF")


def wrap(environment: Mapping[str, str], read: Callable[[], str]) -> dict[str, object]:
    """Read the key and wrap it with the KMS key of this environment; returns the result for JSON."""
    # At level DEBUG botocore logs whole requests, and this one holds the key.
    logging.disable(logging.CRITICAL)
    try:
        region, key_arn = _kms_key(environment)
        key = _decode(read())
        blob = encrypt(region, key_arn, key)
    except PhiError as error:
        cause = error.cause if isinstance(error, UnwrapError) else type(error).__name__
        return {"wrapped": None, "cause": cause, "message": str(error)}
    fingerprint = f"sha256:{hashlib.sha256(blob).hexdigest()[:16]}"
    wrapped = base64.b64encode(blob).decode()
    return {"wrapped": wrapped, "fingerprint": fingerprint, "keyArn": key_arn, "keyCheckValue": key_id(key)}


def from_stdin() -> str:
    """Read the key from a pipe or a file at standard input; no more of it than shows that it is no key."""
    if sys.stdin.isatty():
        raise InvalidEncryptionKey("Standard input is a terminal; pipe the key in, or use --prompt")
    return sys.stdin.buffer.read(MAX_CHARACTERS + 1).decode("latin-1")


def from_terminal() -> str:
    """One line of the terminal, without echo."""
    with warnings.catch_warnings():
        # Without a terminal it would read standard input, and show what is typed.
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return getpass.getpass(PROMPT)
        except (getpass.GetPassWarning, EOFError) as error:
            raise InvalidEncryptionKey("There is no terminal to ask at; pipe the key in") from error


def _kms_key(environment: Mapping[str, str]) -> tuple[str, str]:
    missing = [name for name in (REGION, KEY_ID) if not environment.get(name)]
    if missing:
        raise MissingVariable(f"{' and '.join(missing)} is not set.")
    arn = KEY_ARN.fullmatch(environment[KEY_ID])
    if arn is None or arn[1] != environment[REGION]:
        raise MalformedVariable(f"{KEY_ID} is not the ARN of a KMS key in {REGION}.")
    return environment[REGION], environment[KEY_ID]


def _decode(text: str) -> bytes:
    """The 32 bytes; raises InvalidEncryptionKey, which names the fault and never repeats the input."""
    digits = text.strip(" \t\r\n")
    count = len(digits)
    if count == 0:
        raise InvalidEncryptionKey("The input is empty")
    if count > MAX_CHARACTERS:
        raise InvalidEncryptionKey(
            f"The input has more than {MAX_CHARACTERS} characters; a key has {_DIGITS} hex digits"
        )
    if digits[0] in "\"'" or digits[-1] in "\"'":
        raise InvalidEncryptionKey("The input has quotation marks around it; enter the digits only")
    if not _HEX.issuperset(digits):
        raise InvalidEncryptionKey(
            f"The input has {count} characters, and not all are hex digits (0-9, a-f); a key has {_DIGITS} hex digits"
        )
    if count != _DIGITS:
        raise InvalidEncryptionKey(f"The input has {count} hex digits; a key has {_DIGITS}")
    return bytes.fromhex(digits)
