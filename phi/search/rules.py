"""The rules that make different spellings of one value the same text, before it is hashed.

Touches nothing. JavaScript has the same operations, and tests compare both for each character: a service and the
application find one another's rows.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from types import MappingProxyType

from phi.hashes import WHITE_SPACE, normalised_date, normalised_email, trimmed

Rule = Callable[[str], str | None]
"""The text to hash; None where there is nothing to hash."""

SPACES = re.compile(f"[{WHITE_SPACE}]+")
_EXTENSION = re.compile(r"[0-9][^0-9a-z]*(?:ext|x|#)")
_NO_DIGITS = re.compile(r"[^0-9]+")


def folded(text: str) -> str:
    """The text without accents and other marks, in lower case: NFKD, no character of category M, lower case.

    >>> folded("Ångström Ⅷ ΟΔΟΣ")
    'angstrom viii οδοσ'
    """
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text)
    kept = [character for character in decomposed if not unicodedata.category(character).startswith("M")]
    # A sigma at the end of a word has a lower case of its own, which depends on what stands beside it.
    return "".join(kept).lower().replace("ς", "σ")


def phone_digits(text: str) -> str:
    """The digits of a phone number, without an extension and without the 1 or +1 of a North American number.

    >>> phone_digits("+1 (555) 010-2345 ext. 6"), phone_digits("555.010.2345"), phone_digits("+44 20 7946 0958")
    ('5550102345', '5550102345', '442079460958')
    """
    plain = trimmed(folded(text))
    if extension := _EXTENSION.search(plain):
        plain = plain[: extension.start() + 1]
    digits = _NO_DIGITS.sub("", plain)
    is_american = digits.startswith("1") and (len(digits) == 11 or plain.startswith("+1"))
    return digits[1:] if is_american else digits


def _last4(text: str) -> str | None:
    digits = phone_digits(text)
    return digits[-4:] if len(digits) >= 4 else None


def _identifier(text: str) -> str | None:
    return SPACES.sub("", folded(text)) or None


def _text(text: str) -> str | None:
    return SPACES.sub(" ", folded(text)).strip(" ") or None


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "email": normalised_email,
        "phone": lambda text: phone_digits(text) or None,
        "last4": _last4,
        "date": normalised_date,
        "id": _identifier,
        "text": _text,
    }
)
"""`email` and `date`: those of the application's emailHash and dobHash. `phone`: its digits. `last4`: the last four of
them. `id`: folded, without white space. `text`: folded, with single spaces."""
