"""A disk of a few megabytes, which a test fills up and empties again: a tmpfs in a mount namespace of its own.

Touches the folder that it is mounted on, and the process that it starts, which holds the namespace.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_MEGABYTES = 8


@dataclass(frozen=True, kw_only=True)
class SmallDisk:
    """The folder, as the processes of its namespace see it; all others see it through `outside`."""

    folder: Path
    holder: int

    @property
    def outside(self) -> Path:
        """The path under which a process of another namespace finds it."""
        return Path(f"/proc/{self.holder}/root{self.folder}")

    def command(self, words: list[str], *, folder: Path) -> list[str]:
        """The command in the namespace, with `folder` as its working directory."""
        user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        return ["nsenter", f"--target={self.holder}", *user, "--mount", f"--wd={folder}", *words]

    def fill(self, *, leave: int = 0) -> None:
        """Write until nothing more fits, but for `leave` bytes."""
        with suppress(OSError), (self.outside / "filler").open("wb", buffering=0) as file:
            while True:
                file.write(b"\0" * 4096)
        size = (self.outside / "filler").stat().st_size
        os.truncate(self.outside / "filler", max(0, size - leave))

    def empty(self) -> None:
        """Give the room back."""
        (self.outside / "filler").unlink()

    def give_back(self) -> None:
        """Put what is on it into the folder under it, as a person does who moves to a larger disk."""
        # The folder itself stays: without it the disk would no longer be mounted.
        shutil.copytree(self.outside, self.folder, dirs_exist_ok=True)


@contextmanager
def small_disk(folder: Path) -> Iterator[SmallDisk]:
    """The disk, mounted on the folder, with what the folder had."""
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    script = (
        'cp -a "$1" "$1.before" && mount -t tmpfs -o size="$2"m tmpfs "$1" && cp -a "$1.before/." "$1" '
        "&& echo ready && exec sleep infinity"
    )
    holder = subprocess.Popen(
        ["unshare", *user, "--mount", "--propagation=private", "sh", "-c", script, "sh", str(folder), str(_MEGABYTES)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "ready\n", "no disk of its own can be mounted"
        yield SmallDisk(folder=folder, holder=holder.pid)
    finally:
        holder.kill()
        holder.wait()
