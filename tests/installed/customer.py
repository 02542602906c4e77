"""A customer: an empty folder, uv, the Pulumi CLI, and a package index on this machine with the wheel of this checkout.

Builds wheels from copies of the checkout, serves them on loopback, starts uv and what it installs. The packages below
the wheel come from the registry that this machine is configured for, at the versions of the lock.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tools.bootstrap.environment import cleaned, for_uv, pip_settings
from tools.bootstrap.places import HERE
from tools.bootstrap.running import Processes

PROJECT = HERE.project
NAME = "my clinic's keys"
SECONDS = 420.0
"""For one command: a busy machine is no failure."""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *given: object) -> None:
        """Nothing."""


def build(checkout: Path, folder: Path) -> Path:
    """The wheel of a checkout."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=checkout, check=True, capture_output=True, timeout=SECONDS)
    return next(folder.glob("*.whl"))


def copy(folder: Path, changes: Mapping[str, tuple[str, str]]) -> Path:
    """A copy of the sources of this checkout in which, of each file, a text is replaced."""
    ignored = shutil.ignore_patterns("__pycache__", "node_modules", ".*", "tests", "docs", "Pulumi.*.yaml")
    shutil.copytree(PROJECT, folder, ignore=ignored)
    # It is hidden, and part of the wheel.
    shutil.copy(PROJECT / "examples/project/.gitignore", folder / "examples/project/.gitignore")
    for name, (before, after) in changes.items():
        text = (folder / name).read_text()
        assert before in text, name
        (folder / name).write_text(text.replace(before, after, 1))
    return folder


@contextmanager
def served(wheels: list[Path], folder: Path) -> Iterator[str]:
    """The address of a package index (PEP 503) with these wheels."""
    page = folder / "simple" / "eonpro-kms"
    page.mkdir(parents=True)
    links = []
    for wheel in wheels:
        shutil.copy(wheel, page)
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        links.append(f'<a href="{wheel.name}#sha256={digest}">{wheel.name}</a>')
    (page / "index.html").write_text(f"<!DOCTYPE html><html><body>{' '.join(links)}</body></html>")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield "http://{}:{}/simple".format(*server.server_address)
    server.shutdown()
    server.server_close()
    thread.join()


def uv() -> Path:
    """The pinned uv of this checkout."""
    own = sorted(HERE.cache.glob("uv-[0-9a-f]*/bin/uv"))
    found = str(own[-1]) if own else shutil.which("uv")
    assert found, "make setup installs uv"
    return Path(found)


def engine(folder: Path) -> Path:
    """A folder with `pulumi`, as a package manager leaves it: not that of a checkout."""
    program = HERE.engine()
    if not (program.parent / ".built-by-setup").exists():
        return program.parent
    folder.mkdir()
    try:
        os.link(program, folder / "pulumi")
    except OSError:
        shutil.copy2(program, folder / "pulumi")
    return folder


def locked(folder: Path) -> Path:
    """The constraints that make uv install the versions of the lock."""
    file = folder / "constraints.txt"
    words = ("export", "--frozen", "--quiet", "--no-emit-project", "--no-hashes", "--no-dev", "--extra", "sandbox")
    command = [str(uv()), *words, "--output-file", str(file)]
    subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, timeout=SECONDS)
    return file


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody with a home folder, in a folder."""

    folder: Path
    environment: Mapping[str, str] = field(repr=False)

    def types(self, *words: str, code: int = 0, **more: str) -> str:
        """What a command prints; it ends with this code."""
        done = subprocess.run(
            words,
            cwd=self.folder,
            env={**self.environment, **more},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
        )
        assert done.returncode == code, f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}"
        return done.stdout

    def with_variables(self, lines: str) -> Person:
        """The same person after `eval` of lines that `eonpro-sandbox env` printed."""
        shell = ["bash", "-c", f"{lines}\nenv -0"]
        done = subprocess.run(shell, env=dict(self.environment), capture_output=True, text=True, check=True)
        pairs = (entry.partition("=") for entry in done.stdout.split("\0") if "=" in entry)
        return Person(folder=self.folder, environment={name: value for name, _, value in pairs})

    def at(self, folder: Path, **more: str) -> Person:
        return Person(folder=folder, environment={**self.environment, **more})


def newcomer(root: Path, index: str) -> Person:
    """A person with nothing but uv, git and the Pulumi CLI."""
    home, bin_folder, folder = root / "home", root / "bin", root / NAME
    for each in (home, bin_folder, folder):
        each.mkdir()
    for name in ("uv", "uvx"):
        (bin_folder / name).symlink_to(uv().with_name(name))
    processes = Processes(logs=root / "logs", alive=lambda seconds, last: None)
    for_packages = for_uv(cleaned(os.environ), pip_settings(processes, os.environ))
    kept = {
        name: value
        for name, value in for_packages.items()
        if name.startswith(("UV_", "SSL_CERT_")) or "PROXY" in name.upper()
    }
    downloads = HERE.cache / "uv-downloads"
    return Person(
        folder=folder,
        environment={
            **kept,
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "PATH": os.pathsep.join((str(bin_folder), str(engine(root / "pulumi")), "/usr/local/bin:/usr/bin:/bin")),
            # The first index that has a package is the one: nobody else's eonpro-kms is taken.
            "UV_INDEX": " ".join(filter(None, (index, kept.get("UV_INDEX")))),
            "UV_CACHE_DIR": str(downloads if downloads.exists() else root / "uv"),
            "UV_CONSTRAINT": str(locked(root)),
            "UV_PYTHON": sys.executable,
            "NO_PROXY": "127.0.0.1",
            "GIT_AUTHOR_NAME": "clinic",
            "GIT_AUTHOR_EMAIL": "clinic@example.org",
            "GIT_COMMITTER_NAME": "clinic",
            "GIT_COMMITTER_EMAIL": "clinic@example.org",
        },
    )
