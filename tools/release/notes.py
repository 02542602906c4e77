"""The notes of a version, cut out of CHANGELOG.md."""

from __future__ import annotations

import re

from tools.release.source import Refused

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
