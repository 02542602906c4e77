"""Versions: which ones fit, which are pinned, and the fingerprints in the names of cached builds.

Reads the requirement files, `uv.lock` and go.mod.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import total_ordering
from pathlib import Path


@total_ordering
@dataclass(frozen=True)
class Version:
    """major.minor.patch; a pre-release comes before its release."""

    major: int
    minor: int = 0
    patch: int = 0
    prerelease: str = ""

    @classmethod
    def find(cls, text: str) -> Version | None:
        """The first version in a tool's output ("v3.259.0", "go1.26.8", "uv 0.13.9 (…)"), or None."""
        match = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?(-?(?:alpha|beta|rc|dev)[\w.]*)?", text)
        if match is None:
            return None
        major, minor, patch, prerelease = match.groups()
        return cls(int(major), int(minor), int(patch or 0), (prerelease or "").lstrip("-"))

    def _order(self) -> tuple[int, int, int, bool, str]:
        return (self.major, self.minor, self.patch, not self.prerelease, self.prerelease)

    def __lt__(self, other: Version) -> bool:
        return self._order() < other._order()

    def __str__(self) -> str:
        release = f"{self.major}.{self.minor}.{self.patch}"
        return f"{release}-{self.prerelease}" if self.prerelease else release


@dataclass(frozen=True, kw_only=True)
class Range:
    """Versions from `least` up to `below`, which is excluded."""

    least: Version
    below: Version

    def __contains__(self, version: Version) -> bool:
        return self.least <= version < self.below

    def __str__(self) -> str:
        return f">= {self.least}, < {self.below}"


UV = Range(least=Version(0, 13, 9), below=Version(0, 14))
OFFICIAL_ENGINE = Range(least=Version(3, 259, 0), below=Version(4))


def fingerprint(*parts: str | Path) -> str:
    """12 hex digits that change when a string, or the bytes of a file, among the parts changes."""
    whole = hashlib.sha256()
    for part in parts:
        content = part.read_bytes() if isinstance(part, Path) else part.encode()
        whole.update(hashlib.sha256(content).digest())
    return whole.hexdigest()[:12]


def pinned(requirements: Path, package: str) -> Version:
    """The version to which a requirement file pins a package; ValueError when it does not."""
    match = re.search(rf"^{re.escape(package)}==(\S+)", requirements.read_text(), re.MULTILINE)
    version = Version.find(match.group(1)) if match else None
    if version is None:
        raise ValueError(f"{requirements.name} does not pin {package}")
    return version


def locked(lock: Path, package: str) -> Version:
    """The version to which `uv.lock` pins a package that it has in one version; ValueError when it has none."""
    match = re.search(rf'^name = "{re.escape(package)}"\nversion = "([^"]+)"', lock.read_text(), re.MULTILINE)
    version = Version.find(match.group(1)) if match else None
    if version is None:
        raise ValueError(f"{lock.name} does not pin {package}")
    return version


def go_needed(go_mod: Path) -> Version:
    """The least Go that may build the module, from its `go` line."""
    match = re.search(r"^go (\S+)", go_mod.read_text(), re.MULTILINE)
    version = Version.find(match.group(1)) if match else None
    if version is None:
        raise ValueError(f"{go_mod} has no go line")
    return version


def module_version(go_mod: Path, module: str) -> Version:
    match = re.search(rf"^\s*(?:require )?{re.escape(module)} v(\S+)", go_mod.read_text(), re.MULTILINE)
    version = Version.find(match.group(1)) if match else None
    if version is None:
        raise ValueError(f"{go_mod} does not require {module}")
    return version
