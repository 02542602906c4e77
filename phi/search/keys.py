"""The values that are stored and looked up: HMACs under a key for each table, column and clinic.

Touches nothing; a hash key is used where it is passed, and not kept.
"""

import hmac
from collections.abc import Iterable, Sequence

from phi.derivation import derived_key
from phi.errors import InvalidText, NotText
from phi.search.indexes import EXACT, WORDS, ExactIndex, WordIndex
from phi.search.words import query_terms, row_terms

PURPOSE = "eonpro-phi-search-v1"

Clinic = str | int
"""Names the clinic (tenant) of a row; "" where there is one key for all."""


def search_key(hash_key: bytes, index: ExactIndex | WordIndex, clinic: Clinic = "") -> bytes:
    """The 32 bytes that the values of this index and clinic are under."""
    kind, rule = (EXACT, index.rule) if isinstance(index, ExactIndex) else (WORDS, WORDS)
    return derived_key(hash_key, PURPOSE, kind, rule, index.table, index.column, str(clinic))


def exact_value(hash_key: bytes, index: ExactIndex, text: str | None, clinic: Clinic = "") -> str | None:
    """The value of a text: the first `bits` of its HMAC in lower hex; None for nothing to hash.

    Raises NotText, and InvalidText for a text that UTF-8 cannot encode.
    """
    return value_under(search_key(hash_key, index, clinic), index, text)


def value_under(key: bytes, index: ExactIndex, text: str | None) -> str | None:
    """The value of a text under a search key: see `exact_value`."""
    normalised = index.normalised(text)
    if normalised is None:
        return None
    return hmac.digest(key, _utf8(normalised), "sha256").hex()[: index.bits // 4]


def exact_values(hash_keys: Iterable[bytes], index: ExactIndex, text: str | None, clinic: Clinic = "") -> list[str]:
    """The values to look up, one for each hash key; none for nothing to hash: `column IN (values)`."""
    values = (exact_value(key, index, text, clinic) for key in hash_keys)
    return list(dict.fromkeys(value for value in values if value is not None))


def token(key: bytes, term: str, bits: int) -> int:
    """The first `bits` of a term's HMAC under a search key, as an unsigned number."""
    return int.from_bytes(hmac.digest(key, term.encode(), "sha256")[:4], "big") >> (32 - bits)


def row_tokens(hash_key: bytes, index: WordIndex, texts: Iterable[str | None], clinic: Clinic = "") -> list[int]:
    """The tokens of a row, from the texts of all its searched columns: sorted, each once. Raises NotText."""
    key = search_key(hash_key, index, clinic)
    return sorted({token(key, term, index.bits) for term in row_terms(_require_texts(texts))})


def token_groups(hash_keys: Sequence[bytes], index: WordIndex, query: str, clinic: Clinic = "") -> list[list[int]]:
    """For each word of a query the tokens of which a row has to have one, under any of the hash keys:
    `column && group` for each group, joined by AND. None for a query without a letter or digit, which finds nothing.
    """
    keys = [search_key(key, index, clinic) for key in hash_keys]
    (text,) = _require_texts((query,))
    return [
        list(dict.fromkeys(token(key, term, index.bits) for key in keys for term in terms))
        for terms in query_terms(text or "")
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
