"""What every ORM seals and opens: under the key of a tenant, bound to a column or a row, with the former forms.

Touches nothing.
"""

from __future__ import annotations

from datetime import date
from enum import IntEnum, StrEnum
from itertools import product
from typing import Any
from uuid import UUID

import pytest

from phi import DecryptionError, PhiCipher, PhiFields
from phi.adapters.injected import contexts, key_text, opened, sealed
from phi.adapters.values import BYTES, DATE, ValueForm
from phi.errors import AccessDenied, InvalidTenant
from phi.key_cache import CachedKey
from tests.phi.key_sources import CountingSource

KEY, FORMER = b"1" * 32, b"2" * 32
CIPHER = PhiCipher(KEY)
VALUES: list[tuple[ValueForm | None, Any]] = [(None, "Jane"), (BYTES, b"%PDF"), (DATE, date(1980, 1, 31))]
PLACES = [*product(("clinic-7", "clinic-8", None), ("1", "2"))]


@pytest.mark.parametrize(("form", "value"), VALUES)
def test_a_record_opens_for_its_tenant_and_its_row_alone(form: ValueForm | None, value: Any) -> None:
    for (tenant, row), (asked, other) in product(PLACES, PLACES):
        record = sealed(CIPHER, value, form, contexts("patient", "email", "row", row=row)[0], tenant)
        where = contexts("patient", "email", "row", row=other, has_tenant=bool(asked))
        if row == other and tenant in (asked, None):
            assert opened(CIPHER, record, form, *where, tenant=asked) == value
        else:
            with pytest.raises(DecryptionError):
                opened(CIPHER, record, form, *where, tenant=asked)


@pytest.mark.parametrize(("form", "value"), VALUES)
def test_the_former_forms_of_a_column_are_read(form: ValueForm | None, value: Any) -> None:
    former = [
        sealed(CIPHER, value, form, context, tenant)
        for context in contexts("patient", "email", "row", row="1")
        for tenant in (None, "clinic-7")
    ]
    where = contexts("patient", "email", "row", row="1", has_tenant=True)
    assert [opened(CIPHER, record, form, *where, tenant="clinic-7") for record in former] == [value] * 6
    assert opened(CIPHER, None, form, *where, tenant="clinic-7") is None


def test_a_key_that_is_missing_for_reading_hides_no_record_of_the_others() -> None:
    reading = CountingSource(FORMER)
    reading.failure = AccessDenied("kms:Decrypt")
    fields = PhiFields(CachedKey(CountingSource(KEY), reading_keys=[reading]))
    where = contexts("patient", "email", "row", row="1", has_tenant=True)
    assert opened(fields, CIPHER.encrypt("Jane"), None, *where, tenant="clinic-7") == "Jane"
    assert opened(fields, CIPHER.encrypt_v2("Jane", where[1]), None, *where, tenant="clinic-7") == "Jane"
    with pytest.raises(AccessDenied):
        opened(fields, PhiCipher(FORMER).encrypt_v2("Jane", where[0]), None, *where, tenant="clinic-7")


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
        sealed(CIPHER, "Jane", None, "", "")
