"""Has parliament and cloudsplaining read policy documents; runs as a program in the linters' own environment.

Touches standard input and output: a list of documents in, a list of findings out, both JSON.

parliament reads every document: grammar, and whether each action, resource and condition key exist and go together.
Of trust and resource policies it checks the principals' form as well, but not whom they let in; that is asked of
cloudsplaining, which reads identity policies for more than the least privilege, and of the others whether the whole
internet may do anything. Whether a key policy gives the right people the right actions no linter can know: the tables
of tests/components say that.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

# They are in no environment but the linters'.
import parliament  # type: ignore[import-not-found]
from cloudsplaining.command.scan_policy_file import scan_policy  # type: ignore[import-not-found]
from cloudsplaining.scan.resource_policy_document import ResourcePolicyDocument  # type: ignore[import-not-found]


def by_parliament(text: str, own_arn: str | None) -> list[dict[str, str]]:
    """Every finding, whatever its severity, with its statement's Sid; one for each action, the same never twice."""
    policy = parliament.analyze_policy_string(as_identity_policy(text, own_arn))
    found: dict[str, dict[str, str]] = {}
    for sid, findings in (
        ("the document", policy._findings),
        *((_sid(statement), statement.findings) for statement in policy.statements),
    ):
        for finding in findings:
            title = parliament.enhance_finding(finding).title
            for detail in _details(finding):
                message = f"{sid}: {title}: {detail}"
                found[finding.issue + message] = {"tool": "parliament", "check": finding.issue, "message": message}
    return list(found.values())


def _sid(statement: Any) -> str:
    return str(statement.stmt["Sid"].value) if "Sid" in statement.stmt else "a statement"


def _details(finding: Any) -> list[str]:
    if finding.issue == "RESOURCE_MISMATCH":
        return [f"{one['action']} needs {one['required_format']}" for one in finding.detail]
    actions = finding.location.get("actions")
    if actions:
        return [str(action) for action in actions]
    return [" ".join(filter(None, (_said(finding.detail), str(finding.location.get("string", "")))))]


def as_identity_policy(text: str, own_arn: str | None) -> str:
    """The policy of a thing with its own ARN written out; parliament knows the grammar of identity policies alone.

    A trust policy has no Resource, and in the policy of a key or a secret "*" is that key or secret. KMS takes spaces
    in a Sid. At any of these parliament would stop, and read no further.
    """
    policy = json.loads(text)
    if own_arn is None:
        return text
    for statement in policy["Statement"]:
        if statement.get("Resource", "*") == "*":
            statement["Resource"] = own_arn
        if own_arn.split(":")[2] == "kms" and "Sid" in statement:
            statement["Sid"] = statement["Sid"].replace(" ", "")
    return json.dumps(policy)


def by_cloudsplaining(text: str, kind: str) -> list[dict[str, str]]:
    """For an identity policy each risk; for another, what the whole internet may do."""
    policy = json.loads(text)
    if kind != "identity":
        open_to_all = ResourcePolicyDocument(policy).internet_accessible_actions
        return [_risk("InternetAccessible", open_to_all)] if open_to_all else []
    risks = scan_policy(policy)
    return [
        _risk(name, risk["findings"])
        for name, risk in risks.items()
        # The services that the policy names are listed, too; that is no risk.
        if isinstance(risk, dict) and risk.get("findings")
    ]


def _risk(name: str, findings: Any) -> dict[str, str]:
    return {"tool": "cloudsplaining", "check": name, "message": _said(findings)}


def _said(detail: Any) -> str:
    return detail if isinstance(detail, str) else json.dumps(detail, sort_keys=True, default=str) if detail else ""


def judged(documents: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The findings; each has the number of its document."""
    for number, document in enumerate(documents):
        text, kind = document["text"], document["kind"]
        for finding in (*by_parliament(text, document["own_arn"]), *by_cloudsplaining(text, kind)):
            yield {"document": number, **finding}


if __name__ == "__main__":
    json.dump(list(judged(json.load(sys.stdin))), sys.stdout)
