"""An AWS account on loopback (moto's server, emptied for each test) and an endpoint whose answers a test writes."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from email.utils import formatdate
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import boto3
import pytest
from botocore.config import Config

from components.settings import SecretStore, Settings
from wizard.aws.auth.session import Session
from wizard.aws.client import AwsClient, connect
from wizard.core.retry import Clock

ACCOUNT = "123456789012"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIATESTCALLER", "AWS_SECRET_ACCESS_KEY": "the-secret-of-the-caller"}


@pytest.fixture
def environ(moto_url: str, tmp_path) -> dict[str, str]:
    """The environment of a caller whose account is empty. No file of the person who runs the tests is read."""
    request = urllib.request.Request(f"{moto_url}/moto-api/reset", method="POST")
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request).close()
    return {**files(tmp_path), **KEYS, "AWS_ENDPOINT_URL": moto_url, "AWS_REGION": "us-east-1"}


def files(directory, config: str = "") -> dict[str, str]:
    (directory / "config").write_text(config)
    (directory / "credentials").touch()
    return {
        "AWS_CONFIG_FILE": str(directory / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(directory / "credentials"),
    }


@pytest.fixture
def aws(environ: dict[str, str]) -> AwsClient:
    return connect(profile=None, region=None, environ=environ)


@pytest.fixture
def boto(moto_url: str, environ: dict[str, str]) -> Callable[..., Any]:
    """boto3's own clients against the same account: what a test makes, and how it looks at what was made."""
    return lambda service: _client(service, moto_url)


@dataclass(frozen=True)
class Store:
    """One store of the account, as the wizard uses it and as somebody else does with AWS's own client."""

    aws: AwsClient
    boto: Callable[..., Any]
    store: SecretStore

    def put_by_hand(self, name: str, value: str) -> None:
        if self.store is SecretStore.PARAMETER_STORE:
            self.boto("ssm").put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)
        elif name in {secret["Name"] for secret in self.boto("secretsmanager").list_secrets()["SecretList"]}:
            self.boto("secretsmanager").put_secret_value(SecretId=name, SecretString=value)
        else:
            self.boto("secretsmanager").create_secret(Name=name, SecretString=value)

    def tags(self, name: str) -> dict[str, str]:
        if self.store is SecretStore.PARAMETER_STORE:
            pairs = self.boto("ssm").list_tags_for_resource(ResourceType="Parameter", ResourceId=name)["TagList"]
        else:
            pairs = self.boto("secretsmanager").describe_secret(SecretId=name)["Tags"]
        return {pair["Key"]: pair["Value"] for pair in pairs}


@cache
def _client(service: str, url: str) -> Any:
    """One for all tests: botocore takes longer to make a client than to call it."""
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="AKIATESTMAKER",
        aws_secret_access_key="the-secret-of-the-maker",
        config=Config(proxies={}, s3={"addressing_style": "path"}),
    )


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The operations that sessions call from here on."""
    operations, call = list[str](), Session.call

    def noting(session: Session, service: str, operation: str, /, **parameters: Any) -> Any:
        operations.append(operation)
        return call(session, service, operation, **parameters)

    monkeypatch.setattr(Session, "call", noting)
    return operations


@pytest.fixture
def settings_of() -> Callable[..., Settings]:
    """Settings for both targets, with what a test changes in them."""
    given = {
        "account_id": ACCOUNT,
        "region": "us-east-1",
        "administrators": [f"arn:aws:iam::{ACCOUNT}:user/admin"],
        "deploy_targets": ["vercel", "ecs"],
        "vercel_team": "eonpro",
        "vercel_project": "eonpro",
    }
    return lambda **changes: Settings.read({**given, **changes})


@pytest.fixture
def settings(settings_of: Callable[..., Settings]) -> Settings:
    return settings_of()


def with_pause(aws: AwsClient, pause: Callable[[float], None]) -> AwsClient:
    """The same account through a session that waits that way."""
    return AwsClient(replace(aws._session, clock=Clock(sleep=pause)))


class Script:
    """An endpoint of AWS whose answers are written by the test, because moto cannot give them. Counts the calls."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, str, dict[str, str]]] = {}
        self.in_turn: dict[str, list[str]] = {}
        self.break_off: dict[str, int] = {}
        """How many more answers of an action end in the middle of the body."""
        self.calls: list[str] = []
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.url = ""
        self.ahead = 0.0
        """Seconds that the endpoint's clock is ahead of this machine's."""

    def refuse(self, action: str, code: str, message: str = "said by the test", status: int = 400) -> None:
        """The error of a JSON or a query service: each parser reads its own part."""
        if action in _JSON:
            body = json.dumps({"__type": code, "message": message})
        else:
            body = f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
        self.answers[action] = (status, body, {})

    def answer(self, action: str, body: object, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.answers[action] = (status, body if isinstance(body, str) else json.dumps(body), headers or {})

    def answer_in_turn(self, action: str, *bodies: str) -> None:
        """One page after the other; the last one from then on."""
        self.in_turn[action] = list(bodies)

    def say_who(self, arn: str = f"arn:aws:iam::{ACCOUNT}:user/admin") -> None:
        account = arn.split(":")[4]
        self.answer(
            "GetCallerIdentity",
            f"<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>{arn}</Arn><UserId>AIDA</UserId>"
            f"<Account>{account}</Account></GetCallerIdentityResult></GetCallerIdentityResponse>",
        )


_JSON = frozenset(
    "DescribeKey ListAliases ListKeys ListResourceTags GetKeyRotationStatus GenerateDataKeyWithoutPlaintext "
    "GetParameters PutParameter ListTagsForResource DescribeTrails GetTrailStatus GetEventSelectors "
    "DescribeServices DescribeServiceDeployments ListServices DescribeTaskDefinition UpdateService ListTasks "
    "DescribeTasks "
    "ListGrants GetKeyLastUsage LookupEvents "
    "GetSecretValue DescribeSecret CreateSecret PutSecretValue DescribeLogGroups GetServiceQuota "
    "ListKeyRotations RotateKeyOnDemand ReEncrypt ListServiceQuotas ListAWSDefaultServiceQuotas".split()
)


@pytest.fixture
def script() -> Iterator[Script]:
    written = Script()

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            form = json.loads(body) if body.startswith("{") else parse_qs(body)
            target = self.headers.get("X-Amz-Target", "").rsplit(".", 1)[-1]
            action = target or (form.get("Action") or [f"{self.command} {self.path}"])[0]
            written.calls.append(action)
            written.requests.append(form)
            written.headers.append(dict(self.headers))
            if waiting := written.in_turn.get(action):
                written.answers[action] = (200, waiting.pop(0), {})
            status, text, headers = written.answers.get(action, (501, "", {}))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            if written.break_off.get(action, 0) > 0:
                written.break_off[action] -= 1
                text = text[: len(text) // 2]
            if self.command != "HEAD":
                self.wfile.write(text.encode())

        do_GET = do_POST = do_HEAD = do_PUT = _serve

        def date_time_string(self, timestamp: float | None = None) -> str:
            return formatdate((timestamp or time.time()) + written.ahead, usegmt=True)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    class Server(ThreadingHTTPServer):
        # Look-ups come side by side; with a short queue some would wait a second for their connection.
        request_queue_size = 64

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    written.url = f"http://127.0.0.1:{server.server_port}"
    yield written
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def scripted(script: Script, tmp_path) -> AwsClient:
    """The edge in front of the endpoint whose answers the test writes."""
    return connect(environ={**files(tmp_path), **KEYS, "AWS_ENDPOINT_URL": script.url, "AWS_REGION": "us-east-1"})
