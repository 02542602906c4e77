"""The folders of a checkout: where the set-up installs, and where other programs look.

Reads `.cache/engine/choice.json`; writes nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

PARTS = (
    *("Pulumi.yaml", "__main__.py", "pyproject.toml"),
    *("components", "wizard", "packages/phi", "guardrails", "examples"),
)
"""What of a checkout the wizard, the program and the guardrails run from: its files and folders."""


class NotSetUp(RuntimeError):
    """Something that the set-up installs is missing; the message ends with the command to type."""


@dataclass(frozen=True, kw_only=True)
class Places:
    project: Path

    @property
    def venv(self) -> Path:
        return self.project / ".venv"

    @property
    def python(self) -> Path:
        return self.venv / "bin" / "python"

    @property
    def cache(self) -> Path:
        """Everything that was downloaded or built, keyed by its pins."""
        return self.project / ".cache"

    @property
    def pyproject(self) -> Path:
        """The project's dependencies, with reasons."""
        return self.project / "pyproject.toml"

    @property
    def lock(self) -> Path:
        """The exact version of each package, with hashes."""
        return self.project / "uv.lock"

    @property
    def logs(self) -> Path:
        """The full output of each step's last run."""
        return self.cache / "logs"

    @property
    def engine_module(self) -> Path:
        """The Go module that pins the Pulumi engine."""
        return self.project / "tools" / "bootstrap" / "go_modules" / "engine"

    @property
    def actionlint_module(self) -> Path:
        return self.project / "tools" / "bootstrap" / "go_modules" / "actionlint"

    @property
    def engine_choice(self) -> Path:
        """The record of the chosen engine and the reason."""
        return self.cache / "engine" / "choice.json"

    @property
    def awscli(self) -> Path:
        """The AWS CLI; its `bin/` holds `aws` and nothing else."""
        return self.cache / "awscli"

    @property
    def linters(self) -> Path:
        """The linters, one folder each; only the tests use them."""
        return self.cache / "linters"

    @property
    def tools(self) -> Path:
        return self.cache / "tools"

    def engine(self) -> Path:
        """The `pulumi` binary the set-up chose; raises NotSetUp."""
        try:
            path = Path(json.loads(self.engine_choice.read_text())["path"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise NotSetUp("No Pulumi engine has been chosen yet. Run: make setup") from error
        if not path.is_file():
            raise NotSetUp(f"The Pulumi engine {path} no longer exists. Run: make setup")
        return path

    def awscli_bin(self) -> Path | None:
        """The folder that holds `aws`, for PATH; None before the set-up."""
        folder = self.awscli / "bin"
        return folder if (folder / "aws").exists() else None


HERE = Places(project=Path(__file__).resolve().parents[2])
PROJECT = HERE.project
VENV = HERE.venv
CACHE = HERE.cache


def linter(name: str) -> Path:
    """The interpreter of a linter's environment (`policies`, `checkov`); raises NotSetUp."""
    python = HERE.linters / name / "bin" / "python"
    if not python.exists():
        raise NotSetUp(f"The linters are not installed: there is no {python}. Run: python3 -m tools.bootstrap --tests")
    return python


def tool(name: str) -> Path:
    """The interpreter of a tool's environment; raises NotSetUp."""
    python = HERE.tools / name / "bin" / "python"
    if not python.exists():
        raise NotSetUp(
            f"The tool {name} is not installed: there is no {python}. Run: python3 -m tools.bootstrap --tool {name}"
        )
    return python


def engine() -> Path:
    """The `pulumi` binary of this checkout; raises NotSetUp."""
    return HERE.engine()


def awscli_bin() -> Path | None:
    """The folder of this checkout that holds `aws`, for PATH; None before the set-up."""
    return HERE.awscli_bin()
