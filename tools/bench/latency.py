"""Measures the wizard's commands on a distant account: a proxy before AWS and Vercel delays each request.

Touches a temporary folder, a sandbox and proxies of its own, and the processes it times.
"""

import http.client
import json
import os
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3

from tools.bench import onboarding
from tools.bench.rows import Bound, Measured, allowed
from tools.bootstrap.places import PROJECT
from wizard.account.access.stored_reviews import StoredReviews, read, write

REQUEST_SECONDS, CONNECTION_SECONDS = 0.08, 0.16
"""Seconds of a distant Region for an answer, and before it for TCP and TLS."""
CHAIN_SECONDS = 1.0
"""Seconds for an answer while the chain is counted: so long that a late request of a busy machine does not count as
waiting.
"""


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A request: what it asked for, and when it began and was answered, in seconds of one clock."""

    name: str
    began: float
    ended: float
    by_engine: bool = False
    """Sent by Pulumi's provider."""


@dataclass(kw_only=True)
class Traffic:
    """The requests through the proxies."""

    requests: list[Sent] = field(default_factory=list)


def longest_chain(requests: Sequence[Sent]) -> tuple[Sent, ...]:
    """The longest chain of requests, each sent after the answer to the one before; the engine's are left out."""
    chain: list[Sent] = []
    for each in sorted(requests, key=lambda sent: sent.ended):
        if not each.by_engine and (not chain or each.began >= chain[-1].ended):
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
                Sent(
                    name=_name(self.command, self.path, dict(self.headers), body),
                    began=began,
                    ended=time.monotonic(),
                    # Only the stand-in provider uses boto3 here: the wizard uses botocore.
                    by_engine=self.headers.get("User-Agent", "").startswith("Boto3"),
                )
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
            """Send nothing."""

    class Server(ThreadingHTTPServer):
        # Of more connections at once than wait here, some would be tried again a second later.
        request_queue_size = 128

    server = Server(("127.0.0.1", 0), Handler)
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

BARE: Mapping[str, Sequence[str]] = {
    "compared": ("pulumi", "preview", "--refresh", "--non-interactive", *STACK),
    "up": ("pulumi", "up", "--yes", "--non-interactive", *STACK),
}
"""The same with the tool that everybody has."""


FIRST_OUTPUT_SECONDS = 0.3
"""Until a command says something; it asks nobody before."""
CHECKED, CHECKED_SECONDS = b", Pulumi ", 2.0
"""Output of a command after the checks before its plan, and its latest time."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A command, and the bounds of its time and of its longest chain."""

    words: tuple[str, ...]
    seconds: float | None = None
    """At most, at 80 ms a request."""
    beside: str = ""
    """The command of BARE that it is compared with; empty for none."""
    ratio: float = 0.0
    """At most, beside it."""
    chain: int | None = None
    is_checked: bool = False
    """Whether it checks the account before a plan."""
    of: str = ""
    """The large part of the account."""

    @property
    def name(self) -> str:
        """The command as a person types it."""
        words = " ".join(word for word in self.words if word not in (*UNATTENDED, *STACK))
        return f"{words}, {self.of}" if self.of else words


CASES = (
    Case(words=("status", *STACK), seconds=1.2, chain=3),
    Case(words=("verify", *STACK), seconds=1.8, chain=5),
    Case(words=("doctor", "--quick", *STACK), seconds=2.2),
    Case(words=("doctor", *STACK), beside="compared", ratio=1.3),
    Case(words=("push", *STACK), chain=7),
    Case(words=("preview", *STACK, *UNATTENDED), is_checked=True),
    Case(words=("setup", *STACK, *UNATTENDED), beside="up", ratio=1.4, chain=9),
    Case(words=("review", *STACK)),
    Case(words=("report", *STACK)),
)

_LARGE = "200 roles, 100 reviews, a quarter of audit logs"
LARGE = (
    Case(words=("review", *STACK), seconds=8.0, of=_LARGE),
    Case(words=("report", *STACK), seconds=20.0, chain=60, of=_LARGE),
)
MANY = Case(words=("status", "--all"), seconds=5.0, of="50 stacks")


@dataclass(frozen=True, kw_only=True)
class Distance:
    """The environment with proxies before AWS and Vercel, and their traffic."""

    environment: dict[str, str]
    traffic: Traffic = field(default_factory=Traffic)


@contextmanager
def _deployed() -> Iterator[tuple[Path, dict[str, str], Distance, Distance]]:
    """A deployment where nothing is left to do: its folder and environment, and the latter near and far."""
    with ExitStack() as stack:
        folder, environment = stack.enter_context(onboarding.fresh())
        onboarding.run([*WIZARD, *STACK, *UNATTENDED], folder, environment)
        # The doctor compares only where nothing else is wrong, such as a deployment with former values.
        onboarding.run([*WIZARD, "push", *STACK, "--redeploy", "--yes", "--non-interactive"], folder, environment)
        near, far = (Distance(environment=dict(environment)) for _ in range(2))
        for distance, seconds in ((near, REQUEST_SECONDS), (far, CHAIN_SECONDS)):
            for name in ("AWS_ENDPOINT_URL", "VERCEL_API_URL"):
                proxy = delayed(environment[name], distance.traffic, request_seconds=seconds)
                distance.environment[name] = stack.enter_context(proxy)
        yield folder, environment, near, far


def rows(rounds: int) -> Iterator[Measured]:
    """Each command on a deployment where nothing is left to do, and how many calls of it wait for one another."""
    with _deployed() as (folder, environment, near, far):
        bare = {
            name: [run(command, folder, near.environment).seconds for _ in range(rounds)]
            for name, command in BARE.items()
        }
        for case in CASES:
            yield from _measured(case, folder, near, far, bare.get(case.beside, ()), rounds)
        _add_stacks(folder, environment, range(1, 50))
        yield from _measured(MANY, folder, near, far, (), rounds)
    # An account of its own: CloudTrail's quota makes half a second of every 50 events that the commands above left in
    # the event history.
    with _deployed() as (folder, environment, near, far):
        _grow(folder, environment)
        for case in LARGE:
            yield from _measured(case, folder, near, far, (), rounds)


def _client(service: str, environment: Mapping[str, str]) -> Any:
    return boto3.client(
        service,
        region_name=environment["AWS_REGION"],
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
    )


def _add_stacks(folder: Path, environment: Mapping[str, str], numbers: Iterable[int]) -> None:
    """Stacks that deliver to one project, each with an environment, a state, an alias and a data key of its own."""
    kms, ssm, first = _client("kms", environment), _client("ssm", environment), onboarding.STACK
    key = kms.describe_key(KeyId=KEY[1])["KeyMetadata"]["KeyId"]
    parameter = f"/eonpro/{first}/ENCRYPTED_PHI_KEY"
    value = ssm.get_parameter(Name=parameter, WithDecryption=True)["Parameter"]["Value"]
    tags = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=parameter)["TagList"]
    backend = Path(urlsplit(environment["PULUMI_BACKEND_URL"]).path)
    files = (folder / f"Pulumi.{first}.yaml", *(backend / ".pulumi" / "stacks").rglob(f"{first}.json"))
    for name in (f"clinic{number}" for number in numbers):
        for file in files:
            file.with_name(file.name.replace(first, name)).write_text(file.read_text().replace(first, name))
        kms.create_alias(AliasName=f"{KEY[1]}-{name}", TargetKeyId=key)
        ssm.put_parameter(Name=parameter.replace(first, name), Value=value, Type="SecureString", Tags=tags)


def _grow(folder: Path, environment: Mapping[str, str]) -> None:
    """200 roles that can use the key, 100 reviews of the access, and the digests of 90 days with a log file each."""
    iam = _client("iam", environment)
    everything = {"Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*"}], "Version": "2012-10-17"}
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    for number in range(200):
        name, document = f"department-{number}", json.dumps({"Statement": [trust], "Version": "2012-10-17"})
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)
        iam.put_role_policy(RoleName=name, PolicyName="keys", PolicyDocument=json.dumps(everything))
    run((*WIZARD, "review", *STACK), folder, environment)
    reviews = folder / "reviews"
    before = StoredReviews(files=read(reviews, onboarding.STACK)).last
    assert before is not None and before.review is not None
    newest = before.review
    for number in range(99, 0, -1):
        before = write(reviews, replace(newest, at=newest.at - timedelta(days=number)), before)
    order = json.dumps({"hours": 90 * 24}).encode()
    urllib.request.urlopen(f"{environment['AWS_ENDPOINT_URL']}/_sandbox/logs", order, timeout=300).close()


def _measured(
    case: Case,
    folder: Path,
    near: Distance,
    far: Distance,
    theirs: Sequence[float],
    rounds: int,
) -> Iterator[Measured]:
    runs: list[Run] = []
    for _ in range(rounds):
        runs.append(run((*WIZARD, *case.words), folder, near.environment))
    chain: tuple[Sent, ...] = ()
    if case.chain is not None:
        far.traffic.requests.clear()
        run((*WIZARD, *case.words), folder, far.environment)
        chain = longest_chain(far.traffic.requests)
    median = statistics.median(each.seconds for each in runs)
    if case.beside:
        # A time without a machine says nothing: its bound is one beside theirs, of the same minute.
        other = statistics.median(theirs)
        yield Measured(
            name=f"{case.name} / {' '.join(BARE[case.beside][:3])}",
            unit="s",
            ours=median,
            theirs=other,
            ratio=median / other,
            control=max(theirs) / min(theirs),
            bound=Bound(at_most=case.ratio),
        )
    for what, figure, bound, unit in (
        ("the first output", statistics.median(each.first_output for each in runs), FIRST_OUTPUT_SECONDS, "s"),
        (
            "the checks before the plan",
            statistics.median(each.checked for each in runs),
            CHECKED_SECONDS if case.is_checked else None,
            "s",
        ),
        ("seconds", median, case.seconds, "s"),
        ("calls one after another", float(len(chain)), case.chain, ""),
    ):
        if bound is not None:
            yield allowed(
                f"{case.name}: {what}, of those allowed",
                figure,
                float(bound),
                unit,
                note=", ".join(sent.name for sent in chain) if unit == "" else "",
            )


@dataclass(frozen=True, kw_only=True)
class Run:
    seconds: float
    first_output: float
    """Until the first output, on either stream."""
    checked: float
    """Until CHECKED, or the end of a command that does not say it."""


def run(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Run:
    """Seconds from the command to its end. A finding is no failure of the benchmark."""
    began = time.perf_counter()
    output, moments = b"", dict[bytes, float]()
    with subprocess.Popen(
        command,
        cwd=folder,
        env=dict(environment) | {"PATH": f"{PROJECT}/.cache/awscli/bin{os.pathsep}{environment['PATH']}"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        assert process.stdout is not None
        while part := os.read(process.stdout.fileno(), 65536):
            output += part
            moment = time.perf_counter() - began
            moments |= {text: moment for text in (b"", CHECKED) if text in output and text not in moments}
    seconds = time.perf_counter() - began
    return Run(
        seconds=seconds,
        first_output=moments.get(b"", seconds),
        checked=moments.get(CHECKED, seconds),
    )
