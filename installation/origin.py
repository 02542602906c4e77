"""What the wheel was installed from, and the commands that run or install it where nothing is installed.

Reads the record that the installer left, and PATH.
"""

from __future__ import annotations

import glob
import json
import os
import shlex
import shutil
import sys
from dataclasses import dataclass

import installation

REPOSITORY = "https://github.com/eonpro/eonpro-kms"
"""Where this program is released. A fork's is the one that it was installed from."""

# uvx makes its environments in the cache of uv.
IS_TEMPORARY = installation.IS_INSTALLED and any(part.startswith("archive-v") for part in sys.prefix.split(os.sep))
"""Whether this is the wheel in an environment of `uvx`: it may be gone tomorrow, and is on this run's PATH alone."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """An address; empty where a package index had the wheel, and for a checkout."""

    url: str = ""
    revision: str = ""
    """Of a git repository: the tag or branch that was asked for, else the commit."""
    commit: str = ""


def origin() -> Origin:
    """Where this program is from (https://packaging.python.org/en/latest/specifications/direct-url/)."""
    site = glob.escape(os.path.dirname(installation.SOURCE))
    for name in glob.glob(os.path.join(site, "eonpro_kms-*.dist-info", "direct_url.json")):
        with open(name, encoding="utf-8") as file:
            found = json.load(file)
        of_git = found.get("vcs_info", {})
        commit = of_git.get("commit_id", "")
        return Origin(url=found["url"], revision=of_git.get("requested_revision") or commit, commit=commit)
    return Origin()


def by_uvx(release: str = "", *, extra: str = "", script: str = "eonpro-kms") -> tuple[str, ...]:
    """The words that run a script of this program; `release` is another version.

    No package registry has it: a name in one may be anybody's.
    """
    own = origin()
    address = own.url
    if release or own.commit or not own.url:
        tag = f"v{release or installation.version()}"
        address = f"git+{own.url if own.commit else REPOSITORY}@{tag if release else own.revision or tag}"
    return "uvx", "--from", f"eonpro-kms{extra} @ {address}", script


def repair(module: str) -> str:
    """The command line that installs the packages of this environment, where `python -m MODULE` lacks one."""
    if module == "sandbox" or os.path.realpath(sys.prefix) != os.path.realpath(installation.VENV):
        uvx, *words = by_uvx(extra="[sandbox]", script="eonpro-sandbox" if module == "sandbox" else "eonpro-kms")
        return shlex.join((uvx, "--reinstall", *words, *sys.argv[1:]))
    requirements = os.path.join(installation.PROJECT, "requirements.txt")
    hashed = ("--require-hashes", "-r", requirements)
    if shutil.which("uv"):
        words = ["uv", "pip", "sync", "--reinstall", "--require-hashes", "--python", sys.executable, requirements]
        return shlex.join(words)
    # An environment of uv has no pip.
    pip = shlex.join((sys.executable, "-m", "pip", "install", "--force-reinstall", *hashed))
    return f"{shlex.join((sys.executable, '-m', 'ensurepip'))} && {pip}"
