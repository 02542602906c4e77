"""The committed exceptions: which findings may stand, each with the reason.

Pure: touches nothing but its arguments.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields

import yaml

from tests.linters.findings import Finding


@dataclass(frozen=True, kw_only=True)
class Exemption:
    """A finding that may stand; `resource` and `message` are patterns, with * for anything."""

    tool: str
    check: str
    resource: str
    reason: str
    message: str = "*"

    def covers(self, finding: Finding) -> bool:
        """Whether this is the finding that it speaks of."""
        return (self.tool, self.check) == (finding.tool, finding.check) and all(
            _fits(told, pattern)
            for told, pattern in ((finding.resource, self.resource), (finding.message, self.message))
        )


def _fits(told: str, pattern: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), told, re.DOTALL) is not None


def read(text: str) -> tuple[Exemption, ...]:
    """The exceptions of a YAML list; raises ValueError for one without a reason of one line, or with another key."""
    known = {field.name for field in fields(Exemption)}
    found = []
    for entry in yaml.safe_load(text):
        strange = set(entry) - known
        if strange or {"tool", "check", "resource", "reason"} - set(entry):
            raise ValueError(f"an exception has tool, check, resource, reason and maybe message: {entry}")
        reason = str(entry["reason"]).strip()
        if len(reason.split()) < 5 or "\n" in reason:
            raise ValueError(f"an exception has a reason, on one line: {entry}")
        found.append(Exemption(**{**entry, "reason": reason}))
    return tuple(found)


def standing(findings: Sequence[Finding], exemptions: Sequence[Exemption]) -> list[Finding]:
    """The findings that no exception covers, sorted."""
    return sorted(finding for finding in findings if not any(one.covers(finding) for one in exemptions))


def dead(findings: Sequence[Finding], exemptions: Sequence[Exemption]) -> list[Exemption]:
    """The exceptions that cover nothing any more."""
    return [one for one in exemptions if not any(one.covers(finding) for finding in findings)]
