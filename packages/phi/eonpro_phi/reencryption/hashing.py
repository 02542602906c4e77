"""Carries the search hashes of a batch from one hash key to another, together with the records that they belong to.

Touches nothing. A hash is replaced only where it is proved to be that of its row's text, unless the run says otherwise.
"""

from collections.abc import Sequence
from typing import NoReturn

from eonpro_phi.hashes import IS_HASH, NORMALISATIONS, derived_hash_key, text_hash
from eonpro_phi.reencryption.models import MAX_LISTED_ROWS, REMOVED, UNCHANGED, ColumnCounts, ReencryptedColumn


class HashCarrier:
    """The hash keys of a run, and its treatment of hashes that are missing or under neither key."""

    __slots__ = ("_fill", "_new", "_old", "_replace")

    def __init__(
        self, *, data_keys: Sequence[bytes], hash_key: bytes | None, fill: bool = False, replace: bool = False
    ) -> None:
        """`data_keys`: those that hashes may be derived from, the new one last. `hash_key`: the application's own, None
        where it derives the key from the new data key.

        `fill` writes a hash where there is none; `replace` does so too, and replaces those of neither key.
        """
        derived = [derived_hash_key(key) for key in data_keys]
        self._new = derived[-1] if hash_key is None else hash_key
        self._old = tuple(key for key in derived if key != self._new)
        self._fill, self._replace = fill or replace, replace

    def carry(
        self, field: str, texts: Sequence[str | None], hashes: Sequence[str | None], keys: Sequence[str]
    ) -> ReencryptedColumn:
        """One hash column of a batch. `texts`: of the same rows, "" for no text, None where no key decrypts the record.

        `keys` are the key column's values, to name the rows whose hash stays as it is.
        """
        records = [UNCHANGED] * len(hashes)
        empty = new = old = foreign = no_hash = 0
        example_rows: list[str] = []
        normalise = NORMALISATIONS[field]
        for at, (text, stored) in enumerate(zip(texts, hashes, strict=True)):
            expected = text_hash(self._new, text, normalise)
            if not stored:
                if expected and self._fill:
                    old, records[at] = old + 1, expected
                else:
                    empty += 1
            elif stored == expected:
                new += 1
            elif any(stored == text_hash(key, text, normalise) for key in self._old) or (
                self._replace and text is not None and IS_HASH(stored)
            ):
                old, records[at] = old + 1, expected or REMOVED
            else:
                is_hash = IS_HASH(stored) is not None
                foreign, no_hash = foreign + is_hash, no_hash + (not is_hash)
                if len(example_rows) < MAX_LISTED_ROWS:
                    example_rows.append(keys[at])
        counts = ColumnCounts(
            empty=empty, new=new, old=old, foreign=foreign, no_record=no_hash, example_rows=tuple(example_rows)
        )
        return ReencryptedColumn(records=records, counts=counts)

    def __repr__(self) -> str:
        return "HashCarrier(HMAC-SHA-256)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A HashCarrier cannot be copied or pickled: it holds hash keys.")
