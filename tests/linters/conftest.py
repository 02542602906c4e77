"""The rendered plans and what the linters say of them, made once: an engine takes seconds, and so does a linter."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.linters import unrendered
from tests.linters.configurations import VARIANTS, configurations
from tests.linters.exceptions import Exemption, read
from tests.linters.findings import Finding, Verdict, of_policies, of_resources
from tests.linters.rendering import PlannedResource, rendered
from tests.linters.terraform_plan import policy_documents, terraform_plan

Plan = tuple[PlannedResource, ...]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """The findings of the linters in every plan."""

    verdict: Verdict
    policies: tuple[Finding, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All of it."""
        return (*self.verdict.findings, *self.policies)


@pytest.fixture(scope="session")
def plans(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Plan]:
    """The plan of every configuration."""
    wanted = configurations()
    folders = [tmp_path_factory.mktemp("rendered") for _ in wanted]

    def plan(name: str, folder: Path) -> Plan:
        # What the examples build is looked at again by the tests of the onboarding.
        return rendered(wanted[name], folder, look_again=name in VARIANTS)

    # Two at a time: each mostly waits for its engine.
    with ThreadPoolExecutor(max_workers=2) as pool:
        return dict(zip(wanted, pool.map(plan, wanted, folders), strict=True))


@pytest.fixture(scope="session")
def judged(plans: dict[str, Plan], tmp_path_factory: pytest.TempPathFactory) -> Judged:
    """What the linters say, each started once."""
    folder = tmp_path_factory.mktemp("linters")
    documents = [(name, document) for name, plan in plans.items() for document in policy_documents(plan)]
    documents += [(unrendered.CONFIGURATION, document) for document in unrendered.DOCUMENTS]
    return Judged(
        verdict=of_resources({name: terraform_plan(plan) for name, plan in plans.items()}, folder),
        policies=of_policies(documents, folder),
    )


@pytest.fixture(scope="session")
def exemptions() -> Iterator[tuple[Exemption, ...]]:
    """The committed exceptions."""
    yield read(Path(__file__).with_name("exceptions.yaml").read_text())
