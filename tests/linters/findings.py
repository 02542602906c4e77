"""Has the linters read plans and policy documents, each in its own environment and in one run over all of them.

Touches the folder it is given, and starts the linters; they reach no network.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.linters.terraform_plan import PolicyDocument
from tools.bootstrap.places import linter

_JUDGE = Path(__file__).with_name("judge_policies.py")
_PATIENCE_SECONDS = 120


@dataclass(frozen=True, kw_only=True, order=True)
class Finding:
    """What a linter says against one resource of one configuration."""

    tool: str
    check: str
    """The check's own name: `CKV_AWS_35`, `RESOURCE_STAR`."""
    resource: str
    """The resource's address: `aws_kms_key.phi_key`."""
    message: str
    configuration: str

    def __str__(self) -> str:
        return f"{self.configuration}: {self.tool} {self.check} {self.resource}: {self.message}"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What checkov says of all plans."""

    findings: tuple[Finding, ...]
    passed: frozenset[tuple[str, str, str]]
    """Configuration, check and resource of each check that a resource has passed: what was truly looked at."""


def of_resources(plans: Mapping[str, Mapping[str, Any]], folder: Path) -> Verdict:
    """checkov's word on plans by the name of their configuration: all its checks for Terraform plans on AWS."""
    plans_folder = folder / "plans"
    plans_folder.mkdir()
    for name, plan in plans.items():
        (plans_folder / f"{name}.json").write_text(json.dumps(plan))
    # No key, no download, no platform: it tells nobody, and nobody's rules are added.
    how = "--framework terraform_plan --output json --compact --skip-download --soft-fail"
    python = linter("checkov")
    report = _run(
        [str(python), "-W", "ignore", str(python.with_name("checkov")), "-d", ".", *how.split()], plans_folder
    )
    if not isinstance(report, dict) or report["results"].get("parsing_errors") or report["summary"]["parsing_errors"]:
        raise ValueError(f"checkov could not read every plan: {json.dumps(report)[:2000]}")
    failed, passed = report["results"]["failed_checks"], report["results"]["passed_checks"]
    if not failed and not passed:
        raise ValueError("checkov looked at nothing")
    return Verdict(
        findings=tuple(
            Finding(
                tool="checkov",
                check=one["check_id"],
                resource=one["resource"],
                message=one["check_name"],
                configuration=Path(one["file_path"]).stem,
            )
            for one in failed
        ),
        passed=frozenset((Path(one["file_path"]).stem, one["check_id"], one["resource"]) for one in passed),
    )


def of_policies(documents: Sequence[tuple[str, PolicyDocument]], folder: Path) -> tuple[Finding, ...]:
    """parliament's and cloudsplaining's word on policy documents, each with the name of its configuration."""
    handed = json.dumps([asdict(document) for _, document in documents])
    judged = _run([str(linter("policies")), "-W", "ignore", str(_JUDGE)], folder, handed)
    return tuple(
        Finding(
            tool=one["tool"],
            check=one["check"],
            resource=documents[one["document"]][1].address,
            message=one["message"],
            configuration=documents[one["document"]][0],
        )
        for one in judged
    )


def _run(command: list[str], folder: Path, handed: str = "") -> Any:
    # Nothing of this process's environment: no token, no configuration file, no proxy of a person's.
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "LC_ALL": "C.UTF-8", "NO_COLOR": "1"}
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        input=handed,
        capture_output=True,
        text=True,
        timeout=_PATIENCE_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise ValueError(
            f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        )
    return json.loads(done.stdout)
