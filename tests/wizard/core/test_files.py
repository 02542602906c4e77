"""Files that are there as a whole or not at all, in a real folder."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from wizard.core import files


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_new_file_is_its_owners_alone(tmp_path: Path) -> None:
    assert files.create(tmp_path / "backup.json", b"all of it")
    assert (tmp_path / "backup.json").read_bytes() == b"all of it"
    assert (tmp_path / "backup.json").stat().st_mode & 0o777 == 0o600
    assert names(tmp_path) == ["backup.json"]


@pytest.mark.parametrize("is_link", [False, True])
def test_what_is_there_is_never_overwritten(tmp_path: Path, is_link: bool) -> None:
    path, other = tmp_path / "backup.json", tmp_path / "other"
    other.write_text("of somebody else")
    path.symlink_to(other) if is_link else path.write_text("of somebody else")
    assert not files.create(path, b"ours")
    assert other.read_text() == path.read_text() == "of somebody else"
    assert names(tmp_path) == ["backup.json", "other"]


def test_on_a_memory_stick_which_has_no_links_a_file_is_created_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    assert files.create(tmp_path / "backup.json", b"all of it")
    assert not files.create(tmp_path / "backup.json", b"another")
    assert (tmp_path / "backup.json").read_bytes() == b"all of it" and names(tmp_path) == ["backup.json"]


@pytest.mark.parametrize("write", [files.create, files.replace])
def test_a_full_disk_leaves_nothing_and_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: object
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    (tmp_path / "old").write_text("old")
    with pytest.raises(OSError, match="No space left"):
        write(tmp_path / ("old" if write is files.replace else "new"), b"new")  # type: ignore[operator]
    assert names(tmp_path) == ["old"] and (tmp_path / "old").read_text() == "old"


def _killed_while_writing(path: Path) -> None:
    os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment]
    files.create(path, b"half of it")


def test_whoever_is_killed_while_writing_leaves_no_file_of_that_name(tmp_path: Path) -> None:
    """An empty backup looks like a backup, and made the next run fail until somebody deleted it."""
    process = multiprocessing.get_context("fork").Process(target=_killed_while_writing, args=(tmp_path / "b.json",))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert not (tmp_path / "b.json").exists()
    assert files.create(tmp_path / "b.json", b"all of it")


def test_a_link_is_neither_replaced_nor_followed(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("of somebody else")
    (tmp_path / "draft.json").symlink_to(tmp_path / "other")
    with pytest.raises(files.NotAFile, match="draft.json: it is a symbolic link, not a file"):
        files.replace(tmp_path / "draft.json", b"ours")
    assert (tmp_path / "other").read_text() == "of somebody else" and (tmp_path / "draft.json").is_symlink()
