"""The definition of an index: what it compares, and in which column. Without a key, so that anybody may import it.

Touches nothing. The same definition is used to write a row and to look it up; the clinic is given with each call.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from eonpro_phi.errors import NotText
from eonpro_phi.search.rules import RULES
from eonpro_phi.search.words import row_matches

EXACT, WORDS = "exact", "words"
"""The kinds of index; part of what a search key is derived from."""


@dataclass(frozen=True, kw_only=True)
class ExactIndex:
    """Finds the rows whose text is the same as another, under a rule: a column of text with a B-tree index.

    >>> ExactIndex(table="Patient", column="phoneSearch", rule="phone").matches("(555) 010-2345", "+15550102345")
    True
    """

    table: str
    """Without its schema."""
    column: str
    """The column that holds the values."""
    rule: str
    """A key of `eonpro_phi.search.rules.RULES`."""
    bits: int = 128
    """Of a value, a multiple of 4 from 8 to 256. Few bits let one value stand for many texts: its rows are then only
    candidates, as those of a WordIndex are."""

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise ValueError(f"rule is {', '.join(RULES)}; not {self.rule}")
        if self.bits not in range(8, 257, 4):
            raise ValueError(f"bits is a multiple of 4 from 8 to 256, not {self.bits}")

    def normalised(self, text: str | None) -> str | None:
        """The text to hash; None for no text, and for a placeholder. Raises NotText."""
        if text is not None and not isinstance(text, str):
            raise NotText
        return RULES[self.rule](text) if text else None

    def matches(self, wanted: str | None, text: str | None) -> bool:
        """Whether a decrypted text is the wanted one; no text is that of another row."""
        normalised = self.normalised(wanted)
        return normalised is not None and normalised == self.normalised(text)


@dataclass(frozen=True, kw_only=True)
class WordIndex:
    """Finds the rows with words that begin as those of a query, or with a phone number that ends so: a column of
    integer[] with a GIN index. Its rows are candidates: decrypt them, and keep those that `matches`.

    >>> WordIndex(table="Patient", column="searchTokens").matches("jan 2345", ["Jane", "Doe", "(555) 010-2345"])
    True
    """

    table: str
    """Without its schema."""
    column: str
    """The column that holds the tokens of all searched columns."""
    bits: int = 16
    """Of a token, from 8 to 31. One token stands for many prefixes: with fewer bits for more."""

    def __post_init__(self) -> None:
        if self.bits not in range(8, 32):
            raise ValueError(f"bits is from 8 to 31, not {self.bits}")

    def matches(self, query: str, texts: Iterable[str | None]) -> bool:
        """Whether the decrypted texts of a row are what the query looks for. A query without a letter or a digit finds
        nothing.
        """
        return row_matches(query, texts)
