"""The wizard run in the test's own process, as `python -m wizard` runs it: what takes long is loaded once.

Touches the environment and the standard streams while it runs, and puts them back.
"""

from __future__ import annotations

import io
import os
import subprocess
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from unittest.mock import patch

import wizard.cli.main
import wizard.cli.main as cli
import wizard.cli.request  # noqa: F401
from tests.onboarding.deployment import CompletedCommand, Deployment
from tests.onboarding.loaded import asked_once, loaded_python, with_phi_loaded
from tests.onboarding.shipped_schemas import fits


def run(
    deployment: Deployment, *arguments: str, expect: int | None = 0, env: Mapping[str, str | None] | None = None
) -> CompletedCommand:
    """One command of the wizard in the deployment's folder and environment, to its end; `--json` fits its schema.

    `env` adds variables, None takes one away.
    """
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    here = os.getcwd()
    with (
        patch.object(subprocess.Popen, "__init__", with_phi_loaded(str(loaded_python()))),
        patch.object(subprocess, "run", asked_once(deployment.root)),
        patch.dict(os.environ, deployment.with_changes(env), clear=True),
        patch("wizard.cli.main.PROJECT_FOLDER", deployment.folder),
        patch("wizard.cli.request.PROJECT_FOLDER", deployment.folder),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        os.chdir(deployment.folder)
        try:
            code = cli.main([*arguments, "--non-interactive"])
        finally:
            os.chdir(here)
    told = []
    for stream in (out, err):
        stream.flush()
        told.append(stream.buffer.getvalue().decode())
    ended = CompletedCommand(code=code, out=told[0], err=told[1])
    assert expect in (None, code), f"{arguments}: {code}\n{ended.out}\n{ended.err}"
    if "--json" in arguments:
        fits(ended.document, code=code)
    deployment.printed += told
    return ended
