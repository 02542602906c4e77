"""How often each command asks AWS and Vercel, and how many of its requests wait for one another: on a real account a
person waits a tenth of a second for each of these.

Touches a deployment of its own.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest
from botocore.client import BaseClient

from tests.day_two import in_this_process
from tests.onboarding.deployment import Deployment
from wizard.aws.auth.http import ObjectReader
from wizard.data_key.verification import DecryptVerifier
from wizard.vercel.http import Api

REQUESTS = {
    # It asks about the access and what runs, too: IAM's simulator after the tags of the key.
    "status": (42, 5, 6),
    "verify": (40, 4, 6),
    "doctor --quick": (62, 5, 7),
    "push --no-redeploy": (12, 8, 8),
    "review": (38, 1, 8),
    "report": (82, 5, 9),
    # With what the real provider reads of each bucket, and what runs where nothing was written.
    "setup --yes": (180, 8, 15),
}
"""Of AWS, of Vercel, and of the longest chain, in which each is sent after the one before it was answered; at most.

More of them is a decision: look first whether the run has the answer already, and whether it has to wait for another.
Without the pages of the event history, which grow with it. `doctor` and `report` have room for a few: their checks
run together, and may name one key by its alias, its id and its ARN. Which thread reads a shared fact first is chance,
and can only make a chain longer than the code needs: the shortest of several runs counts.
"""
RUNS = 5
HISTORY = "cloudtrail:LookupEvents"


class _Moment(threading.local):
    """What a thread waited for until now: the longest chain of requests that came before."""

    chain: tuple[str, ...] = ()


@contextmanager
def chains() -> Iterator[list[tuple[str, ...]]]:
    """Each request of the block with those that it waited for, whatever the machine is busy with meanwhile.

    A logical clock: a thread takes over the moment of whoever started it, and of each result that it waits for. A
    verification, whose two requests a child process sends together, counts as one.
    """
    now, seen = _Moment(), list[tuple[str, ...]]()

    def submit(self: ThreadPoolExecutor, call: Callable[..., Any], /, *given: Any, **named: Any) -> Future[Any]:
        begun = now.chain

        def run() -> Any:
            now.chain = begun
            return call(*given, **named)

        return submitted(self, run)

    def wait(self: Future[Any], timeout: float | None = None) -> Any:
        try:
            return waited(self, timeout)
        finally:
            now.chain = max(now.chain, getattr(self, "moment", ()), key=len)

    def ending(end: Callable[[Future[Any], Any], None]) -> Callable[[Future[Any], Any], None]:
        def ended(self: Future[Any], value: Any) -> None:
            self.moment = now.chain  # type: ignore[attr-defined]
            end(self, value)

        return ended

    def counting(send: Callable[..., Any], name: Callable[..., str]) -> Callable[..., Any]:
        def sent(self: Any, *given: Any, **named: Any) -> Any:
            try:
                return send(self, *given, **named)
            finally:
                now.chain += (name(*given),)
                seen.append(now.chain)

        return sent

    submitted, waited = ThreadPoolExecutor.submit, Future.result
    with (
        patch.object(ThreadPoolExecutor, "submit", submit),
        patch.object(Future, "result", wait),
        patch.object(Future, "set_result", ending(Future.set_result)),
        patch.object(Future, "set_exception", ending(Future.set_exception)),
        patch.object(BaseClient, "_make_api_call", counting(BaseClient._make_api_call, lambda name, _: str(name))),
        patch.object(Api, "attempt", counting(Api.attempt, lambda method, path, **_: f"{method} {path}")),
        patch.object(ObjectReader, "read", counting(ObjectReader.read, lambda key: f"GetObject {key}")),
        patch.object(DecryptVerifier, "_once", counting(DecryptVerifier._once, lambda *_: "verification")),
    ):
        yield seen


def asked(deployment: Deployment, command: str) -> tuple[Counter[str], Counter[str], tuple[str, ...]]:
    """The requests of a command to AWS, and to Vercel; and the longest chain of them, beside the engine's.

    Of at most RUNS runs the one with the shortest chain.
    """
    most = REQUESTS[command][2]
    runs: list[tuple[Counter[str], Counter[str], tuple[str, ...]]] = []
    while len(runs) < RUNS and not any(len(chain) <= most for _, _, chain in runs):
        runs.append(asked_once(deployment, command))
    return min(runs, key=lambda run: len(run[2]))


def asked_once(deployment: Deployment, command: str) -> tuple[Counter[str], Counter[str], tuple[str, ...]]:
    deployment.forget_calls()
    with chains() as seen:
        own = ("--out", str(deployment.root / command)) if command in ("review", "report") else ()
        in_this_process.run(deployment, *command.split(), *own, "--json", expect=None)
    of_aws = deployment.calls()
    del of_aws[HISTORY]
    return of_aws, deployment.vercel_calls(), max(seen, key=len)


@pytest.mark.thorough
@pytest.mark.onboarded("vercel")
def test_no_command_waits_for_more_answers_than_it_did(deployment: Deployment):
    counted = {command: asked(deployment, command) for command in REQUESTS}
    more = [
        f"{command}: {of_aws.total()} of AWS {dict(of_aws)}, {of_vercel.total()} of Vercel, {len(chain)} in {chain}"
        for command, (of_aws, of_vercel, chain) in counted.items()
        if any(
            count > most
            for count, most in zip((of_aws.total(), of_vercel.total(), len(chain)), REQUESTS[command], strict=True)
        )
    ]
    assert not more, "\n".join(more)
    # Each of these is another alias, Region, rule or name: the same question is not sent again.
    of_a_report = counted["report"][0]
    once = ("iam:GetAccountAuthorizationDetails", "kms:GetKeyPolicy", "kms:ListGrants", "s3:GetBucketPolicy")
    # Two keys, that of the data key and that of the logs, and two buckets.
    assert [of_a_report[call] for call in once] == [1, 2, 2, 2]
