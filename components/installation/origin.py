"""What the wheel was installed from, and the commands that run or install it where nothing is installed.

Reads the record that the installer left, and PATH.
"""

from __future__ import annotations

import glob
import json
import os
import re
import shlex
import shutil
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from urllib.parse import unquote, urlsplit

from components import installation

REPOSITORY = "https://github.com/eonpro/eonpro-kms"
"""Where this program is released. A fork's is the one that it was installed from."""

# uvx makes its environments in the cache of uv.
IS_TEMPORARY = installation.IS_INSTALLED and any(part.startswith("archive-v") for part in sys.prefix.split(os.sep))
"""Whether this is the wheel in an environment of `uvx`: it may be gone tomorrow, and is on this run's PATH alone."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What an installer wrote down; empty where a package index had the wheel, and for a checkout."""

    url: str = ""
    revision: str = ""
    """Of a git repository: the tag or branch that was asked for, else the commit."""
    commit: str = ""
    """Of a git repository, or the one that a release was built from."""

    @property
    def repository(self) -> str:
        """The address of the git repository: of the release that the wheel is a file of, or the program's own."""
        of_release = re.fullmatch(r"(https?://.+)/releases/download/[^/]+/[^/]+", self.url)
        return self.url if self.revision else of_release[1] if of_release else REPOSITORY

    @property
    def wheel(self) -> str:
        """The path of the wheel, where it is a file of this machine; else empty."""
        path = unquote(urlsplit(self.url).path) if self.url.startswith("file:") and not self.revision else ""
        return path if path.endswith(".whl") and os.path.exists(path) else ""

    @property
    def name(self) -> str:
        """OWNER/NAME of the repository on its code host."""
        found = re.fullmatch(r"(?:https?|ssh)://[^/]+/([\w.-]+/[\w.-]+?)(?:\.git)?/?", self.repository)
        return found[1] if found else "eonpro/eonpro-kms"


def origin() -> Origin:
    """Where this program is from (https://packaging.python.org/en/latest/specifications/direct-url/)."""
    released = commit_in(installation.SOURCE)
    site = glob.escape(os.path.dirname(installation.SOURCE))
    for name in glob.glob(os.path.join(site, "eonpro_kms-*.dist-info", "direct_url.json")):
        with open(name, encoding="utf-8") as file:
            found = json.load(file)
        of_git = found.get("vcs_info", {})
        commit = of_git.get("commit_id", "")
        return Origin(url=found["url"], revision=of_git.get("requested_revision") or commit, commit=commit or released)
    return Origin(commit=released)


def pages() -> str:
    """Where the pages are: the folder of a checkout, or their address, since the wheel has none of them."""
    if not installation.IS_INSTALLED:
        return "docs/"
    repository = origin().repository.removesuffix(".git")
    host = repository if repository.startswith("https://") else REPOSITORY
    return f"{host}/blob/v{installation.version()}/docs/"


def commit_in(package: str) -> str:
    """The commit that `make release` built the folder `eonpro_kms` from; empty for any other build."""
    try:
        with open(os.path.join(package, "commit"), encoding="utf-8") as file:
            text = file.read().strip()
    except OSError:
        return ""
    return text if re.fullmatch("[0-9a-f]{40}", text) else ""


def by_uvx(release: str = "", *, extra: str = "", script: str = "eonpro-kms") -> tuple[str, ...]:
    """The words that run a script of this program; `release` is another version.

    No package registry has it: a name in one may be anybody's.
    """
    own, tag = origin(), f"v{release or installation.version()}"
    address = f"git+{own.repository}@{tag if release else own.revision or tag}"
    if own.url.startswith("file:") and not own.revision and not release:
        address = own.url
    return "uvx", "--from", f"eonpro-kms{extra} @ {address}", script


def require_package(module: str, package: str) -> None:
    """End the process where this Python lacks a package that `python -m MODULE` always needs."""
    if find_spec(package) is None:
        installation.refuse("without the packages of this program", repair(module))


def repair(module: str) -> str:
    """The command line that installs the packages of this environment, where `python -m MODULE` lacks one."""
    if not installation.IS_INSTALLED:
        return installation.repair(module)
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
