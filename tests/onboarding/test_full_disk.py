"""The disk of the state is full in the middle of a set-up: with room again, the printed command leads to the end.

Touches deployments of its own, and a small disk that it mounts. The moment is a call that arrived and is held up.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.onboarding.convergence import converges
from tests.onboarding.deployment import Deployment, RunningCommand, onboarding, until
from tests.onboarding.small_disk import SmallDisk, small_disk

PATIENCE_SECONDS = 500.0
"""The engine (3.259) repeats each write of its state for 26 s, and has one for each operation that is under way: for a
dozen of them, as on a busy machine, that is more than five minutes.
"""

MOMENTS = ("kms:CreateKey", "kms:CreateAlias", "cloudtrail:CreateTrail", "s3:PutBucketPolicy", "events:PutTargets")

# Thorough: the engine alone takes minutes before it gives up.
pytestmark = [pytest.mark.needs("unshare"), pytest.mark.thorough, pytest.mark.timeout(1200)]


def filled(deployment: Deployment, disk: SmallDisk, call: str, *, leave: int) -> str:
    """A run whose disk is full, but for `leave` bytes, once the call has arrived. What it printed."""
    service, _, operation = call.partition(":")
    deployment.fault(service=service, operation=operation, kind="hang")
    command = disk.command([sys.executable, "-m", "wizard", *onboarding("vercel")], folder=deployment.folder)
    running = RunningCommand(
        command, folder=deployment.folder, environment=deployment.environment, log=deployment.root / "run.log"
    )
    until(lambda: deployment.calls()[call] >= 1, running, what=call)
    disk.fill(leave=leave)
    deployment.no_more_faults()
    assert running.process.wait(PATIENCE_SECONDS) == 4, running.output
    return " ".join(running.output.split())


@pytest.mark.parametrize("leave", [0, 5000], ids=["to the last byte", "but for a page"])
@pytest.mark.parametrize("call", MOMENTS)
def test_with_room_again_the_same_command_goes_on(deployment: Deployment, call: str, leave: int) -> None:
    backend = Path(deployment.environment["PULUMI_BACKEND_URL"].removeprefix("file://"))
    with small_disk(backend) as disk:
        printed = filled(deployment, disk, call, leave=leave)
        assert "the disk with the stack's state is full" in printed and "make room there" in printed
        disk.empty()
        disk.give_back()
    goes_on(deployment)
    converges(deployment, "vercel")


def goes_on(deployment: Deployment) -> None:
    """Type the same command, and what it prints where the state is damaged, until it ends well."""
    for _ in range(3):
        command = [sys.executable, "-m", "wizard", *onboarding("vercel"), "--json"]
        ended = deployment.run(command, expect=None, timeout=PATIENCE_SECONDS)
        if ended.code == 0:
            return
        [printed] = [problem["next"]["command"] for problem in ended.document["problems"]]
        deployment.run(["bash", "-c", printed])
    raise AssertionError(ended.output)
