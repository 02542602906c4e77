"""`engine`: installs the Pulumi CLI for the installed program; a checkout has `make setup`.

Starts `tools.bootstrap.installed`, which writes the user's folder for caches.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import installation
from wizard import SOURCE_FOLDER
from wizard.core import json_documents
from wizard.core.child_environment import inherited
from wizard.core.errors import SetupError, UsageError
from wizard.core.next_command import Result, shell, wizard
from wizard.pulumi_engine import config

if TYPE_CHECKING:
    from wizard.core.ports.run import Offline
    from wizard.terminal.terminal import Terminal


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    build: bool

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--build", action="store_true", help="build it from its source, with Go; two to four minutes (default: no)"
        )

    def run_offline(self, offline: Offline) -> Result:
        if not installation.IS_INSTALLED:
            raise UsageError(
                "this is a checkout of eonpro-kms, whose set-up installs the engine", shell("make", "setup")
            )
        install(build=self.build)
        path = str(config.chosen_engine())
        offline.print(path)
        return 0, json_documents.engine(path)


def install(*, build: bool) -> None:
    """Install the official CLI, or build it. Raises SetupError; the reason has been said on standard error."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "tools.bootstrap.installed", *(("--build",) if build else ())],
        env={**inherited(os.environ, "XDG_", "GO", "PULUMI_HOME"), "PYTHONPATH": str(SOURCE_FOLDER)},
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        check=False,
    )
    if done.returncode != 0:
        official = "install the official one: https://www.pulumi.com/docs/install/"
        way_out = official if build else wizard("engine", "--build", advice=f"builds it, with Go; or {official}")
        raise SetupError("the Pulumi CLI was not installed", way_out)


def offer(terminal: Terminal) -> None:
    """Ask a person whether it is to be installed; where that fails, whether it is to be built. Raises SetupError."""
    terminal.line("There is no Pulumi CLI on this machine; it makes the resources and keeps their state.")
    if not terminal.confirm("Install the official one, for this user?"):
        return
    try:
        install(build=False)
    except SetupError:
        if not terminal.confirm("Build it from its source? It takes two to four minutes, and Go.", default=False):
            raise
        install(build=True)
