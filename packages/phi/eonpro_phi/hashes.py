"""The search hashes that EONPRO stores next to its records (`emailHash`, `dobHash`), and the key that they are under.

Touches nothing. A hash is the HMAC-SHA-256 of the normalised text, in 64 hex digits. Its key is ENCRYPTED_PHI_HASH_KEY
unwrapped, where the application has that variable; else it is derived from the data key, and changes with it.
"""

import hmac
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

HASH_CHARACTERS = 64
"""The hex digits of a hash, in lower case."""

IS_HASH = re.compile(r"[0-9a-f]{64}").fullmatch
"""Whether a text has the form of a hash."""

_CONTEXT = b"patient-dedup-v1"
# Those of JavaScript's String.prototype.trim; Python's own differ in U+001C to U+001F, U+0085 and U+FEFF.
WHITE_SPACE = "\t\n\v\f\r \xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029"
WHITE_SPACE += "\u202f\u205f\u3000\ufeff"
"""The characters that JavaScript's `trim` removes."""
_NO_EMAILS = frozenset({"", "unknown@example.com", "unknown@intake.local", "noemail@placeholder.local"})
_NO_EMAIL_DOMAINS = ("@intake.local", "@placeholder.local")
_NO_DATES = frozenset({"", "1900-01-01"})
_AMERICAN_DATE = re.compile(r"([0-9]{1,2})[/-]([0-9]{1,2})[/-]([0-9]{4})")


def derived_hash_key(data_key: bytes) -> bytes:
    """The 32 bytes of the hash key that the application derives from its data key.

    >>> derived_hash_key(bytes(32)).hex()[:16]
    '657286cc5fc6ef4e'
    """
    return hmac.digest(data_key, _CONTEXT, "sha256")


def trimmed(text: str) -> str:
    """The text without white space at its ends, as JavaScript's `trim` leaves it."""
    return text.strip(WHITE_SPACE)


def normalised_email(text: str) -> str | None:
    """The text that is hashed for an e-mail address; None for a placeholder, which has no hash.

    >>> normalised_email(" Jane@Example.org ")
    'jane@example.org'
    """
    normalised = trimmed(text.lower())
    return None if normalised in _NO_EMAILS or normalised.endswith(_NO_EMAIL_DOMAINS) else normalised


def normalised_date(text: str) -> str | None:
    """The text that is hashed for a date of birth, YYYY-MM-DD; None for a placeholder, which has no hash.

    >>> normalised_date("4/5/1980"), normalised_date("1980-04-05T00:00:00Z")
    ('1980-04-05', '1980-04-05')
    """
    normalised = trimmed(text)
    if american := _AMERICAN_DATE.fullmatch(normalised):
        month, day, year = american.groups()
        normalised = f"{year}-{month:0>2}-{day:0>2}"
    else:
        normalised = normalised.split("T")[0]
    return None if normalised in _NO_DATES else normalised


NORMALISATIONS: Mapping[str, Callable[[str], str | None]] = MappingProxyType(
    {"email": normalised_email, "dob": normalised_date}
)
"""The application's two hashes, by the field that each is of."""


def text_hash(hash_key: bytes, text: str | None, normalise: Callable[[str], str | None]) -> str | None:
    """The hash of a text; None for no text and for a placeholder."""
    normalised = normalise(text) if text else None
    return None if normalised is None else hmac.digest(hash_key, normalised.encode(), "sha256").hex()
