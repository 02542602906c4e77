"""Every stack of the project in the state's backend, by one call of the Pulumi CLI.

Part of the engine's edge: touches the `pulumi` program, which reads the backend and changes nothing.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from wizard.errors import SetupError, Unreachable
from wizard.status_facts import ListedStack

PATIENCE_SECONDS = 60.0
"""How long the backend is waited for."""


def list_stacks(folder: Path, environment: Mapping[str, str]) -> tuple[ListedStack, ...]:
    """The stacks of the project in `folder`, by name. `environment` is that of the credentials; it may be secret.

    Raises Unreachable for a backend that does not answer in time, SetupError for any other refusal.
    """
    by_hand = "pulumi stack ls"
    try:
        done = subprocess.run(
            ["pulumi", "--non-interactive", "stack", "ls", "--json"],
            cwd=folder,
            env={**os.environ, **environment, "PULUMI_SKIP_UPDATE_CHECK": "true"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=PATIENCE_SECONDS,
        )
    except FileNotFoundError as error:
        raise SetupError("there is no `pulumi` program on the PATH", "make setup") from error
    except OSError as error:
        raise SetupError(f"the `pulumi` program on the PATH does not run: {error}", "make setup") from error
    except subprocess.TimeoutExpired as error:
        raise Unreachable(f"Pulumi's backend did not answer within {PATIENCE_SECONDS:.0f} s", by_hand) from error
    if done.returncode != 0:
        complaint = done.stderr.strip().removeprefix("error: ") or f"exit code {done.returncode}"
        hint = "pulumi login" if "login" in complaint or "PULUMI_ACCESS_TOKEN" in complaint else by_hand
        raise SetupError(f"Pulumi cannot list the stacks: {complaint}", hint)
    try:
        told = json.loads(done.stdout)
        return tuple(sorted((_listed(each) for each in told), key=lambda each: each.name))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise SetupError("Pulumi's list of the stacks cannot be read", by_hand) from error


def _listed(told: Mapping[str, object]) -> ListedStack:
    count = told.get("resourceCount")
    return ListedStack(
        name=str(told["name"]).rsplit("/", 1)[-1],
        last_update=str(told["lastUpdate"]) if told.get("lastUpdate") else None,
        resources=count if isinstance(count, int) else None,
        updating=bool(told.get("updateInProgress")),
    )
