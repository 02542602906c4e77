"""A person before the stage: sees a scene of the wizard over fakes, at a terminal of its own.

Touches the process of the stage, pseudo-terminals, and the folder of each scene.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.onboarding.deployment import PROJECT, written_script
from tests.onboarding.loaded import answered
from tests.terminal.person import TIMEOUT_SECONDS, PersonAtForked
from tests.terminal.scenes import SCENES
from tests.terminal.stage import CALLS

PASSPHRASE = "passphrase-that-nobody-may-see"


class Stage:
    """The program that plays the scenes; ends with this."""

    def __init__(self) -> None:
        self._orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._program = subprocess.Popen(
            [sys.executable, "-m", "tests.terminal.stage", str(theirs.fileno())],
            cwd=PROJECT,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
        )
        theirs.close()

    def order(self, order: Mapping[str, Any], terminal: int) -> int:
        """Have a scene played at a terminal; where it will be told who plays it, and how it ended."""
        told, theirs = os.pipe()
        socket.send_fds(self._orders, [json.dumps(order).encode()], [terminal, theirs])
        os.close(theirs)
        return told

    def close(self) -> None:
        """No more scenes."""
        self._orders.close()
        self._program.wait(TIMEOUT_SECONDS)


class Spectator(PersonAtForked):
    """A person at one scene. The files of the scene are made in `folder`, unless it was played there before."""

    def __init__(
        self,
        stage: Stage,
        scene: str,
        *,
        folder: Path,
        arguments: Sequence[str] = (),
        colour: bool = True,
        columns: int = 80,
        rows: int = 24,
    ) -> None:
        self._stage, self._scene, self._arguments, self.folder = stage, scene, arguments, folder
        super().__init__(
            ["the wizard"],
            folder=folder,
            environment=_prepared(scene, folder) | ({} if colour else {"NO_COLOR": "1"}),
            columns=columns,
            rows=rows,
        )

    @property
    def calls(self) -> list[str]:
        """What the fakes were asked, once the scene is over."""
        return (self.folder / CALLS).read_text().splitlines()

    def begun(
        self, command: Sequence[str], folder: Path, environment: Mapping[str, str], terminal: int
    ) -> tuple[int, int]:
        """The actor, and where it is told how the scene ended."""
        order = {
            "scene": self._scene,
            "arguments": list(self._arguments),
            "folder": str(folder),
            "environment": dict(environment),
        }
        told = self._stage.order(order, terminal)
        return answered(told), told


def _prepared(scene: str, folder: Path) -> dict[str, str]:
    """The environment of a scene, and the files that it finds."""
    played, home = SCENES[scene], folder / "home"
    environment = {
        "PATH": f"{written_script(folder, folder / 'bin')}:{Path(sys.executable).parent}:{os.defpath}",
        "HOME": str(home),
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "PULUMI_BACKEND_URL": "file:///srv/pulumi",
        "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
    }
    if not home.exists():
        home.mkdir(parents=True)
        for name, content in played.files.items():
            # What the wizard itself keeps is with the project, all else at the person's home.
            file = (folder if name.startswith(".wizard") else home) / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
            file.chmod(0o600)
    if any(name.startswith("portal/") for name in played.files):
        environment["EONPRO_APP_FOLDER"] = str(home / "portal")
    return {name: value for name, value in {**environment, **played.environment}.items() if value}
