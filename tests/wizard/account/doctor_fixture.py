"""A stack that is set up in full, over fakes, and the doctor's checks on it.

Touches the fakes only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from components.settings import Settings
from tests.wizard.commands.test_deployed_stack import World
from tests.wizard.fakes.clients import APP, KEY, OUTPUTS, FakeDecryptVerifier, FakeUserInterface, wrapped
from tests.wizard.fakes.diagnostics import FakeAccessDiagnostics
from wizard.account import judgements as checks
from wizard.account.notices import Judgement, Notice
from wizard.account.views import Diagnosis, diagnose
from wizard.cli import parser
from wizard.commands import deployed_stack
from wizard.core.clients import Clients, GitHub


class DoctorFixture(World):
    """A world whose application has its variables where it runs."""

    def __init__(self, wanted: Settings) -> None:
        super().__init__(wanted)
        self.prover = FakeDecryptVerifier(aws=self.aws)
        self.github: GitHub | None = None
        values = {"ENCRYPTED_PHI_KEY": wrapped().value, "AWS_KMS_KEY_ID": KEY, "AWS_REGION": wanted.region}
        if "vercel" in wanted.deploy_targets:
            self.vercel.variables |= values
        for name in ("AWS_KMS_KEY_ID", "AWS_REGION"):
            self.aws.parameters[f"{wanted.names.parameter_prefix}/{name}"] = values[name]

    @property
    def access_diagnostics(self) -> FakeAccessDiagnostics:
        """Of the stack's own Region."""
        return self.aws.access_diagnostics

    def change(self, **changes: Any) -> None:
        """The application's role otherwise than it was."""
        self.access_diagnostics.change(APP, **changes)

    def diagnosis(self, of: Sequence[Judgement] = checks.ACCESS_CHECKS) -> Diagnosis:
        """What these checks tell."""
        clients = Clients(
            ui=FakeUserInterface(),
            connect=lambda profile, region: self.aws,
            vercel=lambda token: self.vercel,
            engine=lambda environment, *, secrets_provider=None: self.engine,
            prover=self.prover,
            github=self.github,
        )
        diagnosis = diagnose(deployed_stack.find(self.run()[0], clients), of)
        for finding in (*diagnosis.findings, *diagnosis.consequences):
            for words in finding.command.calls:
                if words[:3] == ("python", "-m", "wizard"):
                    # Raises for a command that could not be typed.
                    parser.parse(words[3:])
        return diagnosis

    def first(self, of: Sequence[Judgement] = checks.ACCESS_CHECKS) -> Notice:
        """What is to be mended first."""
        return self.diagnosis(of).findings[0]


__all__ = ["APP", "KEY", "OUTPUTS", "DoctorFixture", "wrapped"]
