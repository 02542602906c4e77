"""What every step needs to know of this machine, and the one way to put a file or folder in place whole.

It may write where it is told to.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.bootstrap.places import Places
from tools.bootstrap.running import Runner


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The checkout, the caller's cleaned environment, a Runner, and a way to tell a person something."""

    places: Places
    environment: Mapping[str, str]
    run: Runner
    say: Callable[[str], None]

    def on_path(self, name: str) -> tuple[Path, ...]:
        """Every executable of that name on PATH, in order, without this project's own."""
        found: list[Path] = []
        for folder in self.environment.get("PATH", "").split(os.pathsep):
            path = Path(folder or ".") / name
            if not (path.is_file() and os.access(path, os.X_OK)):
                continue
            if not path.resolve().is_relative_to(self.places.project.resolve()) and path not in found:
                found.append(path)
        return tuple(found)


def base_python() -> str:
    """The interpreter below any virtual environment, which must survive when `.venv` is made anew."""
    return str(getattr(sys, "_base_executable", None) or sys.executable)


def temporary(final: Path) -> Path:
    """A free name beside `final` to build under; what an interrupted run left under such names goes."""
    final.parent.mkdir(parents=True, exist_ok=True)
    for left in final.parent.glob(f"{final.name}.tmp-*"):
        remove(left)
    return final.with_name(f"{final.name}.tmp-{os.getpid()}")


def put_in_place(made: Path, final: Path) -> None:
    """Renames what was made to its final name."""
    if final.is_dir() and not final.is_symlink():
        remove(final)
    os.replace(made, final)


def write_whole(path: Path, text: str) -> None:
    """Writes a file so that a reader sees all of it or the one before."""
    made = temporary(path)
    made.write_text(text, encoding="utf-8")
    os.replace(made, path)


def remove(path: Path) -> None:
    """Removes a file, link or folder if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
