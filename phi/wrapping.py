"""A former `ENCRYPTION_KEY`, wrapped: `python -m phi wrap` reads its 64 hex digits and has KMS encrypt the 32 bytes.

Touches standard input or the terminal, and KMS (Encrypt); prints one line of JSON with the wrapped key, which is no
secret. The key itself is in this process alone, and is overwritten before it ends, as far as Python lets one.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import os
import termios
from collections.abc import Callable, Mapping

from phi.cipher import DATA_KEY_BYTES
from phi.environment import KEY_ARN, KEY_ID, REGION
from phi.errors import EncryptionKeyRefused, MalformedVariable, MissingVariable, PhiError, UnwrapError
from phi.kms import encrypted

PROMPT = b"ENCRYPTION_KEY (64 hex digits, not shown): "
LONGEST = 4096
"""Octets that are read at most: what is longer is no key, whatever it is."""

_DIGITS = 2 * DATA_KEY_BYTES
_HEX = b"0123456789abcdefABCDEF"
_ENDS = (0x0A, 0x0D)
"""Line feed, carriage return: what ends a line at a terminal."""


def wrap(environment: Mapping[str, str], read: Callable[[], bytearray]) -> dict[str, object]:
    """Read the key, wrap it under the key of this environment; the verdict, as facts for JSON."""
    # At level DEBUG botocore logs whole requests, and this one holds the key.
    logging.disable(logging.CRITICAL)
    try:
        region, key_arn = _where(environment)
        given = read()
        try:
            key = _decoded(given)
        finally:
            _wipe(given)
        try:
            blob = encrypted(region, key_arn, key)
        finally:
            _wipe(key)
    except PhiError as error:
        cause = error.cause if isinstance(error, UnwrapError) else type(error).__name__
        return {"wrapped": None, "cause": cause, "message": str(error)}
    fingerprint = f"sha256:{hashlib.sha256(blob).hexdigest()[:16]}"
    return {"wrapped": base64.b64encode(blob).decode(), "fingerprint": fingerprint, "keyArn": key_arn}


def from_stdin() -> bytearray:
    """All of standard input, past Python's own buffers, which nobody could wipe."""
    if os.isatty(0):
        raise EncryptionKeyRefused("Nothing is piped in; without a pipe the key is asked for at a terminal")
    found = bytearray()
    while len(found) <= LONGEST and (more := os.read(0, LONGEST)):
        found += more
    return found


def from_terminal() -> bytearray:
    """One line of the terminal, which does not show it."""
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError as error:
        raise EncryptionKeyRefused("There is no terminal to ask at; pipe the key in") from error
    try:
        shown = termios.tcgetattr(terminal)
        hidden = list(shown)
        hidden[3] &= ~termios.ECHO
        # What was typed ahead was typed to be seen.
        termios.tcsetattr(terminal, termios.TCSAFLUSH, hidden)
        try:
            os.write(terminal, PROMPT)
            return _line(terminal)
        finally:
            termios.tcsetattr(terminal, termios.TCSADRAIN, shown)
            os.write(terminal, b"\n")
    finally:
        os.close(terminal)


def _line(terminal: int) -> bytearray:
    found = bytearray()
    while len(found) <= LONGEST and (more := os.read(terminal, 1)):
        if more[0] in _ENDS:
            break
        found += more
    return found


def _where(environment: Mapping[str, str]) -> tuple[str, str]:
    absent = [name for name in (REGION, KEY_ID) if not environment.get(name)]
    if absent:
        raise MissingVariable(f"{' and '.join(absent)} is not set.")
    arn = KEY_ARN.fullmatch(environment[KEY_ID])
    if arn is None or arn[1] != environment[REGION]:
        raise MalformedVariable(f"{KEY_ID} is not the ARN of a KMS key in {REGION}.")
    return environment[REGION], environment[KEY_ID]


def _decoded(given: bytearray) -> bytearray:
    """The 32 bytes; raises EncryptionKeyRefused, which says what is wrong and never repeats what was given."""
    start, end = 0, len(given)
    while start < end and given[start] in b" \t\r\n":
        start += 1
    while end > start and given[end - 1] in b" \t\r\n":
        end -= 1
    count = end - start
    if count == 0:
        raise EncryptionKeyRefused("Nothing was given")
    if count > LONGEST:
        raise EncryptionKeyRefused(f"More than {LONGEST} characters were given; a key has {_DIGITS} hex digits")
    if given[start] in b"\"'" or given[end - 1] in b"\"'":
        raise EncryptionKeyRefused("It has quotation marks around it; give the digits alone")
    if any(octet not in _HEX for octet in given[start:end]):
        raise EncryptionKeyRefused(
            f"It has other characters than hex digits (0-9, a-f) among its {count}; a key has {_DIGITS} of them"
        )
    if count != _DIGITS:
        raise EncryptionKeyRefused(f"It has {count} hex digits; a key has {_DIGITS}")
    key = bytearray(DATA_KEY_BYTES)
    for index in range(DATA_KEY_BYTES):
        at = start + 2 * index
        key[index] = _digit(given[at]) << 4 | _digit(given[at + 1])
    return key


def _digit(octet: int) -> int:
    # By arithmetic, for a text could not be wiped.
    return octet - 0x30 if octet <= 0x39 else (octet | 0x20) - 0x61 + 10


def _wipe(held: bytearray) -> None:
    for index in range(len(held)):
        held[index] = 0
