"""On Vercel a service assumes its role with the token of the environment, or of the package `vercel-oidc`.

STS and KMS are a fake on this machine; the package is a fake with the names of `vercel-oidc` 0.10.
"""

from __future__ import annotations

import base64
import json
import sys
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import parse_qs

import pytest

from eonpro_phi import CachedKey, KmsKeySource, WrappedKey
from eonpro_phi.errors import NoCredentials

ARN = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
ROLE = "arn:aws:iam::123456789012:role/eonpro-app-role"
WRAPPED = WrappedKey(region="us-east-1", key_arn=ARN, blob=b"wrapped")
KEY = bytes(range(32))
ASSUMED = """<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIAVERCEL</AccessKeyId><SecretAccessKey>s</SecretAccessKey>
<SessionToken>t</SessionToken><Expiration>2999-01-01T00:00:00Z</Expiration></Credentials>
</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"""


@dataclass
class Aws:
    """What the fake was asked."""

    assumed: list[tuple[str, str]] = field(default_factory=list)
    """Role and token of each request to STS."""
    signed_by: list[str] = field(default_factory=list)
    """The access key of each request to KMS."""


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Aws]:
    """The environment of a deployment, with no other credentials."""
    aws = Aws()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            if "X-Amz-Target" in self.headers:
                aws.signed_by.append(self.headers["Authorization"].split("Credential=")[1].split("/")[0])
                answer = json.dumps({"KeyId": ARN, "Plaintext": base64.b64encode(KEY).decode()})
            else:
                asked = parse_qs(body)
                aws.assumed.append((asked["RoleArn"][0], asked["WebIdentityToken"][0]))
                answer = ASSUMED
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer.encode())

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    others = "ACCESS_KEY_ID SECRET_ACCESS_KEY SESSION_TOKEN PROFILE DEFAULT_PROFILE WEB_IDENTITY_TOKEN_FILE".split()
    for name in (*(f"AWS_{other}" for other in others), "VERCEL_OIDC_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    yield aws
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def request_token(monkeypatch: pytest.MonkeyPatch) -> ContextVar[str]:
    """The token of the request that is being answered, as the package knows it: in a context variable."""
    token = ContextVar("token", default="")
    package: Any = ModuleType("vercel.oidc")

    class VercelOidcTokenError(Exception):
        pass

    def get_vercel_oidc_token_sync() -> str:
        if not token.get():
            raise VercelOidcTokenError("The 'x-vercel-oidc-token' header is missing from the request.")
        return token.get()

    package.VercelOidcTokenError, package.get_vercel_oidc_token_sync = VercelOidcTokenError, get_vercel_oidc_token_sync
    monkeypatch.setitem(sys.modules, "vercel", ModuleType("vercel"))
    monkeypatch.setitem(sys.modules, "vercel.oidc", package)
    return token


def test_the_token_of_the_request_is_taken_from_the_package(aws: Aws, request_token: ContextVar[str]) -> None:
    request_token.set("of-the-request")
    assert CachedKey(KmsKeySource(WRAPPED)).data_key() == KEY
    assert (aws.assumed, aws.signed_by) == ([(ROLE, "of-the-request")], ["ASIAVERCEL"])


def test_a_refresh_in_the_background_has_the_token_of_the_request_that_began_it(
    aws: Aws, request_token: ContextVar[str]
) -> None:
    request_token.set("of-the-request")
    refreshed, now, sources = threading.Event(), [0.0], []

    class NewClientEachTime:
        def data_key(self) -> bytes:
            sources.append(threading.current_thread())
            return KmsKeySource(WRAPPED).data_key()

    key = CachedKey(
        NewClientEachTime(),
        clock=lambda: now[0],
        on_event=lambda event: refreshed.set() if getattr(event, "background", False) else None,
    )
    assert key.data_key() == KEY
    now[0] = 295.0
    assert key.data_key() == KEY and refreshed.wait(30)
    assert sources[0] is not sources[1] and aws.assumed == [(ROLE, "of-the-request")] * 2


def test_a_token_in_the_environment_comes_first(
    aws: Aws, request_token: ContextVar[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    request_token.set("of-the-request")
    monkeypatch.setenv("VERCEL_OIDC_TOKEN", "of-the-environment")
    KmsKeySource(WRAPPED).data_key()
    assert aws.assumed == [(ROLE, "of-the-environment")]


def test_without_a_token_there_are_no_credentials_and_the_next_request_brings_them(
    aws: Aws, request_token: ContextVar[str]
) -> None:
    source = KmsKeySource(WRAPPED)
    with pytest.raises(NoCredentials):
        source.data_key()
    request_token.set("of-the-next-request")
    assert source.data_key() == KEY and aws.assumed == [(ROLE, "of-the-next-request")]


def test_a_service_without_the_package_is_served_as_before(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vercel.oidc", None)
    with pytest.raises(NoCredentials):
        KmsKeySource(WRAPPED).data_key()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOWN")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    assert KmsKeySource(WRAPPED).data_key() == KEY
    assert (aws.assumed, aws.signed_by) == ([], ["AKIAOWN"])


def test_credentials_that_the_person_has_chosen_come_first(
    aws: Aws, request_token: ContextVar[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    request_token.set("of-the-request")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOWN")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    KmsKeySource(WRAPPED).data_key()
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    (tmp_path / "token").write_text("of-the-file")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    KmsKeySource(WRAPPED).data_key()
    assert (aws.assumed, aws.signed_by) == ([(ROLE, "of-the-file")], ["AKIAOWN", "ASIAVERCEL"])
