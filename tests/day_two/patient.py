"""A clinic that something is wrong with: the doctor looks, its command is typed in a shell, and the doctor looks again.

Touches the clinic that it is given. Whoever seeds a fault has it mended here, so that the clinic is as it was.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.request
from pathlib import Path
from typing import Any

from tests.day_two import in_this_process
from tests.onboarding.clinic import Clinic, Ended, until

ABOUT_WHAT_RUNS = ("deployment-stale", "failure-remembered")


def diagnosis(clinic: Clinic, *arguments: str, expect: int | None = None) -> dict[str, Any]:
    """The document of `doctor --json`, which changed nothing; `--quick` leaves Pulumi's comparison out."""
    clinic.forget_calls()
    document = in_this_process.run(clinic, "doctor", "--json", *arguments, expect=expect).document
    assert clinic.changes() == {}
    return document


def typed(clinic: Clinic, command: str, *, expect: int | None = 0) -> Ended:
    """What a shell makes of a command as the doctor shows it; `python` is the project's own."""
    path = os.pathsep.join((str(Path(sys.executable).parent), clinic.environment["PATH"]))
    return clinic.run(["bash", "-c", command], env={"PATH": path}, expect=expect)


def deployed_anew(clinic: Clinic) -> None:
    """Somebody deploys the application, unless what production runs is younger than its variables."""
    url = f"{clinic.environment['VERCEL_API_URL']}/_sandbox/running/eonpro"
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=10) as answer:
        runs = json.loads(answer.read())
    variables = clinic.vercel("GET", "/v10/projects/eonpro/env")["envs"]
    if all(each["updatedAt"] < runs["createdAt"] for each in variables):
        return
    again = {"name": "eonpro", "deploymentId": runs["deployment"], "target": "production"}
    made = clinic.vercel("POST", "/v13/deployments", again, forceNew="1")
    until(
        lambda: clinic.vercel("GET", f"/v13/deployments/{made['id']}")["readyState"] == "READY",
        what="the deployment",
    )


def mended(clinic: Clinic, cause: str, *arguments: str) -> dict[str, Any]:
    """The doctor names that cause first; its command, typed as it is, mends it; all is well again.

    The finding is returned. `arguments` are the doctor's, `--quick` unless they say otherwise.
    """
    given = arguments or ("--quick",)
    if cause not in ABOUT_WHAT_RUNS:
        # Only what the test is about is wrong: an earlier one may have left other variables than production runs.
        deployed_anew(clinic)
    found = diagnosis(clinic, *given, expect=1)["findings"]
    assert [each["cause"] for each in found][:1] == [cause], found
    finding: dict[str, Any] = found[0]
    typed(clinic, finding["command"])
    after = diagnosis(clinic, *given, expect=None)
    assert after["ok"], (finding["command"], after["findings"], after["notChecked"])
    return finding
