"""The count of encryptions per key, and its one warning."""

from __future__ import annotations

import logging
import os
import threading

import pytest

import eonpro_phi.usage
from eonpro_phi import InvalidText, NotText, PhiCipher


@pytest.fixture
def key() -> bytes:
    return os.urandom(32)


@pytest.fixture
def warning_after_ten(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Only the threshold is lower than in production; each test uses a new key."""
    monkeypatch.setattr(eonpro_phi.usage, "WARN_AFTER", 10)
    return caplog


def test_each_encryption_is_counted_and_nothing_else(key: bytes) -> None:
    cipher = PhiCipher(key)
    assert cipher.encryptions == 0
    record = cipher.encrypt("a")
    cipher.encrypt(None)
    cipher.encrypt("")
    cipher.decrypt(record)
    cipher.decrypt_many([record])
    for value, error in (("\ud800", InvalidText), (5, NotText)):
        with pytest.raises(error):
            cipher.encrypt(value)  # type: ignore[arg-type]
    assert cipher.encryptions == 1
    cipher.encrypt_many(["a", None, "", "b"])
    assert cipher.encryptions == 3
    cipher.encrypt_fields({"firstName": "a", "email": None, "id": "b"})
    assert cipher.encryptions == 4
    cipher.encrypt_many({"city": ["a"] * 3000, "zip": ["b"]})
    assert cipher.encryptions == 3005
    cipher.encrypt_many([])
    assert cipher.encryptions == 3005


def test_the_ciphers_of_one_key_share_its_count_and_those_of_another_do_not(key: bytes) -> None:
    first, second = PhiCipher(key), PhiCipher(key, reading_keys=[os.urandom(32)], lenient=True)
    other = PhiCipher(os.urandom(32), reading_keys=[key])
    first.encrypt("a")
    second.encrypt("a")
    other.encrypt("a")
    del first
    assert second.encryptions == 2
    assert PhiCipher(key).encryptions == 2
    assert other.encryptions == 1


def test_the_count_is_exact_between_threads(key: bytes) -> None:
    cipher = PhiCipher(key)

    def write() -> None:
        for _ in range(500):
            cipher.encrypt("a")
            cipher.encrypt_many(["a", "b", "c"])

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cipher.encryptions == 8 * 500 * 4


def test_the_warning_comes_long_before_two_to_the_thirty_second() -> None:
    assert eonpro_phi.usage.WARN_AFTER == 2**26 == 2**32 // 64
    assert eonpro_phi.usage.KeyUsage()._before_warning.size == 2**26
    assert eonpro_phi.usage.AtomicCounter().size > 2**60


def test_past_the_threshold_it_warns_once_and_continues(
    key: bytes, warning_after_ten: pytest.LogCaptureFixture
) -> None:
    cipher = PhiCipher(key)
    for _ in range(10):
        cipher.encrypt("a")
    assert warning_after_ten.records == []
    assert cipher.decrypt(cipher.encrypt("the eleventh")) == "the eleventh"
    assert cipher.encryptions == 11
    for _ in range(15):
        assert cipher.decrypt(cipher.encrypt("b")) == "b"
    cipher.encrypt_many(["c"] * 20)
    PhiCipher(key).encrypt("d")
    (record,) = warning_after_ten.records
    assert (record.name, record.levelno) == ("eonpro_phi.usage", logging.WARNING)
    assert record.getMessage() == (
        "This process has encrypted 10 PHI fields under one data key. A key may encrypt 2^32 times, counted over all "
        "processes and machines (NIST SP 800-38D, 8.3): plan to replace the data key."
    )
    assert cipher.encryptions == 47


@pytest.mark.parametrize(
    ("before", "batch", "warnings"), [(0, 10, 0), (0, 11, 1), (9, 1, 0), (9, 2, 1), (10, 1, 1), (3, 5000, 1)]
)
def test_a_batch_that_passes_the_threshold_warns_too(
    key: bytes, warning_after_ten: pytest.LogCaptureFixture, before: int, batch: int, warnings: int
) -> None:
    cipher = PhiCipher(key)
    for _ in range(before):
        cipher.encrypt("a")
    texts = [f"text {number}" for number in range(batch)]
    assert cipher.decrypt_many(cipher.encrypt_many(texts)) == texts
    assert len(warning_after_ten.records) == warnings
    assert cipher.encryptions == before + batch


def test_threads_that_pass_the_threshold_together_warn_once_and_count_exactly(
    key: bytes, warning_after_ten: pytest.LogCaptureFixture
) -> None:
    cipher = PhiCipher(key)
    begin = threading.Barrier(8)

    def write() -> None:
        begin.wait(timeout=60)
        for _ in range(50):
            cipher.encrypt("a")
            cipher.encrypt_many(["a", "b"])

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(warning_after_ten.records) == 1
    assert cipher.encryptions == 8 * 50 * 3


def test_the_warning_is_not_repeated(warning_after_ten: pytest.LogCaptureFixture) -> None:
    usage = eonpro_phi.usage.KeyUsage()
    for _ in range(3):
        usage.warn()
    assert len(warning_after_ten.records) == 1
    assert usage.encryptions == 0


def test_a_child_process_continues_its_parents_count(key: bytes) -> None:
    cipher = PhiCipher(key)
    cipher.encrypt_many(["a"] * 5)
    child = os.fork()
    if not child:
        code = 1
        try:
            cipher.encrypt("a")
            code = 0 if cipher.encryptions == 6 else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert cipher.encryptions == 5


def test_only_a_digest_of_a_key_is_stored(key: bytes) -> None:
    PhiCipher(key).encrypt("a")
    assert all(len(digest) == 32 and digest != key for digest in eonpro_phi.usage._USAGES)
