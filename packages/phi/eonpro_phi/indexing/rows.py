"""Makes the search values of a batch of rows, from texts that are encrypted or plain.

Touches nothing. Texts stay in local variables; the tokens of the last words are kept, because names repeat.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import ClassVar, NoReturn

from eonpro_phi.binding import Binding, Form
from eonpro_phi.cipher import PhiCipher
from eonpro_phi.errors import DecryptionError
from eonpro_phi.indexing.models import IndexSelection, SearchColumn
from eonpro_phi.record import looks_like_a_record, place
from eonpro_phi.reencryption.binary import Keys
from eonpro_phi.reencryption.models import MAX_LISTED_ROWS, REMOVED, UNCHANGED, ColumnCounts, ReencryptedColumn
from eonpro_phi.reencryption.statements import Rows
from eonpro_phi.reencryption.worker import BatchWorker
from eonpro_phi.search.indexes import ExactIndex, WordIndex
from eonpro_phi.search.keys import ExactKey, WordKey
from eonpro_phi.search.words import ends, prefixes, words_and_numbers


class Unreadable(Enum):
    """The place of a text whose record is under another key."""

    RECORD = "record"


Text = str | Unreadable | None
_OF_NO_TENANT = tuple(form for form in Form if not form.of_tenant)
_MOST_WORDS = 60_000
"""Words whose tokens are kept, some 25 MB."""
_DIGITS = "0123456789"
_HEX = re.compile(r"[0-9a-f]+").fullmatch


class KnownWords:
    """The tokens of the words that came before, under one key."""

    __slots__ = ("_key", "_known")

    def __init__(self, key: WordKey) -> None:
        self._key = key
        self._known: dict[str, list[int]] = {}

    def tokens(self, texts: Sequence[str | None], most: int) -> set[int]:
        """The tokens of a row: those of `WordKey.row_tokens`. `most`: words that are kept."""
        known, tokens = self._known, self._key.tokens
        found: set[int] = set()
        terms: list[str] = []
        words, numbers = words_and_numbers(texts)
        for word in words:
            # The letters of "jane1980" are a name; its digits hardly come again.
            name = word.rstrip(_DIGITS)
            if name:
                if (of_name := known.get(name)) is None:
                    if len(known) >= most:
                        known.clear()
                    of_name = known[name] = tokens(prefixes(name))
                found.update(of_name)
            if name != word:
                terms += prefixes(word, longer_than=len(name))
        for number in numbers:
            terms += ends(number)
        found.update(tokens(terms))
        return found


class RowIndexer:
    """The keys of a run, and what it makes of a batch."""

    __slots__ = ("_cipher", "_exact", "_hash_key", "_places", "_table", "_words")

    def __init__(
        self, cipher: PhiCipher, hash_key: bytes, *, table: str, places: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """`cipher` opens the records with any key that they may be under; `table` is without its schema. `places` are
        the names for keys of columns that have another one than that of table and column.
        """
        self._cipher = cipher
        self._hash_key = hash_key
        self._table, self._places = table, places
        self._exact: dict[tuple[str, str], ExactKey] = {}
        self._words: dict[tuple[str, str], KnownWords] = {}

    def texts(
        self, values: Sequence[str | None], source: str, keys: Sequence[str], clinics: Sequence[str | None]
    ) -> list[Text]:
        """The texts of a column, of records and of plain values; a record may be under the key of its row's clinic."""
        try:
            if all(not value or looks_like_a_record(value) for value in values):
                return list(self._cipher.decrypt_many(values))
        except DecryptionError:
            pass
        # A record may be bound to its column or to its row, and be under the key of a tenant.
        where = Binding(place=self._places.get(source) or place(self._table, source), reads=_OF_NO_TENANT)
        return [self._text(value, where, key, of) for value, key, of in zip(values, keys, clinics, strict=True)]

    def column(
        self,
        column: SearchColumn,
        texts: Sequence[Sequence[Text]],
        clinics: Sequence[str | None],
        stored: Sequence[str | None],
        keys: Sequence[str],
    ) -> ReencryptedColumn:
        """The values of one search column. `texts`: of each source; `stored`: what the column holds now, as text.

        What is neither NULL nor has the form of a value of this index is never replaced.
        """
        records = [UNCHANGED] * len(stored)
        empty = new = old = foreign = strange = 0
        example_rows: list[str] = []
        for at, value in enumerate(stored):
            of_row = [text for source in texts if not isinstance(text := source[at], Unreadable)]
            is_readable = len(of_row) == len(texts)
            expected = self._value(column.index, of_row, clinics[at] or "") if is_readable else None
            if is_readable and value == expected:
                new, empty = new + (value is not None), empty + (value is None)
                continue
            is_value = not value or _has_form(value, column.index)
            if is_readable and is_value:
                old, records[at] = old + 1, REMOVED if expected is None else expected
                continue
            foreign, strange = foreign + is_value, strange + (not is_value)
            if len(example_rows) < MAX_LISTED_ROWS:
                example_rows.append(keys[at])
        counts = ColumnCounts(
            empty=empty, new=new, old=old, foreign=foreign, no_record=strange, example_rows=tuple(example_rows)
        )
        return ReencryptedColumn(records=records, counts=counts)

    def _text(self, value: str | None, where: Binding, key: str, clinic: str | None) -> Text:
        if not value or not looks_like_a_record(value):
            return value
        new, base = (self._cipher.derived(clinic), self._cipher) if clinic else (self._cipher, None)
        opened = Keys(new=new, old=None, base=base).opened(value, where, key)
        return Unreadable.RECORD if opened is None else opened.text

    def _value(self, index: ExactIndex | WordIndex, texts: Sequence[str | None], clinic: str) -> str | None:
        """The value of a row as PostgreSQL writes it."""
        where = (index.column, clinic)
        if isinstance(index, ExactIndex):
            if (key := self._exact.get(where)) is None:
                key = self._exact[where] = ExactKey(self._hash_key, index, clinic)
            return key.value(texts[0])
        if (words := self._words.get(where)) is None:
            words = self._words[where] = KnownWords(WordKey(self._hash_key, index, clinic))
        return "{" + ",".join(map(str, sorted(words.tokens(texts, _MOST_WORDS // len(self._words))))) + "}"

    def __repr__(self) -> str:
        return "RowIndexer(HMAC-SHA-256)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A RowIndexer cannot be copied or pickled: it holds keys.")


def _has_form(value: str, index: ExactIndex | WordIndex) -> bool:
    """Whether a stored value may be one of this index: so many hex digits, or ascending numbers of so many bits."""
    if isinstance(index, ExactIndex):
        return len(value) == index.bits // 4 and _HEX(value) is not None
    try:
        numbers = [int(number) for number in value[1:-1].split(",")] if value != "{}" else []
    except ValueError:
        return False
    return all(a < b for a, b in zip([-1, *numbers], [*numbers, 2**index.bits], strict=True))


@dataclass(frozen=True)
class IndexWorker(BatchWorker):
    """Reads a batch and writes its search values where they differ."""

    selection: IndexSelection = field(kw_only=True)
    indexer: RowIndexer = field(kw_only=True)
    proves_by_versions: ClassVar[bool] = True

    def columns(self, rows: Rows) -> dict[str, ReencryptedColumn]:
        selection = self._table.selection
        values = dict(zip(selection.read_names, rows.values, strict=True))
        clinic = self.selection.clinic_column
        clinics = values[clinic] if clinic else [""] * len(rows)
        texts = {name: self.indexer.texts(values[name], name, rows.keys, clinics) for name in self.selection.sources}
        by_name = {column.name: column for column in self.selection.columns}
        return {
            name: self.indexer.column(
                by_name[name], [texts[source] for source in by_name[name].sources], clinics, values[name], rows.keys
            )
            for name in selection.names
        }

    def _end_of_documents(self, after: str | None) -> str | None:
        # Tokens are small.
        return None
