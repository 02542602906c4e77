"""The rules that make different spellings of one value the same text, before it is hashed.

Touches nothing. JavaScript has the same operations, and tests compare both for each character: a service and the
application find one another's rows.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from types import MappingProxyType

from eonpro_phi.hashes import WHITE_SPACE, normalised_date, normalised_email, trimmed

Rule = Callable[[str], str | None]
"""The text to hash; None where there is nothing to hash."""

SPACES = re.compile(f"[{WHITE_SPACE}]+")
_EXTENSION = re.compile(r"[0-9][^0-9a-z]*(?:ext|x|#)")
_NO_DIGITS = re.compile(r"[^0-9]+")
_YEAR_FIRST = re.compile(r"([0-9]{4})([-/.])([0-9]{1,2})\2([0-9]{1,2})(?:[t ].*)?", re.DOTALL)
_MONTH_FIRST = re.compile(r"([0-9]{1,2})([-/])([0-9]{1,2})\2([0-9]{4})(?:[t ].*)?", re.DOTALL)

_LETTERS = "ßss æae œoe øo łl đd ðd þth ıi ħh ŧt ŋn ɓb ɗd ƙk ƴy ƀb ǥg ɨi ɉj ƚl ɫl ɍr ʉu ɏy ƶz ⱥa ȼc ɇe ⱦt"
"""Letters that Unicode does not take for a letter with a mark, each with what it is folded to."""
_APOSTROPHES = (
    "`\xb4\u02b9\u02bb\u02bc\u02bd\u02be\u02bf\u02ca\u02cb\u0384\u055a\u05f3\u07f4\u07f5\u1fbd\u1fbf\u1ffd\u1ffe"
)
_APOSTROPHES += "\u2018\u2019\u201b\u2032\ua78c"
_HYPHENS = "\xad\xb7\u05be\u1806\u200c\u200d\u2010\u2011\u2012\u2013\u2014\u2015\u2027\u2212\u30fb"
"""Also what joins two parts of a word without a space: a middle dot, a soft hyphen, a joiner."""
_UNSEEN = "\u0640\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069"
"""Marks of the direction of a text, and what only lengthens a line."""
_SPELLED = str.maketrans(
    {each[0]: each[1:] for each in _LETTERS.split()}
    | dict.fromkeys(_APOSTROPHES, "'")
    | dict.fromkeys(_HYPHENS, "-")
    | dict.fromkeys(_UNSEEN, "")
)
_LATER = """
897 CF3 ECE 1ACF-1AEB 1B4E-1B4F 1B7F 1C89 20C1 2427-2429 2B96 2FFC-2FFF 31E4-31EF A7CB-A7CE A7D2 A7D4 A7DA-A7F1
FBC3-FBD2 FD90-FD91 FDC8-FDCE 105C9-105E4 10D40-10D8F 10ED0-10EFF 11241 11383-113E2 116D0-116E3 11B00-11BF9
11DE0-11DE9 11F00-11F5A 13439-13455 1611E-16139 16D68-16D79 16EA0-16EB8 1CC00-1CEF0 1E030-1E08F 1E4EC-1E6F5
1F6D8-1F6DC 1F774-1F77F 1F7D9 1F8B2-1F8D8 1FA54-1FA57 1FA75-1FA77 1FA87-1FA8F 1FAAD-1FAAF 1FABB-1FABF 1FAC6-1FACF
1FADA-1FADF 1FAE8-1FAEF 1FAF7-1FAF8 1FBCB-1FBEF 1FBFA
"""
"""What came into Unicode after version 14, up to 17, and is no letter that stays as it is. A character that version 14
does not have is one: else a search would depend on the Unicode of Python, and of Node.
"""
_LATER_CODES = frozenset(
    code
    for first, _, last in (each.partition("-") for each in _LATER.split())
    for code in range(int(first, 16), int(last or first, 16) + 1)
)


class _Characters(dict[int, str]):
    """What each character is replaced by. Those that stay are many, and kept only where they are frequent."""

    def __init__(self, replaced: Callable[[str], str]) -> None:
        super().__init__()
        self._replaced = replaced

    def __missing__(self, code: int) -> str:
        character = chr(code)
        replaced = self._replaced(character)
        if replaced != character or code < 0x3400:
            self[code] = replaced
        return replaced


def _is_later(character: str) -> bool:
    return unicodedata.category(character) == "Cn" or ord(character) in _LATER_CODES


def _folded(character: str) -> str:
    if _is_later(character):
        return character
    if (digit := unicodedata.decimal(character, None)) is not None:
        return str(digit)
    decomposed = unicodedata.normalize("NFKD", character.translate(_SPELLED))
    kept = "".join(each for each in decomposed if not unicodedata.category(each).startswith("M"))
    # A sigma at the end of a word has a lower case of its own.
    return kept.lower().replace("ς", "σ").translate(_SPELLED)


_FOLDED = _Characters(_folded)
_DIVIDED = _Characters(
    lambda character: character if unicodedata.category(character)[0] in "LN" or _is_later(character) else " "
)


def folded(text: str) -> str:
    """The text without accents and other marks, in lower case, with one apostrophe, one hyphen and the digits 0 to 9.

    Of each character: NFKD, no character of category M, lower case, and the letters of _LETTERS as others write them.

    >>> folded("Ångström Ⅷ ΟΔΟΣ Łukasz O’Brien ٠٩")
    "angstrom viii οδοσ lukasz o'brien 09"
    """
    return text.lower().replace("`", "'") if text.isascii() else text.translate(_FOLDED)


def divided(plain: str) -> list[str]:
    """The runs of letters and digits in a folded text."""
    return plain.translate(_DIVIDED).split(" ")


def phone_number(text: str) -> str:
    """A phone number in one form: ten digits in North America, whose 1 or +1 is left out; of another country E.164,
    with its +, which a number needs, or 00, 011 or more than eleven digits. Without an extension.

    >>> phone_number("+1 (555) 010-2345 ext. 6"), phone_number("555.010.2345"), phone_number("+44 (0)20 7946 0958")
    ('5550102345', '5550102345', '+442079460958')
    """
    plain = trimmed(folded(text))
    if extension := _EXTENSION.search(plain):
        plain = plain[: extension.start() + 1]
    is_abroad = plain.startswith("+")
    digits = _NO_DIGITS.sub("", plain.replace("(0)", "") if is_abroad else plain)
    if not is_abroad and digits.startswith(("011", "00")):
        is_abroad, digits = True, digits[3 if digits.startswith("011") else 2 :]
    if digits.startswith("1") and (len(digits) == 11 or is_abroad):
        return digits[1:]
    return f"+{digits}" if digits and (is_abroad or len(digits) > 11) else digits


def phone_digits(text: str) -> str:
    """The digits of a phone number in one form."""
    return phone_number(text).removeprefix("+")


def _date(text: str) -> str | None:
    plain = trimmed(folded(text))
    if found := _YEAR_FIRST.fullmatch(plain):
        year, _, month, day = found.groups()
    elif found := _MONTH_FIRST.fullmatch(plain):
        month, _, day, year = found.groups()
    else:
        return _text(text)
    return normalised_date(f"{year}-{month:0>2}-{day:0>2}")


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
        "phone": lambda text: phone_number(text) or None,
        "last4": _last4,
        "date": _date,
        "id": _identifier,
        "text": _text,
    }
)
"""`email`: that of the application's emailHash. `phone`: North American, or E.164. `last4`: the last four digits of it.
`date`: year, month, day, or month, day, year of four digits, with a time or without. `id`: folded, without white space.
`text`: folded, with single spaces."""
