"""A deployment with a fault: the doctor checks, its command runs in a shell, and the doctor checks again.

Touches the deployment that it is given. A test that seeds a fault has it fixed here, and leaves all as it was.
"""

from __future__ import annotations

import json
import urllib.request
from typing import Any

from tests.day_two import in_this_process
from tests.onboarding.deployment import CompletedCommand, Deployment, until

ABOUT_WHAT_RUNS = ("deployment-stale", "failure-remembered")


def diagnosis(deployment: Deployment, *arguments: str, expect: int | None = None) -> dict[str, Any]:
    """The document of `doctor --json`, which changed nothing; `--quick` leaves Pulumi's comparison out."""
    deployment.forget_calls()
    document = in_this_process.run(deployment, "doctor", "--json", *arguments, expect=expect).document
    assert deployment.changes() == {}
    return document


def typed(deployment: Deployment, command: str, *, expect: int | None = 0) -> CompletedCommand:
    """What a shell makes of a command as the doctor shows it, pasted where the doctor ran."""
    return deployment.run(["bash", "-c", command], expect=expect)


def deliver_logs(deployment: Deployment, hours: int = 2) -> None:
    """CloudTrail delivers log files and signed digests, as it has in a real account after an hour; once each hour."""
    url, order = f"{deployment.environment['AWS_ENDPOINT_URL']}/_sandbox/logs", json.dumps({"hours": hours}).encode()
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, order, timeout=60) as answer:
        assert json.loads(answer.read())["trails"] > 0


def messages(deployment: Deployment) -> list[dict[str, Any]]:
    """What reached a topic through EventBridge: topic, addresses, message; the oldest first."""
    url = f"{deployment.environment['AWS_ENDPOINT_URL']}/_sandbox/messages"
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=10) as answer:
        found: list[dict[str, Any]] = json.loads(answer.read())["messages"]
    return found


def redeployed(deployment: Deployment) -> None:
    """Somebody deploys the application, unless what production runs is younger than its variables."""
    url = f"{deployment.environment['VERCEL_API_URL']}/_sandbox/running/eonpro"
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=10) as answer:
        runs = json.loads(answer.read())
    variables = deployment.vercel("GET", "/v10/projects/eonpro/env")["envs"]
    if all(each["updatedAt"] < runs["createdAt"] for each in variables):
        return
    again = {"name": "eonpro", "deploymentId": runs["deployment"], "target": "production"}
    made = deployment.vercel("POST", "/v13/deployments", again, forceNew="1")
    until(
        lambda: deployment.vercel("GET", f"/v13/deployments/{made['id']}")["readyState"] == "READY",
        what="the deployment",
    )


def taken_aside(deployment: Deployment) -> str | None:
    """The value of the data key that was set aside, which is removed as its owner would; None for nothing."""
    aside = {name: each["id"] for name, each in deployment.variables().items() if "_ASIDE_" in name}
    if not aside:
        return None
    [(name, variable)] = aside.items()
    value: str = deployment.deployed()[name]
    deployment.vercel("DELETE", f"/v9/projects/eonpro/env/{variable}")
    return value


def fixed(deployment: Deployment, cause: str, *arguments: str) -> dict[str, Any]:
    """The doctor names that cause first; its command, typed as it is, mends it; all is well again.

    The finding is returned. `arguments` are the doctor's, `--quick` unless they say otherwise.
    """
    given = arguments or ("--quick",)
    if cause not in ABOUT_WHAT_RUNS:
        # Only what the test is about is wrong: an earlier one may have left other variables than production runs.
        redeployed(deployment)
    found = diagnosis(deployment, *given, expect=1)["findings"]
    assert [each["cause"] for each in found][:1] == [cause], found
    finding: dict[str, Any] = found[0]
    typed(deployment, finding["command"])
    after = diagnosis(deployment, *given, expect=None)
    assert after["ok"], (finding["command"], after["findings"], after["notChecked"])
    return finding
