"""`@eonpro/phi` as npm packs it, and the packages of a lock file: both built once and kept in `.cache/`.

Runs npm and Node; npm asks its registry for what its own cache does not have.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tools.bootstrap.environment import is_home_writable
from tools.bootstrap.machine import put_in_place, temporary
from tools.bootstrap.pins import fingerprint
from tools.bootstrap.places import CACHE, PROJECT
from tools.bootstrap.running import exclusive

PACKAGE = PROJECT / "packages" / "phi-node"
LOCK = "package-lock.json"
NPM_SECONDS = 300
_NOT_SOURCES = shutil.ignore_patterns("node_modules", "dist", "*.tgz")


class NpmFailed(RuntimeError):
    """npm or Node is missing, or did not do its work; the message says why."""


def packages(source: Path, tarballs: Sequence[Path] = ()) -> Path:
    """The folder with exactly the packages of a lock file, installed if it is missing; raises NpmFailed.

    `tarballs` are packages that the lock file names by their file, beside it.
    """
    folder = CACHE / f"{source.name}-{fingerprint(source / LOCK, *tarballs)}" / "node_modules"
    with exclusive(CACHE / "application.lock", print):
        if not folder.is_dir():
            new = temporary(folder.parent)
            new.mkdir()
            for file in (source / "package.json", source / LOCK, *tarballs):
                shutil.copy(file, new)
            install(new)
            put_in_place(new, folder.parent)
    return folder


def built() -> Path:
    """A copy of the package beside its development packages, with `dist/`; raises NpmFailed."""
    modules = packages(PACKAGE)
    folders = (PACKAGE, PACKAGE / "src", PACKAGE / "test")
    sources = sorted(file for folder in folders for file in folder.iterdir() if file.is_file())
    folder = CACHE / f"eonpro-phi-{fingerprint(*sources)}"
    with exclusive(CACHE / "application.lock", print):
        if not folder.is_dir():
            new = temporary(folder)
            shutil.copytree(PACKAGE, new, ignore=_NOT_SOURCES)
            (new / "node_modules").symlink_to(modules)
            pack(new, new)
            put_in_place(new, folder)
    return folder


def pack(package: Path, into: Path) -> None:
    """Build the package, beside its `node_modules`, and write it as npm publishes it; raises NpmFailed."""
    npm("run", "--silent", "build", folder=package)
    # npm packs the modes, and those are of the umask.
    for file in (*package.iterdir(), *(package / "dist").rglob("*")):
        if file.is_file():
            file.chmod(0o644)
    npm("pack", "--ignore-scripts", "--silent", "--pack-destination", str(into), folder=package)


def release(package: Path, into: Path) -> None:
    """The release of a package without `node_modules`, which is then beside it; raises NpmFailed."""
    install(package)
    pack(package, into)


def install(folder: Path) -> None:
    """The packages of the folder's lock file."""
    # No script of a package runs: none of them needs one.
    npm("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", folder=folder)


def tarball() -> Path:
    """The package as npm publishes it: `eonpro-phi-<version>.tgz`; raises NpmFailed."""
    [file] = built().glob("eonpro-phi-*.tgz")
    return file


def npm(*arguments: str, folder: Path) -> str:
    """npm's standard output; raises NpmFailed with its first line of errors."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise NpmFailed(f"{program} is not installed")
    own = {} if is_home_writable(os.environ) else {"npm_config_cache": str(CACHE / "npm")}
    try:
        done = subprocess.run(
            ["npm", *arguments],
            cwd=folder,
            env=own | os.environ,
            # The modes of what it builds are in the package.
            umask=0o022,
            check=True,
            capture_output=True,
            text=True,
            timeout=NPM_SECONDS,
        )
    except (subprocess.SubprocessError, OSError) as error:
        written = [getattr(error, name, None) or "" for name in ("stderr", "stdout")]
        reason = ("".join(written) or str(error)).strip().splitlines()[0]
        raise NpmFailed(f"npm {arguments[0]}: {reason}") from error
    return done.stdout
