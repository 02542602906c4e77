"""Wraps a former `ENCRYPTION_KEY`: `python -m eonpro_phi wrap` reads its 64 hex digits, and KMS encrypts the 32 bytes.

Touches standard input or the terminal, and KMS (Encrypt); prints one line of JSON with the wrapped key, which is not
secret. The key itself stays in this process, and is overwritten before it ends as far as Python allows.
"""

import base64
import hashlib
import logging
import os
import termios
from collections.abc import Callable, Mapping

from eonpro_phi.cipher import DATA_KEY_BYTES
from eonpro_phi.environment import KEY_ARN, KEY_ID, REGION
from eonpro_phi.errors import InvalidEncryptionKey, MalformedVariable, MissingVariable, PhiError, UnwrapError
from eonpro_phi.kms import encrypt
from eonpro_phi.record import key_id

PROMPT = b"ENCRYPTION_KEY (64 hex digits, not shown): "
MAX_BYTES = 4096
"""Bytes that are read at most: a longer input is not a key."""

_DIGITS = 2 * DATA_KEY_BYTES
_HEX = b"0123456789abcdefABCDEF"
_LINE_ENDS = (0x0A, 0x0D)
"""Line feed and carriage return."""


def wrap(environment: Mapping[str, str], read: Callable[[], bytearray]) -> dict[str, object]:
    """Read the key and wrap it with the KMS key of this environment; returns the result for JSON."""
    # At level DEBUG botocore logs whole requests, and this one holds the key.
    logging.disable(logging.CRITICAL)
    try:
        region, key_arn = _kms_key(environment)
        digits = read()
        try:
            key = _decode(digits)
        finally:
            _wipe(digits)
        try:
            check_value = key_id(key)
            blob = encrypt(region, key_arn, key)
        finally:
            _wipe(key)
    except PhiError as error:
        cause = error.cause if isinstance(error, UnwrapError) else type(error).__name__
        return {"wrapped": None, "cause": cause, "message": str(error)}
    fingerprint = f"sha256:{hashlib.sha256(blob).hexdigest()[:16]}"
    wrapped = base64.b64encode(blob).decode()
    return {"wrapped": wrapped, "fingerprint": fingerprint, "keyArn": key_arn, "keyCheckValue": check_value}


def from_stdin() -> bytearray:
    """All of standard input, without Python's own buffers, which cannot be overwritten."""
    if os.isatty(0):
        raise InvalidEncryptionKey("Standard input is a terminal; pipe the key in, or use --prompt")
    read = bytearray()
    while len(read) <= MAX_BYTES and (more := os.read(0, MAX_BYTES)):
        read += more
    return read


def from_terminal() -> bytearray:
    """Read one line of the terminal, without echo."""
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError as error:
        raise InvalidEncryptionKey("There is no terminal to ask at; pipe the key in") from error
    try:
        before = termios.tcgetattr(terminal)
        without_echo = list(before)
        without_echo[3] &= ~termios.ECHO
        # TCSAFLUSH discards what was typed before the prompt: it was visible.
        termios.tcsetattr(terminal, termios.TCSAFLUSH, without_echo)
        try:
            os.write(terminal, PROMPT)
            return _read_line(terminal)
        finally:
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)
            os.write(terminal, b"\n")
    finally:
        os.close(terminal)


def _read_line(terminal: int) -> bytearray:
    read = bytearray()
    while len(read) <= MAX_BYTES and (more := os.read(terminal, 1)):
        if more[0] in _LINE_ENDS:
            break
        read += more
    return read


def _kms_key(environment: Mapping[str, str]) -> tuple[str, str]:
    missing = [name for name in (REGION, KEY_ID) if not environment.get(name)]
    if missing:
        raise MissingVariable(f"{' and '.join(missing)} is not set.")
    arn = KEY_ARN.fullmatch(environment[KEY_ID])
    if arn is None or arn[1] != environment[REGION]:
        raise MalformedVariable(f"{KEY_ID} is not the ARN of a KMS key in {REGION}.")
    return environment[REGION], environment[KEY_ID]


def _decode(digits: bytearray) -> bytearray:
    """The 32 bytes; raises InvalidEncryptionKey, which names the fault and never repeats the input."""
    start, end = 0, len(digits)
    while start < end and digits[start] in b" \t\r\n":
        start += 1
    while end > start and digits[end - 1] in b" \t\r\n":
        end -= 1
    count = end - start
    if count == 0:
        raise InvalidEncryptionKey("The input is empty")
    if count > MAX_BYTES:
        raise InvalidEncryptionKey(f"The input has more than {MAX_BYTES} characters; a key has {_DIGITS} hex digits")
    if digits[start] in b"\"'" or digits[end - 1] in b"\"'":
        raise InvalidEncryptionKey("The input has quotation marks around it; enter the digits only")
    if any(byte not in _HEX for byte in digits[start:end]):
        raise InvalidEncryptionKey(
            f"The input has {count} characters, and not all are hex digits (0-9, a-f); a key has {_DIGITS} hex digits"
        )
    if count != _DIGITS:
        raise InvalidEncryptionKey(f"The input has {count} hex digits; a key has {_DIGITS}")
    key = bytearray(DATA_KEY_BYTES)
    for index in range(DATA_KEY_BYTES):
        at = start + 2 * index
        key[index] = _digit(digits[at]) << 4 | _digit(digits[at + 1])
    return key


def _digit(byte: int) -> int:
    # By arithmetic: a str of the digit could not be overwritten.
    return byte - 0x30 if byte <= 0x39 else (byte | 0x20) - 0x61 + 10


def _wipe(secret: bytearray) -> None:
    for index in range(len(secret)):
        secret[index] = 0
