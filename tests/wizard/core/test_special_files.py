"""Only a file is read or replaced: a pipe is not waited for, a device, a link or a folder is refused by its name."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from wizard.core import files


def fifo(path: Path) -> None:
    os.mkfifo(path)


def linked(path: Path) -> None:
    (path.parent / "other").write_text("of somebody else")
    path.symlink_to(path.parent / "other")


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


SPECIAL: dict[str, Callable[[Path], None]] = {
    "a named pipe": fifo,
    "a socket": listening,
    "a folder": Path.mkdir,
    "a symbolic link": linked,
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # A socket's path is short.
    monkeypatch.chdir(tmp_path)
    return Path()


@pytest.fixture
def umask() -> Iterator[Callable[[int], int]]:
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


@pytest.mark.parametrize("kind", SPECIAL)
def test_what_is_not_a_file_is_neither_read_nor_replaced(folder: Path, kind: str) -> None:
    SPECIAL[kind](folder / "it")
    before = os.lstat("it")
    for act in (lambda: files.read(folder / "it", links=False), lambda: files.replace(folder / "it", b"ours")):
        with pytest.raises(files.NotAFile, match=f"it is {kind}, not a file"):
            act()
    assert not files.create(folder / "it", b"ours")
    assert os.lstat("it").st_ino == before.st_ino
    assert not (folder / "other").exists() or (folder / "other").read_text() == "of somebody else"
    assert not [name for name in os.listdir() if name.startswith(".")]


@pytest.mark.parametrize("path", ["/dev/null", "/dev/zero", "/dev/full"])
def test_a_device_is_neither_read_nor_replaced(path: str) -> None:
    for act in (
        lambda: files.read(Path(path)),
        lambda: files.read(Path(path), streams=True),
        lambda: files.check_target(Path(path)),
    ):
        with pytest.raises(files.NotAFile, match=f"{path}: it is a device, not a file"):
            act()
    assert stat.S_ISCHR(os.stat(path).st_mode)


def test_a_link_to_a_file_is_read_where_nothing_is_written_to_it(folder: Path) -> None:
    linked(folder / "it")
    assert files.read_text(folder / "it") == "of somebody else"


def test_what_the_shell_has_opened_is_read_to_its_end(tmp_path: Path) -> None:
    reads = "import sys; from pathlib import Path; from wizard.core import files\n"
    reads += "print(files.read_text(Path(sys.argv[1]), streams=True))"
    for command in ('"$0" -c "$1" <(printf answers)', 'printf answers | "$0" -c "$1" /dev/stdin'):
        done = subprocess.run(
            ["bash", "-c", command.replace('"$1"', '"$1"', 1), sys.executable, reads],
            capture_output=True,
            text=True,
            timeout=20,
        )
        assert done.stdout == "answers\n", done.stderr


def test_a_file_that_is_swapped_for_a_pipe_meanwhile_is_not_waited_for(folder: Path, monkeypatch) -> None:
    (folder / "it").write_text("a file")
    status = os.stat

    def swapped(path: object, **more: object) -> os.stat_result:
        found = status("it")
        os.unlink("it")
        os.mkfifo("it")
        return found

    monkeypatch.setattr(os, "stat", swapped)
    ended: list[BaseException] = []

    def read() -> None:
        try:
            files.read(folder / "it")
        except files.NotAFile as error:
            ended.append(error)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    thread.join(5)
    assert [str(error) for error in ended] == ["it: it is a named pipe, not a file"]


def test_a_file_that_is_too_large_is_not_read_whole(folder: Path) -> None:
    with (folder / "it").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(files.NotAFile, match="it is larger than 64 MB"):
        files.read(folder / "it")


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077, 0o777])
def test_files_and_folders_are_their_owners_whatever_the_umask(tmp_path: Path, umask, mask: int) -> None:
    umask(mask)
    files.make_folder(tmp_path / "reports" / "production")
    assert files.create(tmp_path / "reports" / "production" / "report.json", b"{}")
    files.replace(tmp_path / "reports" / "production" / "report.md", b"text")
    files.replace(tmp_path / "Pulumi.production.yaml", b"config: {}", private=False)
    for path, mode in (("reports", 0o700), ("reports/production", 0o700)):
        assert stat.S_IMODE((tmp_path / path).stat().st_mode) == mode
    for name in ("report.json", "report.md"):
        assert stat.S_IMODE((tmp_path / "reports" / "production" / name).stat().st_mode) == 0o600
    assert (tmp_path / "Pulumi.production.yaml").stat().st_mode & 0o600 == 0o600


def test_a_folder_of_ours_that_others_could_read_is_tightened_and_another_is_left(tmp_path: Path) -> None:
    for name in ("ours", "theirs"):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(0o755)
    files.make_folder(tmp_path / "ours", own=True)
    files.make_folder(tmp_path / "theirs")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("ours", "theirs")]
    assert modes == [0o700, 0o755]


@pytest.mark.parametrize("kind", SPECIAL)
def test_nothing_but_a_folder_is_taken_for_one(folder: Path, kind: str) -> None:
    if kind == "a folder":
        (folder / "it").write_text("a file")
        kind = "a file"
    else:
        SPECIAL[kind](folder / "it")
    with pytest.raises(files.NotAFile, match=f"it is {kind}, not a folder"):
        files.make_folder(folder / "it")
