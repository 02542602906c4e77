"""What a run that ended half-way has to come to, when the same command is typed again; and the ways to end it there.

Touches the deployment it is given. The moment of each end is a call that arrived, never a time.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.chaos.processes import kill_plugin
from tests.onboarding.deployment import STORED_KEY, Deployment, onboarding, until


def converges(
    deployment: Deployment,
    target: str = "vercel",
    *,
    key: str | None = None,
    stored_key: str | None = None,
    former_issuers: int = 0,
) -> None:
    """Type the same command again: one of everything, all of it the stack's, one data key, nothing left to change.

    The account keeps the identity providers of `former_issuers`: roles of others may trust them.
    """
    deployment.set_up(target)
    made = deployment.inventory()
    assert len(deployment.keys()) == 1 and key in (None, *deployment.keys())
    assert len(deployment.log_keys()) == 1 and len(deployment.all_keys()) == 2
    assert deployment.outputs()["keyArn"] == deployment.keys()[0]
    for kind in ("buckets", "roles", "policies", "topics", "trails", "aliases", "rules", "alarms", "providers"):
        assert [name for name, count in Counter(map(str, made[kind])).items() if count > 1] == [], kind
    assert len(made["buckets"]) == 2 and len(made["trails"]) == 1 and len(made["providers"]) <= 1 + former_issuers
    if "vercel" in target:
        assert deployment.variables()["AWS_KMS_KEY_ID"]["value"] == deployment.keys()[0]
    assert [*made["parameters"], *made["secrets"]].count(STORED_KEY) == 1
    if STORED_KEY in made["parameters"]:
        assert len(versions := deployment.stored_key_versions()) == 1 and stored_key in (None, *versions)
    settings = (deployment.folder / "Pulumi.production.yaml").read_text()
    assert "adopted" not in settings and "keptAsFound" not in settings and "vercelOidcProviderArn" not in settings
    nothing_is_left_to_change(deployment)
    assert not deployment.state().get("pending_operations")


def nothing_is_left_to_change(deployment: Deployment, **options: Any) -> None:
    """The plain engine says so with the policy pack, by the state and by what the provider reads in the account."""
    unchanged = ("preview", "--stack", "production", "--expect-no-changes", "--policy-pack", "guardrails")
    for more in ((), ("--refresh",)):
        assert "eonpro-kms-guardrails" in deployment.pulumi(*unchanged, *more, **options).output


def plugin_killed(deployment: Deployment, target: str, call: str, *, log: str = "run", times: int = 1) -> str:
    """A run whose plug-in is killed when the call has arrived; AWS carries it out. What the run printed."""
    service, _, operation = call.partition(":")
    deployment.forget_calls()
    deployment.fault(service=service, operation=operation, kind="hang", times=times)
    running = deployment.start(target, log=log)
    until(lambda: deployment.calls()[call] >= times, running, what=call)
    assert kill_plugin(running.process.pid)
    deployment.no_more_faults()
    assert running.wait() == 4, running.output
    return running.output


def call_refused(deployment: Deployment, target: str, call: str, *more: str, times: int = 1) -> str:
    """A run in which AWS refuses the call. What the run printed."""
    service, _, operation = call.partition(":")
    deployment.fault(service=service, operation=operation, error="AccessDeniedException", times=times)
    printed = deployment.wizard(*onboarding(target), *more, expect=4).output
    # The provider says each error twice, with its own source file and the resource's URN around it.
    assert "AccessDeniedException" in printed and "sdk-v2" not in printed and "error occurred" not in printed
    deployment.no_more_faults()
    return printed
