"""A key for each tenant: what opens with which, in every pair. Touches nothing: the keys are fixed."""

from __future__ import annotations

import gc
import hmac
import io
import itertools
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eonpro_phi import CachedKey, DecryptionError, InvalidTenant, PhiCipher, PhiFields, TenantFields, UnwrapError
from eonpro_phi.derivation import parts
from eonpro_phi.errors import Unreachable
from eonpro_phi.record import key_id
from eonpro_phi.tenants import tenant_key
from tests.phi.key_sources import CountingSource

KEY, FORMER, OTHER = (bytes([number]) * 32 for number in (1, 2, 3))
TENANTS = ("clinic-7", "clinic-8", "clinic-77", "clinic-7 ", "Clinic-7", "7", "é", "e\u0301")
IDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)


def opens(decrypt: Callable[..., object], *arguments: object) -> bool:
    try:
        decrypt(*arguments)
    except DecryptionError:
        return False
    return True


def held(data_key: bytes) -> int:
    """The ciphers in memory of this key's clinic-7."""
    identity = key_id(tenant_key(data_key, "clinic-7"))
    return sum(type(each) is PhiCipher and each._id == identity for each in gc.get_objects())


def test_the_key_is_that_of_rfc_5869_for_the_documented_text() -> None:
    extracted = hmac.digest(bytes(32), KEY, "sha256")
    info = b"\x00\x00\x00\x14eonpro-phi-tenant-v1\x00\x00\x00\x08clinic-7"
    assert tenant_key(KEY, "clinic-7") == hmac.digest(extracted, info + b"\x01", "sha256")


def test_in_every_pair_of_tenants_and_keys_a_record_opens_with_its_own_only(tmp_path: Path) -> None:
    owners = [(key, tenant) for key in (KEY, OTHER) for tenant in TENANTS]
    ciphers: list[PhiCipher | TenantFields] = [PhiCipher(key).for_tenant(tenant) for key, tenant in owners]
    ciphers += [PhiCipher(KEY), PhiCipher(OTHER)]
    for writer, reader in itertools.product(ciphers, repeat=2):
        stream = io.BytesIO()
        writer.encrypt_stream(io.BytesIO(b"%PDF"), stream)
        records = writer.encrypt("Jane"), writer.encrypt_bytes(b"%PDF"), io.BytesIO(stream.getvalue())
        opened = [
            opens(reader.decrypt, records[0]),
            opens(reader.decrypt_bytes, records[1]),
            opens(reader.decrypt_stream, records[2], io.BytesIO()),
        ]
        assert opened == [reader is writer] * 3


def test_records_are_of_version_2_under_the_id_of_the_tenant_s_key_and_bound_to_their_place() -> None:
    clinic = PhiCipher(KEY).for_tenant("clinic-7")
    identity = key_id(tenant_key(KEY, "clinic-7"))
    record, data = clinic.encrypt("Jane", "Patient.email"), clinic.encrypt_bytes(b"%PDF", "Patient.scan")
    assert record and record.startswith(f"v2:{identity}:")
    assert data and data[5:13].hex() == identity != key_id(KEY)
    assert clinic.decrypt(record, "Patient.email") == "Jane"
    assert not opens(clinic.decrypt, record, "Patient.phone")
    assert not opens(clinic.decrypt_bytes, data, "Patient.other")


def test_files_of_a_tenant_open_for_that_tenant_only(tmp_path: Path) -> None:
    plain, stored = tmp_path / "scan.pdf", tmp_path / "scan.phi"
    plain.write_bytes(b"%PDF" * 1000)
    one, other = (PhiCipher(KEY).for_tenant(tenant) for tenant in TENANTS[:2])
    one.encrypt_file(plain, stored, "scans/7")
    one.decrypt_file(stored, tmp_path / "again.pdf", "scans/7")
    assert (tmp_path / "again.pdf").read_bytes() == plain.read_bytes()
    with pytest.raises(DecryptionError):
        other.decrypt_file(stored, tmp_path / "other.pdf", "scans/7")
    assert not (tmp_path / "other.pdf").exists()


def test_former_data_keys_open_what_the_tenant_had_and_write_nothing() -> None:
    before = PhiCipher(FORMER).for_tenant("clinic-7")
    records = before.encrypt("Jane"), before.encrypt_bytes(b"%PDF")
    after = PhiCipher(KEY, reading_keys=[FORMER])
    assert after.for_tenant("clinic-7").decrypt(records[0]) == "Jane"
    assert after.for_tenant("clinic-7").decrypt_bytes(records[1]) == b"%PDF"
    assert not opens(after.for_tenant("clinic-8").decrypt, records[0])
    assert not opens(after.decrypt, records[0])
    assert not opens(before.decrypt, after.for_tenant("clinic-7").encrypt("Joe"))


@given(IDS, IDS)
def test_two_ids_never_have_one_key(one: str, other: str) -> None:
    assert (tenant_key(KEY, one) == tenant_key(KEY, other)) == (one == other)
    assert parts(one, other) != parts(one + other, "") or not other


@pytest.mark.parametrize("tenant", ["", None, 7, b"clinic-7", "clinic \ud800"])
def test_an_id_is_a_text_that_is_not_empty(tenant: object) -> None:
    for fields in (PhiCipher(KEY), PhiFields(CachedKey(CountingSource(KEY)))):
        with pytest.raises(InvalidTenant, match=r"for_tenant\(str\(clinic\.id\)\)"):
            fields.for_tenant(tenant)  # type: ignore[arg-type]


def test_the_tenant_follows_the_cached_key_and_ends_with_it() -> None:
    source = CountingSource(FORMER)
    fields = PhiFields(CachedKey(source, reading_keys=[CountingSource(FORMER)]))
    clinic = fields.for_tenant("clinic-7")
    first = clinic.encrypt("Jane")
    assert clinic._cipher() is clinic._cipher() and held(FORMER) == 1
    source.key = KEY
    fields.forget()
    assert held(FORMER) == 0  # the tenant's key leaves the memory with the data key
    second = clinic.encrypt("Jane")
    assert first and second and first[:19] != second[:19]
    assert [*map(clinic.decrypt, (first, second))] == ["Jane", "Jane"]


def test_a_reading_key_that_is_not_there_is_named_and_not_taken_for_a_damaged_record() -> None:
    missing = CountingSource(FORMER)
    missing.failure = Unreachable("KMS did not answer.")
    fields = PhiFields(CachedKey(CountingSource(KEY), reading_keys=[missing]))
    former = PhiCipher(FORMER).for_tenant("clinic-7")
    clinic = fields.for_tenant("clinic-7")
    assert clinic.decrypt(clinic.encrypt("Jane")) == "Jane"
    for read in (
        lambda: clinic.decrypt(former.encrypt("Joe")),
        lambda: clinic.decrypt_bytes(former.encrypt_bytes(b"%PDF")),
    ):
        with pytest.raises(UnwrapError):
            read()


def test_a_tenant_shows_no_key_and_is_not_pickled() -> None:
    clinic = PhiCipher(KEY).for_tenant("clinic-7")
    assert clinic.encrypt("Jane")
    shown = f"{clinic!r} {clinic} {dir(clinic)} {PhiCipher(KEY)._tenants!r}"
    assert "TenantFields('clinic-7')" in shown
    for key in (KEY, tenant_key(KEY, "clinic-7")):
        assert key.hex() not in shown and repr(key)[2:-1] not in shown
    with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
        pickle.dumps(clinic)


def test_thousands_of_tenants_do_not_stay_in_memory() -> None:
    cipher = PhiCipher(KEY)
    records = [cipher.for_tenant(str(number)).encrypt("Jane") for number in range(1200)]
    assert len(cipher._tenants) <= 1000
    assert cipher.for_tenant("0").decrypt(records[0]) == "Jane"
