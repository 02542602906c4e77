"""What every ORM seals and opens: for a tenant, a column or a row; and earlier forms where they are declared.

Touches nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from enum import IntEnum, StrEnum
from itertools import product
from typing import Any
from uuid import UUID

import pytest

from eonpro_phi import DecryptionError, NotBound, PhiCipher, PhiFields
from eonpro_phi.adapters.injected import opened, sealed
from eonpro_phi.adapters.values import BYTES, DATE, ValueForm
from eonpro_phi.binding import Binding, Form, binding
from eonpro_phi.errors import AccessDenied, InvalidTenant
from eonpro_phi.key_cache import CachedKey
from eonpro_phi.record import key_text
from tests.phi.key_sources import CountingSource

KEY, FORMER = b"1" * 32, b"2" * 32
CIPHER = PhiCipher(KEY)
VALUES: list[tuple[ValueForm | None, Any]] = [(None, "Jane"), (BYTES, b"%PDF"), (DATE, date(1980, 1, 31))]
DECLARED = {Form.of(bound, tenant=has): (bound, has) for bound in (False, True, "row") for has in (False, True)}
Where = tuple[str, str, str, str]
PLACES: list[Where] = [*product(("patient", "visit"), ("email", "phone"), ("clinic-7", "clinic-8"), ("1", "2"))]


def declared(form: Form, table: str = "patient", column: str = "email", reads: Iterable[str] = ()) -> Binding:
    bound, tenant = DECLARED[form]
    return binding(table, column, bound=bound, tenant=tenant, reads=reads)


def record_of(form: Form, kind: Any, value: Any, where: Where = PLACES[0], key: Any = CIPHER) -> Any:
    table, column, tenant, row = where
    return sealed(key, value, kind, declared(form, table, column), row, tenant if form.of_tenant else None)


def read(form: Form, record: Any, kind: Any, *reads: str, key: Any = CIPHER) -> Any:
    """What the column `email` of the row 1 of clinic-7 has."""
    of = declared(form, reads=reads)
    return opened(key, record, kind, of, "1" if form.bound == "row" else "", "clinic-7" if form.of_tenant else None)


@pytest.mark.parametrize(("kind", "value"), VALUES)
@pytest.mark.parametrize("form", [*Form])
def test_a_column_reads_what_is_bound_as_declared_and_nothing_else(form: Form, kind: Any, value: Any) -> None:
    """Records of every form and place: other columns, rows and tenants, and the earlier forms of the same column."""
    for other, where in product(Form, PLACES):
        record = record_of(other, kind, value, where)
        differs = [one != own for one, own in zip(where, PLACES[0], strict=True)]
        matters = [bool(form.bound), bool(form.bound), form.of_tenant, form.bound == "row"]
        if other is form and not any(differ and matter for differ, matter in zip(differs, matters, strict=True)):
            assert read(form, record, kind) == value
        else:
            with pytest.raises(DecryptionError) as caught:
                read(form, record, kind)
            assert caught.value.__context__ is None
    for nothing in ("Jane", "v2:", b"\xf7phi", CIPHER.encrypt("x")):
        if kind is BYTES or (form is not Form.UNBOUND and nothing):
            with pytest.raises(DecryptionError):
                read(form, nothing, kind)
    assert read(form, None, kind) is None


@pytest.mark.parametrize(("kind", "value"), VALUES)
def test_an_earlier_form_is_read_where_it_is_declared_and_of_the_same_place_alone(kind: Any, value: Any) -> None:
    for form, earlier in product(Form, Form):
        allowed = form is not earlier and form is not Form.UNBOUND
        allowed &= form.of_tenant >= earlier.of_tenant and (form.bound == "row") >= (earlier.bound == "row")
        if not allowed:
            with pytest.raises(ValueError, match="earlier forms"):
                declared(form, reads=[earlier])
            continue
        for other, where in product(Form, PLACES):
            record = record_of(other, kind, value, where)
            differs = [one != own for one, own in zip(where, PLACES[0], strict=True)]
            matters = [bool(other.bound), bool(other.bound), other.of_tenant, other.bound == "row"]
            is_here = not any(differ and matter for differ, matter in zip(differs, matters, strict=True))
            if other in (form, earlier) and is_here:
                assert read(form, record, kind, earlier) == value
            else:
                with pytest.raises(DecryptionError):
                    read(form, record, kind, earlier)
    with pytest.raises(ValueError, match="not plain"):
        declared(Form.ROW, reads=["plain"])


@pytest.mark.parametrize(("record", "words"), [
    (record_of(Form.UNBOUND, None, "Jane"), ('"unbound"', 'reads="unbound"', "--reads unbound")),
    (record_of(Form.TENANT_COLUMN, None, "Jane"), ('"tenant+column"', 'reads="tenant+column"')),
    (record_of(Form.TENANT_ROW, None, "Jane", PLACES[1]), ("not to this row", 'place="TABLE.COLUMN"')),
    (record_of(Form.TENANT_ROW, None, "Jane", PLACES[-1]), ("another tenant", "ENCRYPTED_PHI_KEYS_FOR_READING")),
    (record_of(Form.TENANT_ROW, None, "Jane", key=PhiCipher(FORMER)), ("key that is not here",)),
], ids=["unbound", "tenant and column", "another row", "another tenant", "another key"])  # fmt: skip
def test_the_refusal_says_what_was_found_and_what_to_do(record: str, words: tuple[str, ...]) -> None:
    with pytest.raises(NotBound) as caught:
        read(Form.TENANT_ROW, record, None)
    assert "patient.email" in str(caught.value) and all(word in str(caught.value) for word in words)
    assert record not in str(caught.value) and "Jane" not in str(caught.value)
    with pytest.raises(NotBound, match="has neither bound nor tenant"):
        read(Form.UNBOUND, record_of(Form.COLUMN, None, "Jane"), None)


@pytest.mark.parametrize(("kind", "plain"), [(None, "Jane"), (BYTES, b"%PDF"), (BYTES, memoryview(b"%PDF"))])
def test_a_lenient_cipher_lets_nothing_plain_into_a_bound_column(kind: ValueForm | None, plain: Any) -> None:
    lenient = PhiCipher(KEY, lenient=True)
    assert read(Form.UNBOUND, plain, kind, key=lenient) == plain
    for form in [*Form][1:]:
        with pytest.raises(DecryptionError) as caught:
            read(form, plain, kind, key=lenient)
        assert "genuine" not in str(caught.value)
        assert read(form, plain, kind, "unbound", key=lenient) == plain
    if kind is BYTES:
        with pytest.raises(DecryptionError):
            lenient.decrypt_bytes(plain, "Patient.scan")


def test_a_name_for_keys_outlives_the_names_of_the_table_and_the_column() -> None:
    renamed = binding("persons", "mail", bound="row", name="patient.email")
    record = record_of(Form.ROW, None, "Jane")
    assert opened(CIPHER, record, None, renamed, "1") == "Jane"
    with pytest.raises(NotBound, match="renamed"):
        opened(CIPHER, record, None, binding("persons", "mail", bound="row"), "1")
    with pytest.raises(ValueError, match="TABLE.COLUMN"):
        binding("persons", "mail", bound="row", name="email")


def test_a_key_that_is_missing_for_reading_hides_no_record_of_the_others() -> None:
    reading = CountingSource(FORMER)
    reading.failure = AccessDenied("kms:Decrypt")
    fields = PhiFields(CachedKey(CountingSource(KEY), reading_keys=[reading]))
    for form in (Form.UNBOUND, Form.COLUMN):
        assert read(Form.TENANT_ROW, record_of(form, None, "Jane"), None, form, key=fields) == "Jane"
    with pytest.raises(AccessDenied):
        read(Form.TENANT_ROW, record_of(Form.TENANT_ROW, None, "Jane", key=PhiCipher(FORMER)), None, key=fields)


def test_a_key_has_the_text_that_postgresql_writes() -> None:
    class Kind(StrEnum):
        WARD = "ward"

    class Number(IntEnum):
        SEVEN = 7

    uuid = UUID("0D5B1F1EAAAA4BBB8CCC000000000007")
    assert [key_text(key) for key in (7, -7, Number.SEVEN, "007", Kind.WARD, uuid)] == [
        *("7", "-7", "7", "007", "ward", "0d5b1f1e-aaaa-4bbb-8ccc-000000000007")
    ]
    for key in (True, None, 1.5, date(1980, 1, 31), b"7"):
        with pytest.raises(ValueError, match="whole number, a text or a UUID"):
            key_text(key)
    with pytest.raises(InvalidTenant):
        sealed(CIPHER, "Jane", None, declared(Form.TENANT), "", "")
