"""The machine as every step sees it, and the functions that replace a file or folder atomically.

Writes the paths that are passed to it.
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
    """The checkout, the caller's cleaned environment, a Runner, and a function that prints a line."""

    places: Places
    environment: Mapping[str, str]
    run: Runner
    say: Callable[[str], None]

    def on_path(self, name: str) -> tuple[Path, ...]:
        """Every executable of that name on PATH, in order, except this project's own."""
        programs: list[Path] = []
        for folder in self.environment.get("PATH", "").split(os.pathsep):
            path = Path(folder or ".") / name
            if not (path.is_file() and os.access(path, os.X_OK)):
                continue
            if not path.resolve().is_relative_to(self.places.project.resolve()) and path not in programs:
                programs.append(path)
        return tuple(programs)


def base_python() -> str:
    """The interpreter below any virtual environment, which must still exist when `.venv` is recreated."""
    return str(getattr(sys, "_base_executable", None) or sys.executable)


def temporary(final: Path) -> Path:
    """A free name next to `final` for a build; leftovers of interrupted runs are removed."""
    final.parent.mkdir(parents=True, exist_ok=True)
    for leftover in final.parent.glob(f"{final.name}.tmp-*"):
        remove(leftover)
    return final.with_name(f"{final.name}.tmp-{os.getpid()}")


def put_in_place(draft: Path, final: Path) -> None:
    """Rename a finished build to its final name."""
    if final.is_dir() and not final.is_symlink():
        remove(final)
    os.replace(draft, final)


def write_whole(path: Path, text: str) -> None:
    """Write a file atomically: a reader sees the new or the old text, never a part."""
    draft = temporary(path)
    draft.write_text(text, encoding="utf-8")
    os.replace(draft, path)


def remove(path: Path) -> None:
    """Remove a file, link or folder if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
