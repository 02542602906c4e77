"""The source of a release, copied into a folder of its own, and the notes of its version, cut out of CHANGELOG.md.

The source is a commit, or for a snapshot the working tree.

Reads the repository through git; writes the folder that is passed to it.
"""

from __future__ import annotations

import io
import json
import re
import subprocess
import tarfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SHOWN = 5
FOLDERS = (".", "packages/phi")
"""Where a distribution has its pyproject.toml, from the root of the source."""

PACKAGES = ("packages/phi/pyproject.toml", "packages/phi-node/package.json")
"""The packages with versions of their own."""

COMMIT = "tools/release/eonpro_kms/commit"
"""The file by which the wheel of a release names its commit."""


class Refused(Exception):
    """The release would say something untrue. The message says what, and what to do."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """A repository whose HEAD is released; `snapshot` takes the working tree as it is, for tests and development."""

    project: Path
    snapshot: bool = False

    def written_at(self) -> int:
        """When HEAD was committed, in seconds since 1970: the time of every file in the release (SOURCE_DATE_EPOCH)."""
        return int(self._git("log", "-1", "--format=%ct"))

    def metadata(self) -> Mapping[str, Any]:
        """The table `[project]` of pyproject.toml."""
        return _metadata("pyproject.toml", (self.project / "pyproject.toml").read_text(encoding="utf-8"))

    def check(self) -> None:
        """Raise Refused where a commit would not be what is released, or where the version was released before."""
        changed = self._git("status", "--porcelain").splitlines()
        if changed:
            names = ", ".join(line[3:] for line in changed[:SHOWN]) + (", …" if len(changed) > SHOWN else "")
            raise Refused(f"the working tree has what no commit has: {names}. Commit it, or put it away: git stash -u")
        name, version = self.metadata()["name"], self.metadata()["version"]
        lock = tomllib.loads((self.project / "uv.lock").read_text(encoding="utf-8"))
        locked = next((each.get("version") for each in lock["package"] if each["name"] == name), None)
        # The bill of materials is made from the lock.
        if locked != version:
            raise Refused(f"uv.lock has {name} {locked}, and pyproject.toml {version}. Write the lock again: make lock")
        tag = f"v{version}"
        tagged = self._git("tag", "--list", tag) and self._git("rev-parse", f"{tag}^{{commit}}")
        if tagged and tagged != self._git("rev-parse", "HEAD"):
            raise Refused(
                f"{tag} is the commit {tagged[:12]}, and HEAD is another. Raise the version in pyproject.toml, or "
                f"build the tag: git switch --detach {tag}"
            )

        self._check_packages()

    def _check_packages(self) -> None:
        """Raise Refused where a package has other code than the last release, under the same version."""
        commits = int(self._git("rev-list", "--count", "HEAD"))
        earlier = self._git("tag", "--merged", "HEAD^", "--list", "v*", "--sort=-creatordate") if commits > 1 else ""
        last = earlier.partition("\n")[0]
        for file in (name for name in PACKAGES if last and (self.project / name).is_file()):
            folder = str(Path(file).parent)
            then = _metadata(file, self._git("show", f"{last}:{file}"))
            now = _metadata(file, (self.project / file).read_text(encoding="utf-8"))
            if then["version"] == now["version"] and self._git("diff", "--name-only", last, "HEAD", "--", folder):
                raise Refused(
                    f"{folder}/ has changed since {last}, and {now['name']} is {now['version']} as it was then. Raise "
                    f"the version in {file}"
                )

    def export(self, folder: Path) -> None:
        """Write the files into the folder, and nothing that git ignores."""
        if not self.snapshot:
            with tarfile.open(fileobj=io.BytesIO(self._octets("archive", "--format=tar", "HEAD"))) as archive:
                # Python 3.11.4 and later; what an earlier one writes comes from git as well.
                archive.extraction_filter = getattr(tarfile, "data_filter", lambda member, path: member)
                archive.extractall(folder)
            (folder / COMMIT).write_text(f"{self._git('rev-parse', 'HEAD')}\n")
            return
        for name in self._git("ls-files", "--cached", "--others", "--exclude-standard", "-z").split("\0"):
            file = self.project / name
            # A file that was removed and is still in the index has nothing to copy.
            if name and file.is_file():
                copy = folder / name
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(file.read_bytes())
                copy.chmod(0o755 if file.stat().st_mode & 0o100 else 0o644)

    def _git(self, *arguments: str) -> str:
        return self._octets(*arguments).decode().rstrip("\n")

    def _octets(self, *arguments: str) -> bytes:
        done = subprocess.run(["git", *arguments], cwd=self.project, capture_output=True)
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip() or f"exit code {done.returncode}"
            raise Refused(f"a release is made from a commit, and `git {arguments[0]}` says: {said.rstrip('.')}")
        return done.stdout


def _metadata(file: str, text: str) -> dict[str, Any]:
    """Name and version, and what else a package says of itself."""
    found: dict[str, Any] = json.loads(text) if file.endswith(".json") else tomllib.loads(text)["project"]
    return found


UNRELEASED = "Unreleased"
_HEADING = re.compile(r"^## \[(?P<name>[^\]]+)\](?: - (?P<date>\d{4}-\d\d-\d\d))?.*\n", re.MULTILINE)
_LINKS = re.compile(r"^\[[^\]]+\]: \S+$", re.MULTILINE)


def sections(changelog: str) -> dict[str, str]:
    """Version, or Unreleased, to the text below its heading; a version without a date is not among them."""
    found = list(_HEADING.finditer(changelog))
    ends = [*(each.start() for each in found[1:]), len(changelog)]
    return {
        each["name"]: _LINKS.sub("", changelog[each.end() : end]).strip()
        for each, end in zip(found, ends, strict=True)
        if each["date"] or each["name"] == UNRELEASED
    }


def notes(changelog: str, version: str) -> str:
    """The notes of this version; raises Refused where there are none, or where changes have no version yet."""
    found = sections(changelog)
    if found.get(UNRELEASED):
        own = f"Put the heading `## [{version}] - DATE` above them"
        raised = (
            f"{version} has its section already: raise the version in pyproject.toml, and put its heading above them"
        )
        raise Refused(
            f"CHANGELOG.md has changes under [{UNRELEASED}], which this release would hold and not name. "
            f"{raised if found.get(version) else own}"
        )
    if not found.get(version):
        raise Refused(
            f"CHANGELOG.md says nothing of {version}: it needs a section with the heading `## [{version}] - DATE`"
        )
    return found[version] + "\n"


def snapshot_notes(changelog: str, version: str) -> str:
    """What is known of a version that is not released."""
    found = sections(changelog)
    text = found.get(UNRELEASED) or found.get(version, "")
    return f"A snapshot of the work on {version}: do not publish it.\n\n{text}\n"
