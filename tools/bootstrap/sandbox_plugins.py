"""The sandbox's plug-ins for the chosen engine: asks the sandbox to put them in place.

It may start `python -m sandbox prepare` and write `.cache/sandbox-prepared`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tools.bootstrap.engine import LANGUAGE_HOST
from tools.bootstrap.machine import Machine, write_whole
from tools.bootstrap.pins import fingerprint
from tools.bootstrap.places import NotSetUp
from tools.bootstrap.running import Job


@dataclass(frozen=True, kw_only=True)
class SandboxPlugins:
    """What `python -m sandbox prepare` puts in place, remembered by what it depends on."""

    machine: Machine

    def is_current(self) -> bool:
        """True when nothing it depends on has changed and what it made is still there."""
        places = self.machine.places
        try:
            language_host = places.engine().resolve().with_name(LANGUAGE_HOST)
            there = language_host.is_file() and (places.project / ".sandbox").is_dir()
            return there and self._stamp.read_text() == self._key()
        except (OSError, NotSetUp):
            return False

    def build(self) -> str:
        """Has the sandbox put its plug-ins in place; it does so again whenever it starts."""
        places = self.machine.places
        argv = (str(places.python), "-m", "sandbox", "prepare")
        self.machine.run(
            Job(
                argv=argv,
                environment=self.machine.environment,
                log="sandbox-plug-ins",
                seconds=300,
                cwd=places.project,
            )
        )
        write_whole(self._stamp, self._key())
        return "in place"

    @property
    def _stamp(self) -> Path:
        return self.machine.places.cache / "sandbox-prepared"

    def _key(self) -> str:
        places = self.machine.places
        sources = sorted(path for path in (places.project / "sandbox").rglob("*.py"))
        return fingerprint(
            str(places.project),
            places.engine_choice,
            places.venv / "setup.json",
            *map(str, sources),
            *sources,
        )
