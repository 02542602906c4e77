"""The wizard's commands as a real account has them wait: a proxy before AWS and Vercel delays each request.

Touches a temporary folder, a sandbox and proxies of its own, and the processes it times.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import boto3

from tools.bench import onboarding
from tools.bench.rows import Bound, Measured
from tools.bootstrap.places import PROJECT
from wizard.commands.review.storage import last_intact, read, write

REQUEST_SECONDS, CONNECTION_SECONDS = 0.08, 0.16
"""What a distant Region takes for an answer, and before it for TCP and TLS."""


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A request: what it asked for, and when it began and was answered, in seconds of one clock."""

    name: str
    began: float
    ended: float


@dataclass(kw_only=True)
class Traffic:
    """What went through the proxies."""

    requests: list[Sent] = field(default_factory=list)
    connections: int = 0

    def forget(self) -> None:
        """Count from nought."""
        self.requests.clear()
        self.connections = 0


def longest_chain(requests: Sequence[Sent]) -> tuple[Sent, ...]:
    """The most requests of which each began when the one before it was answered."""
    chain: list[Sent] = []
    for each in sorted(requests, key=lambda sent: sent.ended):
        if not chain or each.began >= chain[-1].ended:
            chain.append(each)
    return tuple(chain)


@contextmanager
def delayed(
    url: str,
    traffic: Traffic,
    *,
    request_seconds: float = REQUEST_SECONDS,
    connection_seconds: float = CONNECTION_SECONDS,
) -> Iterator[str]:
    """The URL of a proxy before the server at `url`, which keeps connections alive as AWS does."""
    upstream = urlsplit(url).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            # Whoever sends the first request of a connection waits for the connection, too.
            self.began: float | None = time.monotonic()
            self.server_side = http.client.HTTPConnection(upstream)
            traffic.connections += 1
            time.sleep(connection_seconds)

        def finish(self) -> None:
            self.server_side.close()
            super().finish()

        def answer(self) -> None:
            began, self.began = self.began or time.monotonic(), None
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            time.sleep(request_seconds)
            self.server_side.request(self.command, self.path, body, dict(self.headers))
            received = self.server_side.getresponse()
            content = received.read()
            # Before the client can begin what waits for it.
            traffic.requests.append(
                Sent(name=_name(self.command, self.path, dict(self.headers), body), began=began, ended=time.monotonic())
            )
            self.send_response_only(received.status, received.reason)
            for name, value in received.getheaders():
                if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                    self.send_header(name, value)
            self.send_header("Content-Length", received.getheader("Content-Length") or str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = answer

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def _name(method: str, path: str, headers: Mapping[str, str], body: bytes) -> str:
    if target := headers.get("X-Amz-Target"):
        return target.rpartition(".")[2]
    if b"Action=" in body:
        return parse_qs(body.decode())["Action"][0]
    return f"{method} {path.partition('?')[0]}"


# --- the rows

WIZARD = (sys.executable, "-m", "wizard")
UNATTENDED = ("--answers", "examples/vercel.yaml", "--yes", "--non-interactive")
STACK = ("--stack", onboarding.STACK)
KEY = ("--key-id", "alias/eonpro-phi-key")

BY_HAND: Mapping[str, Sequence[Sequence[str]]] = {
    "status": (
        ("aws", "sts", "get-caller-identity"),
        ("aws", "kms", "describe-key", *KEY),
        ("aws", "ssm", "get-parameters-by-path", "--path", "/eonpro/production", "--recursive"),
        ("aws", "cloudtrail", "get-trail-status", "--name", "eonpro-audit-trail"),
        ("pulumi", "stack", "output", "--json", *STACK),
    ),
    "preview": (("pulumi", "preview", "--non-interactive", *STACK),),
    "compared": (("pulumi", "preview", "--refresh", "--non-interactive", *STACK),),
    "up": (("pulumi", "up", "--yes", "--non-interactive", *STACK),),
}
"""The same facts with the tools that everybody has, one command after the other."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A command, what stands beside it, and the bounds of its time and of its longest chain."""

    words: tuple[str, ...]
    beside: str
    seconds: float | None = None
    """At most, at 80 ms a request."""
    ratio: float | None = None
    chain: int | None = None
    of: str = ""
    """What is large about the account."""

    @property
    def name(self) -> str:
        """As a person types it."""
        words = " ".join(word for word in self.words if word not in (*UNATTENDED, *STACK))
        return f"{words}, {self.of}" if self.of else words


CASES = (
    Case(words=("status", *STACK), beside="status", seconds=1.0, chain=3),
    Case(words=("verify", *STACK), beside="status", seconds=1.5, chain=5),
    Case(words=("doctor", "--quick", *STACK), beside="status", seconds=2.0),
    Case(words=("doctor", *STACK), beside="compared", ratio=1.3),
    Case(words=("push", *STACK), beside="status", chain=7),
    Case(words=("preview", *STACK, *UNATTENDED), beside="preview"),
    Case(words=("setup", *STACK, *UNATTENDED), beside="up", ratio=1.25),
    Case(words=("review", *STACK), beside="status"),
    Case(words=("report", *STACK), beside="status"),
)

LARGE = Case(
    words=("report", *STACK),
    beside="status",
    seconds=20.0,
    chain=60,
    of="200 roles, 100 reviews, a quarter of audit logs",
)


def rows(rounds: int) -> Iterator[Measured]:
    """Each command on a deployment where nothing is left to do, and how many calls of it wait for one another."""
    with ExitStack() as stack:
        folder, environment = stack.enter_context(onboarding.fresh())
        onboarding.run([*WIZARD, *STACK, *UNATTENDED], folder, environment)
        traffic, direct = Traffic(), dict(environment)
        for name in ("AWS_ENDPOINT_URL", "VERCEL_API_URL"):
            environment[name] = stack.enter_context(delayed(environment[name], traffic))
        beside: dict[str, list[float]] = {}
        for name, commands in BY_HAND.items():
            beside[name] = [sum(_seconds(each, folder, environment) for each in commands) for _ in range(rounds)]
        for case in CASES:
            yield from _measured(case, folder, environment, traffic, beside[case.beside], rounds)
        _grow(folder, direct)
        yield from _measured(LARGE, folder, environment, traffic, beside[LARGE.beside], rounds)


def _grow(folder: Path, environment: Mapping[str, str]) -> None:
    """200 roles that can use the key, 100 reviews of the access, and the digests of 90 days with a log file each."""
    aws = boto3.Session(environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"], region_name="us-east-1")
    iam = aws.client("iam", endpoint_url=environment["AWS_ENDPOINT_URL"])
    everything = {"Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*"}], "Version": "2012-10-17"}
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    for number in range(200):
        name, document = f"department-{number}", json.dumps({"Statement": [trust], "Version": "2012-10-17"})
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)
        iam.put_role_policy(RoleName=name, PolicyName="keys", PolicyDocument=json.dumps(everything))
    _seconds((*WIZARD, "review", *STACK), folder, environment)
    reviews = folder / "reviews"
    before = last_intact(read(reviews, onboarding.STACK))
    assert before is not None and before.review is not None
    newest = before.review
    for number in range(99, 0, -1):
        before = write(reviews, replace(newest, at=newest.at - timedelta(days=number)), before)
    order = json.dumps({"hours": 90 * 24}).encode()
    urllib.request.urlopen(f"{environment['AWS_ENDPOINT_URL']}/_sandbox/logs", order, timeout=300).close()


def _measured(
    case: Case,
    folder: Path,
    environment: Mapping[str, str],
    traffic: Traffic,
    theirs: Sequence[float],
    rounds: int,
) -> Iterator[Measured]:
    ours: list[float] = []
    chains: list[tuple[Sent, ...]] = []
    for _ in range(rounds):
        traffic.forget()
        ours.append(_seconds((*WIZARD, *case.words), folder, environment))
        chains.append(longest_chain(traffic.requests))
    chain = min(chains, key=len)
    counted = f"{len(traffic.requests)} requests, {traffic.connections} connections, {len(chain)} in the longest chain"
    median, other = sorted(ours)[rounds // 2], sorted(theirs)[rounds // 2]
    # A time without a machine says nothing: its bound is one beside theirs, of the same minute.
    yield Measured(
        name=f"{case.name} / {'; '.join(' '.join(words[:3]) for words in BY_HAND[case.beside])}",
        unit="s",
        ours=median,
        theirs=other,
        ratio=median / other,
        control=max(theirs) / min(theirs),
        bound=Bound(at_most=case.ratio),
        note=counted,
    )
    for what, figure, bound, unit in (
        ("seconds", median, case.seconds, "s"),
        ("calls one after another", float(len(chain)), case.chain, ""),
    ):
        if bound is not None:
            yield Measured(
                name=f"{case.name}: {what}, of those allowed",
                unit=unit,
                ours=figure,
                theirs=float(bound),
                ratio=figure / bound,
                control=None,
                bound=Bound(at_most=1.0),
                note=", ".join(sent.name for sent in chain) if unit == "" else "",
            )


def _seconds(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> float:
    """From the command to its end; a finding is no failure of the benchmark."""
    began = time.perf_counter()
    subprocess.run(
        command,
        cwd=folder,
        env=dict(environment) | {"PATH": f"{PROJECT}/.cache/awscli/bin{os.pathsep}{environment['PATH']}"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    return time.perf_counter() - began
