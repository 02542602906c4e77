"""What this machine knows of the state and of what opens it, found before anybody is asked.

Part of the engine's edge: reads the environment, the project's folder and the CLI's login; makes a passphrase if asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from wizard import engine_backend, engine_passphrase
from wizard.facts_found import BackendFact
from wizard.state_backend import Circumstances


class StatePlaces:
    """One project in one folder, for one user. Implements `wizard.state_step.StatePlaces`."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self._folder = folder
        self._environ = environ

    def detect(self) -> BackendFact | None:
        """The backend that Pulumi would use here; None where it would ask for a login."""
        return engine_backend.detect(self._environ, self._folder)

    def circumstances(self, stack: str, *, account: str, region: str, interactive: bool) -> Circumstances:
        """What was found, but for the key, which only the account knows of.

        Raises SetupError for a file with a passphrase that others can read, or that holds none.
        """
        given = engine_passphrase.variable(self._environ)
        # Where a variable says it, a file of ours is not looked at.
        file = None if given else engine_passphrase.find(self._environ, stack)
        return Circumstances(
            account=account,
            region=region,
            detected=self.detect(),
            provider=engine_backend.secrets_provider(self._folder / f"Pulumi.{stack.rsplit('/', 1)[-1]}.yaml"),
            given=given,
            file=str(file) if file else None,
            interactive=interactive,
        )

    def make_passphrase(self, stack: str) -> str:
        """A new passphrase in a file that only its owner can read; the file's path. One that is there stays."""
        return str(engine_passphrase.make(self._environ, stack))
