"""The values that are stored and looked up: HMACs under a key for each table, column and clinic.

Touches nothing; a hash key is used where it is passed, and not kept.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from struct import Struct
from typing import NoReturn

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from eonpro_phi.derivation import derived_key
from eonpro_phi.errors import InvalidText, NotText
from eonpro_phi.search.indexes import EXACT, WORDS, ExactIndex, WordIndex
from eonpro_phi.search.words import query_terms, row_terms

PURPOSE = "eonpro-phi-search-v1"

Clinic = str | int
"""Names the clinic (tenant) of a row; "" where there is one key for all."""


def search_key(hash_key: bytes, index: ExactIndex | WordIndex, clinic: Clinic = "") -> bytes:
    """The 32 bytes that the values of this index and clinic are under."""
    kind, rule = (EXACT, index.rule) if isinstance(index, ExactIndex) else (WORDS, WORDS)
    return derived_key(hash_key, PURPOSE, kind, rule, index.table, index.column, str(clinic))


class _SearchKey:
    """The key of an index and a clinic, ready to make values. It holds the state of an HMAC.

    Safe between threads; never pickled or copied.
    """

    __slots__ = ("_copy",)

    def __init__(self, hash_key: bytes, index: ExactIndex | WordIndex, clinic: Clinic) -> None:
        # An HMAC that is copied takes a third of the time of one that is made of a key.
        self._copy = HMAC(search_key(hash_key, index, clinic), SHA256()).copy

    def __repr__(self) -> str:
        return f"{type(self).__name__}(HMAC-SHA-256)"

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"A {type(self).__name__} cannot be copied or pickled: it holds a key.")


class ExactKey(_SearchKey):
    """Makes the values of an ExactIndex in a clinic."""

    __slots__ = ("_digits", "index")

    def __init__(self, hash_key: bytes, index: ExactIndex, clinic: Clinic = "") -> None:
        super().__init__(hash_key, index, clinic)
        self.index = index
        self._digits = index.bits // 4

    def value(self, text: str | None) -> str | None:
        """The value of a text: the first `bits` of its HMAC in lower hex; None for nothing to hash.

        Raises NotText, and InvalidText for a text that UTF-8 cannot encode.
        """
        normalised = self.index.normalised(text)
        return None if normalised is None else self.value_of(normalised)

    def value_of(self, normalised: str) -> str:
        """The value of a text that was normalised. Raises InvalidText."""
        mac = self._copy()
        mac.update(_utf8(normalised))
        return mac.finalize().hex()[: self._digits]


class WordKey(_SearchKey):
    """Makes the tokens of a WordIndex in a clinic."""

    __slots__ = ("_shift",)

    def __init__(self, hash_key: bytes, index: WordIndex, clinic: Clinic = "") -> None:
        super().__init__(hash_key, index, clinic)
        self._shift = 32 - index.bits

    def tokens(self, terms: Iterable[str]) -> list[int]:
        """The token of each term: the first `bits` of its HMAC as an unsigned number."""
        copy, shift = self._copy, self._shift
        digests = []
        for term in terms:
            mac = copy()
            mac.update(term.encode())
            digests.append(mac.finalize())
        return [number >> shift for number in _first_32_bits(len(digests)).unpack(b"".join(digests))]

    def row_tokens(self, texts: Iterable[str | None]) -> list[int]:
        """The tokens of a row, from the texts of all its searched columns: sorted, each once. Raises NotText."""
        return sorted({*self.tokens(row_terms(_require_texts(texts)))})


@lru_cache(maxsize=256)
def _first_32_bits(digests: int) -> Struct:
    """Reads the first 32 bits of each of so many digests, in one call."""
    return Struct(">" + "I28x" * digests)


def exact_values(keys: Sequence[ExactKey], text: str | None) -> list[str]:
    """The values to look up, one for each key of an index and a clinic; none for nothing to hash:
    `column IN (values)`. Raises as `ExactKey.value`.
    """
    normalised = keys[0].index.normalised(text)
    if normalised is None:
        return []
    values = [key.value_of(normalised) for key in keys]
    return values if len(values) == 1 else list(dict.fromkeys(values))


def token_groups(keys: Sequence[WordKey], query: str) -> list[list[int]]:
    """The tokens of each word of a query; a row has to have one of them, under any of the keys:
    `column && group` for each group, joined by AND. None for a query without a letter or digit, which finds nothing.
    """
    (text,) = _require_texts((query,))
    return [
        list(dict.fromkeys(token for key in keys for token in key.tokens(terms))) for terms in query_terms(text or "")
    ]


def _require_texts(texts: Iterable[str | None]) -> list[str | None]:
    """The texts as a list; a single text is refused, because its characters are not the texts of a row."""
    if isinstance(texts, str):
        raise NotText
    listed = list(texts)
    if not all(text is None or isinstance(text, str) for text in listed):
        raise NotText
    return listed


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        pass
    # Outside the handler, whose error holds the text.
    raise InvalidText
