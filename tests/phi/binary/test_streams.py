"""Streams and files: any length in bounded memory, and no end that is missing, moved, repeated or added."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from eonpro_phi import CachedKey, DecryptionError, InvalidBytes, NotBytes, PhiCipher, PhiFields
from eonpro_phi.binary.stream import STREAM_HEADER_BYTES, new_header, seal, writer

ROOT = Path(__file__).parents[3]
KEY, OTHER = bytes(range(32)), bytes(32)
CIPHER = PhiCipher(KEY)
CHUNK = 2**16
SEALED = CHUNK + 16


def encrypted(content: bytes, context: str = "", chunk_bytes: int = CHUNK) -> bytes:
    """A stream with chunks of another length than those that are written now."""
    target = BytesIO()
    start = new_header(CIPHER._binary_id, chunk_bytes.bit_length() - 1)
    seal(BytesIO(content), writer(target), CIPHER._binary_keys[CIPHER._binary_id][1], start, context)
    return target.getvalue()


def decrypted(stored: bytes, context: str = "", cipher: PhiCipher = CIPHER) -> bytes:
    target = BytesIO()
    cipher.decrypt_stream(BytesIO(stored), target, context)
    return target.getvalue()


@pytest.mark.parametrize("length", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 7])
@pytest.mark.parametrize("chunk_bytes", [CHUNK, 2**20])
def test_any_length_comes_back(length: int, chunk_bytes: int) -> None:
    content = os.urandom(length)
    stored = encrypted(content, "letters/7", chunk_bytes)
    assert decrypted(stored, "letters/7") == content == CIPHER.decrypt_bytes(stored, "letters/7")
    assert len(stored) == STREAM_HEADER_BYTES + length + 16 * max(1, -(-length // chunk_bytes))


@given(some.binary(max_size=200), some.text(), some.lists(some.integers(1, 50), max_size=9))
@settings(max_examples=50)
def test_a_source_may_return_less_than_was_asked_for(content: bytes, context: str, sizes: list[int]) -> None:
    class Trickle(BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(size or 0, sizes[self.tell() % len(sizes)] if sizes else 50))

    target = BytesIO()
    CIPHER.encrypt_stream(Trickle(content), target, context)
    back = BytesIO()
    CIPHER.decrypt_stream(Trickle(target.getvalue()), back, context)
    assert back.getvalue() == content


def test_a_target_may_take_less_than_it_is_given() -> None:
    class Narrow(io.RawIOBase):
        taken = b""

        def write(self, data: Any, /) -> int:
            self.taken += bytes(data[:1000])
            return min(1000, len(data))

    target = Narrow()
    CIPHER.encrypt_stream(BytesIO(b"x" * 5000), target)  # type: ignore[arg-type]
    assert decrypted(target.taken) == b"x" * 5000


def chunks(stored: bytes) -> list[bytes]:
    """The header, then the chunks."""
    rest = stored[STREAM_HEADER_BYTES:]
    return [stored[:STREAM_HEADER_BYTES], *(rest[at : at + SEALED] for at in range(0, len(rest), SEALED))]


FAULTS: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "the last chunk is missing": lambda parts: parts[:-1],
    "all chunks are missing": lambda parts: parts[:1],
    "the header is cut off": lambda parts: [parts[0][:-1]],
    "the end is cut off inside a chunk": lambda parts: [*parts[:-1], parts[-1][:-1]],
    "a chunk in the middle is missing": lambda parts: [*parts[:2], *parts[3:]],
    "two chunks have changed places": lambda parts: [parts[0], parts[2], parts[1], *parts[3:]],
    "a chunk is there twice": lambda parts: [*parts[:2], *parts[1:]],
    "the last chunk is there twice": lambda parts: [*parts, parts[-1]],
    "a byte is added": lambda parts: [*parts, b"\0"],
    "a chunk of another stream of the same key": lambda parts: [
        parts[0],
        chunks(encrypted(bytes(4 * CHUNK)))[1],
        *parts[2:],
    ],
    "the header of another stream of the same key": lambda parts: [encrypted(b"")[:STREAM_HEADER_BYTES], *parts[1:]],
    "another chunk size": lambda parts: [parts[0][:13] + b"\x11" + parts[0][14:], *parts[1:]],
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("length", [3 * CHUNK + 5, 4 * CHUNK])
def test_a_stream_is_refused_when(fault: str, length: int, tmp_path: Path) -> None:
    content = bytes(length)
    stored = b"".join(FAULTS[fault](chunks(encrypted(content))))
    released = BytesIO()
    with pytest.raises(DecryptionError):
        CIPHER.decrypt_stream(BytesIO(stored), released)
    assert content.startswith(released.getvalue()), "what was written before is true"
    (tmp_path / "stored").write_bytes(stored)
    (tmp_path / "plain").write_bytes(b"as before")
    with pytest.raises(DecryptionError):
        CIPHER.decrypt_file(tmp_path / "stored", tmp_path / "plain")
    assert (tmp_path / "plain").read_bytes() == b"as before"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["plain", "stored"]


def test_every_change_of_a_single_bit_is_refused() -> None:
    stored = encrypted(b"%PDF", "letters/7")
    for bit in range(8 * len(stored)):
        changed = bytearray(stored)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(DecryptionError):
            decrypted(bytes(changed), "letters/7")


def test_a_stream_opens_in_its_place_and_with_its_key_alone() -> None:
    stored = encrypted(b"%PDF", "letters/7")
    for context in ("", "letters/8", "\ud800"):
        with pytest.raises(DecryptionError) as caught:
            decrypted(stored, context)
        assert caught.value.__context__ is None
    with pytest.raises(DecryptionError):
        decrypted(stored, "letters/7", PhiCipher(OTHER))
    assert decrypted(stored, "letters/7", PhiCipher(OTHER, reading_keys=[KEY])) == b"%PDF"


def test_what_cannot_be_a_stream_is_refused_before_anything_is_written() -> None:
    target = BytesIO()
    with pytest.raises(NotBytes):
        CIPHER.encrypt_stream(io.StringIO("text"), BytesIO())  # type: ignore[arg-type]
    with pytest.raises(InvalidBytes):
        CIPHER.encrypt_stream(BytesIO(b"a"), target, "\ud800")
    with pytest.raises(DecryptionError):
        CIPHER.decrypt_stream(BytesIO(CIPHER.encrypt_bytes(b"one record") or b""), target)
    assert target.getvalue() == b""


def test_a_file_appears_when_it_is_whole_and_for_its_owner_alone(tmp_path: Path) -> None:
    fields = PhiFields(CachedKey(type("Pinned", (), {"data_key": lambda self: KEY})()))
    plain, stored, back = tmp_path / "scan", tmp_path / "scan.phi", tmp_path / "back"
    plain.write_bytes(b"%PDF" * 100_000)
    fields.encrypt_file(plain, stored, "scan")
    fields.decrypt_file(stored, back, "scan")
    assert back.read_bytes() == plain.read_bytes()
    assert [file.stat().st_mode & 0o777 for file in (stored, back)] == [0o600, 0o600]
    with pytest.raises(FileNotFoundError):
        fields.encrypt_file(tmp_path / "missing", stored)
    fields.decrypt_file(stored, stored, "scan")
    assert stored.read_bytes() == plain.read_bytes(), "in place"


CHILD = """
import re, sys
from pathlib import Path
from eonpro_phi import PhiCipher
source, stored, back = sys.argv[1:]
cipher = PhiCipher(bytes(32))
cipher.encrypt_file(source, stored)
with open(stored, "rb") as file, open(back, "wb") as target:
    cipher.decrypt_stream(file, target)
print(re.search(r"VmHWM:\\s*([0-9]+) kB", Path("/proc/self/status").read_text())[1])
"""


def peak_mib(folder: Path, length: int) -> float:
    """The largest resident memory of a child that encrypts and decrypts a sparse file of this length."""
    source, stored, back = folder / "source", folder / "stored", folder / "back"
    with source.open("wb") as file:
        file.truncate(length)
    command = [sys.executable, "-c", CHILD, str(source), str(stored), "/dev/null" if length > 2**30 else str(back)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1200, check=True)
    assert stored.stat().st_size > length
    if back.exists():
        assert back.stat().st_size == length
    for used in (source, stored, back):
        used.unlink(missing_ok=True)
    return int(done.stdout) / 1024


def test_a_file_of_50_mb_needs_no_more_memory_than_a_small_one(tmp_path: Path) -> None:
    assert peak_mib(tmp_path, 50_000_000) < 100
    assert peak_mib(tmp_path, 50_000_000) - peak_mib(tmp_path, 1_000_000) < 10


@pytest.mark.thorough
def test_a_file_of_5_gb_is_encrypted_and_decrypted_in_less_than_100_mb(tmp_path: Path) -> None:
    assert peak_mib(tmp_path, 5_000_000_000) < 100
