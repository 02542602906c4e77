"""Re-encrypts records from one data key to another: finds the key of each, and encrypts its text with the new one.

Touches the operating system's random source. Plaintext stays in local variables, for as long as one column of a batch;
where the column has search hashes, for as long as the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pybase64 import b64decode

from eonpro_phi.binding import Binding, Form
from eonpro_phi.cipher import PhiCipher
from eonpro_phi.errors import DecryptionError
from eonpro_phi.raw_record import RAW_CIPHERTEXT, RAW_IV, RAW_TAG
from eonpro_phi.record import BEFORE_ONE_PAD, BEFORE_TWO_PADS, V2, looks_like_a_record
from eonpro_phi.reencryption.binary import FAULTY, BinaryReencryptor, Keys, OpenedText
from eonpro_phi.reencryption.checked_records import checked_records
from eonpro_phi.reencryption.embedded import embedded_records, is_damaged, may_hold_records, replaced
from eonpro_phi.reencryption.errors import ReencryptionError
from eonpro_phi.reencryption.json_fields import FieldTexts
from eonpro_phi.reencryption.models import MAX_LISTED_ROWS, UNCHANGED, ColumnCounts, ReencryptedColumn
from eonpro_phi.tenants import tenant_key

ANYWHERE = Binding(place="")
"""Of values that are in no column: records without a place."""
_DECRYPTION_FAILURES = (ValueError, IndexError, InvalidTag, OverflowError)
_MOST_TENANTS = 1000
"""Tenants whose keys are kept between batches."""


class RecordReencryptor:
    """Decrypts with the new key or an old one, and encrypts with the new; accepts the same records as PhiCipher.

    A column whose records are all under the expected key takes the fast path, which works on bytes: they are never
    converted to str. Any other column goes through PhiCipher, record by record.
    """

    __slots__ = ("_ciphers", "_keys", "_mostly_new", "_new_key", "_old_key", "_tenants", "_v2")

    def __init__(self, *, old: Sequence[bytes], new: bytes, base: PhiCipher | None = None) -> None:
        """Take data keys of 32 bytes; raises InvalidDataKey for others. Without an old key the values are texts that
        were never encrypted; one that looks like a record and is under another key is not encrypted again.

        `base` is that of the data keys where the keys are a tenant's: then every new record of a text is of version 2;
        else it has the version that it had, unless it is bound.
        """
        self._keys = (*old, new)
        self._tenants: dict[str, RecordReencryptor] = {}
        self._v2 = base is not None
        old_cipher = PhiCipher(old[0], reading_keys=old[1:]) if old else None
        self._ciphers = Keys(new=PhiCipher(new), old=old_cipher, base=base)
        self._old_key, self._new_key = AESGCM(old[0]) if old else None, AESGCM(new)
        self._mostly_new = False

    def of_tenant(self, tenant: str) -> RecordReencryptor:
        """The re-encryptor of a tenant: its new records are under the tenant's key. Records of the data keys
        themselves, from before there were tenants, are taken where the run reads them.
        """
        if (found := self._tenants.get(tenant)) is None:
            *old, new = (tenant_key(key, tenant) for key in self._keys)
            base = PhiCipher(self._keys[-1], reading_keys=self._keys[:-1])
            found = RecordReencryptor(old=old, new=new, base=base)
            if len(self._tenants) >= _MOST_TENANTS:
                self._tenants.clear()
            self._tenants[tenant] = found
        return found

    def reencrypt(
        self,
        values: Sequence[str | None],
        keys: Sequence[str],
        *,
        write: bool = True,
        texts: bool = False,
        documents: bool = False,
        where: Binding = ANYWHERE,
    ) -> ReencryptedColumn:
        """A column of values; `keys` are the key column's values of the rows, to name those that no key decrypts.

        Every new record was decrypted again with the new key, and compared with the text of the old one. Without
        `write` nothing is encrypted: every value is UNCHANGED. With `texts` the column has the texts too. A column of
        `documents` is of a type whose values need not be records. A record is taken in the forms of `where`, and stays
        bound as it was where that names none.
        """
        fast = None
        if not self._v2 and where.form is None:
            fast = self._fast_path(values, write=write, texts=texts)
        column = fast or self._record_by_record(values, keys, where, write=write, texts=texts, documents=documents)
        if column.counts.old != column.counts.new:
            self._mostly_new = column.counts.new > column.counts.old
        return column

    def reencrypt_bytes(
        self, values: Sequence[str | None], keys: Sequence[str], where: Binding, *, write: bool = True
    ) -> ReencryptedColumn:
        """A column of bytea, with one character a byte: binary records, and text records inside other bytes.

        A binary record keeps its place, where that is its column or its row; one of another place is listed. Without
        an old key whole values become binary records. Else as `reencrypt`; the texts are always there.
        """
        binary = BinaryReencryptor(keys=self._ciphers, renew=partial(self._renewed_content, where=where))
        taken = [bool(value) and binary.takes(value or "", has_records=self._has_records) for value in values]
        mine = [at for at, is_mine in enumerate(taken) if is_mine]
        others = [at for at, is_mine in enumerate(taken) if not is_mine]
        columns = (
            (mine, binary.reencrypt([values[at] or "" for at in mine], [keys[at] for at in mine], where, write=write)),
            (
                others,
                self.reencrypt(
                    [values[at] for at in others],
                    [keys[at] for at in others],
                    write=write,
                    texts=True,
                    documents=True,
                    where=Binding(place=where.place, reads=where.reads),
                ),
            ),
        )
        return ReencryptedColumn.merged(len(values), columns)

    def _renewed_content(self, content: str, *, where: Binding, write: bool) -> tuple[str, ColumnCounts]:
        return self._renewed(content, where, write=write) if self._may_hold_old(content) else (content, ColumnCounts())

    def _has_records(self, value: str) -> bool:
        return looks_like_a_record(value) or bool(embedded_records(value, self._opener(ANYWHERE)))

    def _fast_path(self, values: Sequence[str | None], *, write: bool, texts: bool) -> ReencryptedColumn | None:
        """A column whose records are all under the key that most records had before; None for any other."""
        present = [value for value in values if value]
        key = self._new_key if self._mostly_new else self._old_key
        if key is None:
            return None
        unseal = key.decrypt
        try:
            # The steps of PhiCipher.decrypt, explained there; here each step for all records at once.
            raws = [b64decode(value.replace("==:", "AA", 2), None, True) for value in present]
            invalid = [1 for value in present if value[24] != ":" or value[49] != ":"]
            invalid += [1 for raw in raws if raw[16] or raw[34]]
            invalid += [1 for value in present if value[-1] == "=" and not _has_canonical_end(value)]
            if invalid:
                return None
            iv, tag, ciphertext = RAW_IV, RAW_TAG, RAW_CIPHERTEXT
            encoded = [unseal(raw[iv], raw[ciphertext] + raw[tag], None) for raw in raws]
            # One UTF-8 check for all: the byte between two texts is never part of a longer character.
            together = b"\n".join(encoded).decode()
        except _DECRYPTION_FAILURES:
            return None
        if not all(encoded):  # the empty text has no record
            return None
        if may_hold_records(together):
            return None
        empty = len(values) - len(present)
        decoded: list[str | None] = []
        if texts:
            remaining_texts = iter(encoded)
            decoded = [next(remaining_texts).decode() if value else "" for value in values]
        if self._mostly_new:
            return ReencryptedColumn(
                records=[UNCHANGED] * len(values), counts=ColumnCounts(empty=empty, new=len(present)), texts=decoded
            )
        counts = ColumnCounts(empty=empty, old=len(present))
        if not write:
            return ReencryptedColumn(records=[UNCHANGED] * len(values), counts=counts, texts=decoded)
        records = checked_records(self._new_key, encoded)
        if empty:
            remaining = iter(records)
            records = [next(remaining) if value else UNCHANGED for value in values]
        return ReencryptedColumn(records=records, counts=counts, texts=decoded)

    def _record_by_record(
        self,
        values: Sequence[str | None],
        keys: Sequence[str],
        where: Binding,
        *,
        write: bool,
        texts: bool,
        documents: bool,
    ) -> ReencryptedColumn:
        records = [UNCHANGED] * len(values)
        counts = ColumnCounts()
        empty = new = 0
        example_rows: list[str] = []
        version_1: dict[int, bytes] = {}
        version_2: dict[int, tuple[str, str]] = {}
        decoded: list[str | None] = []
        for at, value in enumerate(values):
            opened: OpenedText | None = OpenedText(text="")
            if not value:
                empty += 1
            elif (opened := self._ciphers.opened(value, where, keys[at])) and self._is_done(value, opened, where):
                new += 1
            elif (opened := opened or self._plain_text(value)) and not self._may_hold_old(opened.text):
                form = self._ciphers.written(where, opened.form)
                if form is not Form.UNBOUND or value.startswith(V2):  # else the version stays
                    version_2[at] = (opened.text, where.context(form, keys[at]))
                else:
                    version_1[at] = opened.text.encode()
            else:
                records[at], found = self._records_inside(
                    value, where, is_record=opened is not None, documents=documents, write=write
                )
                counts += found
                if found.undecryptable and len(example_rows) < MAX_LISTED_ROWS:
                    example_rows.append(keys[at])
            if texts:
                decoded.append(opened.text if opened else None)
        if write:
            for at, record in zip(version_1, checked_records(self._new_key, [*version_1.values()]), strict=True):
                records[at] = record
            for at, text_and_context in version_2.items():
                records[at] = self._encrypt_v2(*text_and_context)
        old = len(version_1) + len(version_2)
        counts += ColumnCounts(empty=empty, new=new, old=old, example_rows=tuple(example_rows))
        return ReencryptedColumn(records=records, counts=counts, texts=decoded)

    def _records_inside(
        self, value: str, where: Binding, *, is_record: bool, documents: bool, write: bool
    ) -> tuple[str, ColumnCounts]:
        """The new value, or UNCHANGED, and the counts of the records in a value that changes in parts if at all."""
        text, found = self._renewed(value, where, write=write)
        if not is_record and (is_damaged(value, found.records) or self._ciphers.old is None):
            like_one = looks_like_a_record(value)
            known = like_one and self._ciphers.holds(value)
            found = ColumnCounts(foreign=like_one and not known, elsewhere=known, no_record=not like_one)
        elif not found.records:
            found = ColumnCounts(without_records=documents, no_record=not documents)
        else:
            found += ColumnCounts(documents=not is_record)
        return text if found.old and write else UNCHANGED, found

    def encrypt_inside(
        self,
        values: Sequence[str | None],
        keys: Sequence[str],
        find: Callable[[str], FieldTexts | None],
        *,
        write: bool,
    ) -> ReencryptedColumn:
        """A column whose values have texts inside that become records, as `find` lists them; each is counted, and not
        the value. `find` returns None for a value of another form.

        A record stays. A number, and a text with records inside, is counted and left.
        """
        records = [UNCHANGED] * len(values)
        counts = ColumnCounts()
        example_rows: list[str] = []
        for at, value in enumerate(values):
            if not value:
                counts += ColumnCounts(empty=1)
                continue
            found = find(value)
            of_value = ColumnCounts(no_record=found.numbers if found else 1)
            plain = []
            for each in found.texts if found else ():
                if self._decrypt(self._ciphers.new, each.text) is not None:
                    of_value += ColumnCounts(new=1)
                elif looks_like_a_record(each.text):
                    of_value += ColumnCounts(foreign=1)
                elif self._has_records(each.text) or not _is_utf8(each.text):
                    of_value += ColumnCounts(no_record=1)
                else:
                    of_value += ColumnCounts(old=1)
                    plain.append(each)
            if plain and write:
                new = self._encrypt_texts([each.text for each in plain])
                places = [(each.start, each.end, record) for each, record in zip(plain, new, strict=True)]
                records[at] = replaced(value, places)
            counts += of_value + ColumnCounts(documents=bool(of_value.records), without_records=not of_value.records)
            if of_value.undecryptable and len(example_rows) < MAX_LISTED_ROWS:
                example_rows.append(keys[at])
        counts += ColumnCounts(example_rows=tuple(example_rows))
        return ReencryptedColumn(records=records, counts=counts, texts=[None] * len(values))

    @property
    def is_first(self) -> bool:
        """Whether the values are texts that were never encrypted."""
        return self._ciphers.old is None

    def _may_hold_old(self, text: str) -> bool:
        """Whether a record's own text may hold records of the old key, which nobody would see in the database."""
        return self._ciphers.old is not None and may_hold_records(text)

    def _renewed(self, value: str, where: Binding, *, write: bool) -> tuple[str, ColumnCounts]:
        """The value with every record under an old key replaced, also in the texts of records: all in one write;
        and their counts.

        Equal records in one value stay equal: one may refer to the other.
        """
        found = embedded_records(value, self._opener(where))
        known = sum(each.opened is None and self._ciphers.holds(each.record) for each in found)
        total = ColumnCounts(foreign=sum(each.opened is None for each in found) - known, elsewhere=known)
        old: dict[str, str] = {}
        for each in found:
            if each.opened is None:
                continue
            is_new, text = each.opened
            text, inside = self._renewed_content(text, where=where, write=write)
            is_new = is_new and not inside.old
            total += ColumnCounts(new=is_new, old=not is_new, foreign=inside.foreign, elsewhere=inside.elsewhere)
            if not is_new:
                old[each.record] = text
        if old and write:
            new = dict(zip(old, self._encrypt_texts([*old.values()]), strict=True))
            new |= {record: self._encrypt_v2(text) for record, text in old.items() if record.startswith(V2)}
            places = [(each.start, each.end, new[each.record]) for each in found if each.record in new]
            value = replaced(value, places)
        return value, total

    def _opener(self, where: Binding) -> Callable[[str], tuple[bool, str] | None]:
        """Says of a record inside a value, which is bound to no place, whether it is under the new key, and its text;
        None where no key of the forms that are read decrypts it.
        """
        own = Form.of(False, tenant=self._ciphers.of_tenant)
        inside = Binding(place="", form=own, reads=tuple({Form.UNBOUND} & {*where.reads} - {own}))

        def opened(record: str) -> tuple[bool, str] | None:
            found = self._ciphers.opened(record, inside, "")
            return (found.is_new, found.text) if found else None

        return opened

    def _encrypt_v2(self, text: str, context: str = "") -> str:
        record = self._ciphers.new.encrypt_v2(text, context)
        if record is None or self._ciphers.new.decrypt(record, context) != text:
            raise ReencryptionError(FAULTY)
        return record

    def _encrypt_texts(self, texts: Sequence[str]) -> list[str]:
        """The records of texts that are part of a value, in the version of this run."""
        if self._v2:
            return [*map(self._encrypt_v2, texts)]
        return checked_records(self._new_key, [text.encode() for text in texts])

    def _is_done(self, value: str, opened: OpenedText, where: Binding) -> bool:
        """Whether a record of the new key stays as it is."""
        is_bound = self._ciphers.written(where, opened.form) is opened.form
        return opened.is_new and is_bound and not self._may_hold_old(opened.text)

    def _plain_text(self, value: str) -> OpenedText | None:
        """The text of a first encryption; None for a value that does not change."""
        # What holds a record is not encrypted again, nor is what only looks like one.
        is_plain = self._ciphers.old is None and not self._has_records(value)
        return OpenedText(text=value) if is_plain else None

    def _decrypt(self, cipher: PhiCipher, value: str, context: str = "") -> str | None:
        try:
            return cipher.decrypt(value, context)
        except DecryptionError:
            return None

    def __repr__(self) -> str:
        return "RecordReencryptor(AES-256-GCM)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A RecordReencryptor cannot be copied or pickled: it holds data keys.")


def _is_utf8(text: str) -> bool:
    """Whether it has no half of a surrogate pair, which JSON can write and UTF-8 cannot."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _has_canonical_end(record: str) -> bool:
    return record[-2] in BEFORE_ONE_PAD or (record[-2] == "=" and record[-3] in BEFORE_TWO_PADS)
