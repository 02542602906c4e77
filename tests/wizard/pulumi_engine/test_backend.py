"""Which backend the engine would use, found without asking it, and how its complaints about one are told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wizard.core.errors import (
    CredentialsError,
    NoBackend,
    PermissionDenied,
    ResourceError,
    SetupError,
    Unreachable,
    UsageError,
)
from wizard.core.state_backend import BackendFact, BackendKind
from wizard.pulumi_engine import backend
from wizard.pulumi_engine.backend import StatePlaces
from wizard.pulumi_engine.events import cli_error

CLOUD = "https://api.pulumi.com"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A user's home and project in one folder, with nothing said about a backend."""
    (tmp_path / "Pulumi.yaml").write_text("name: eonpro-kms\nruntime: python\n")
    return tmp_path


def log_in(folder: Path, content: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "credentials.json").write_text(content)


def detected(home: Path, **environ: str) -> BackendFact | None:
    return backend.detect({"HOME": str(home), **environ}, home)


def test_nothing_said_is_nothing_found(home) -> None:
    assert detected(home) is None


def test_what_is_said_nearest_counts_as_the_engine_has_it(home) -> None:
    assert detected(home, PULUMI_ACCESS_TOKEN="pul-1") == BackendFact(url=CLOUD, source="PULUMI_ACCESS_TOKEN")
    log_in(home / ".pulumi", json.dumps({"current": "s3://login", "accessTokens": {}}))
    assert detected(home, PULUMI_ACCESS_TOKEN="pul-1") == BackendFact(
        url="s3://login", source="the login of the Pulumi CLI"
    )
    (home / "Pulumi.yaml").write_text("name: eonpro-kms\nbackend:\n  url: file://~\n")
    assert detected(home) == BackendFact(url="file://~", source="Pulumi.yaml")
    assert detected(home, PULUMI_BACKEND_URL="gs://env") == BackendFact(url="gs://env", source="PULUMI_BACKEND_URL")


@pytest.mark.parametrize("variable", ["PULUMI_HOME", "PULUMI_CREDENTIALS_PATH"])
def test_the_login_is_looked_for_where_the_engine_keeps_it(home, variable) -> None:
    log_in(home / "elsewhere", json.dumps({"current": CLOUD}))
    found = detected(home, **{variable: str(home / "elsewhere")})
    assert found is not None and found.kind is BackendKind.CLOUD


@pytest.mark.parametrize("content", ["", "{", "[]", '{"current": null}', '{"current": ""}', '{"accounts": {}}'])
def test_a_login_that_says_nothing_is_none(home, content) -> None:
    log_in(home / ".pulumi", content)
    assert detected(home) is None


@pytest.mark.parametrize("content", ["backend: [", "backend: text\n", "- backend\n", "backend: {url: 3}\n"])
def test_a_project_that_says_nothing_of_use_is_passed_over(home, content) -> None:
    (home / "Pulumi.yaml").write_text(content)
    assert detected(home) is None


@pytest.mark.parametrize(
    ("settings", "provider", "salt"),
    [
        ("config: {}\n", None, None),
        ("encryptionsalt: v1:a:b\n", "passphrase", "v1:a:b"),
        ("secretsprovider: awskms://alias/a?region=r\nencryptedkey: k\n", "awskms://alias/a?region=r", None),
        ("config: [\n", None, None),
    ],
)
def test_a_stacks_settings_say_what_encrypts_it(home, settings, provider, salt) -> None:
    file = home / "Pulumi.production.yaml"
    file.write_text(settings)
    assert (backend.secrets_provider(file), backend.salt(file)) == (provider, salt)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("s3://clinic/kms?region=us-east-1", "s3://clinic/kms"),
        ("file:///srv/state", "/srv/state/.pulumi"),
        ("https://app.pulumi.com/clinic", "Pulumi Cloud as clinic"),
        ("https://pulumi.clinic.example", "https://pulumi.clinic.example as clinic"),
    ],
)
def test_a_backend_is_told_in_words(url, words) -> None:
    assert backend.describe(url, "clinic") == words


def test_the_locks_of_a_folder_that_a_url_has_to_encode_are_found(tmp_path) -> None:
    place = tmp_path / "C# 100%" / ".pulumi" / "locks" / "organization" / "eonpro-kms" / "dev"
    place.mkdir(parents=True)
    (place / "run.json").write_text(json.dumps({"username": "ada", "hostname": "here", "pid": 1, "timestamp": "now"}))
    [lock] = backend.locks(f"file://{tmp_path}/C%23 100%25", tmp_path, "dev")
    assert lock.username == "ada"


def test_only_a_service_without_a_token_asks_for_a_login() -> None:
    assert backend.asks_for_login(CLOUD, {})
    assert not backend.asks_for_login(CLOUD, {"PULUMI_ACCESS_TOKEN": "pul-1"})
    assert not backend.asks_for_login("s3://clinic", {})


# --- what was found, together


def test_what_was_found_is_told_together(home) -> None:
    (home / "Pulumi.production.yaml").write_text("encryptionsalt: v1:a:b\n")
    environ = {"HOME": str(home), "PULUMI_BACKEND_URL": "s3://clinic", "PULUMI_CONFIG_PASSPHRASE": "sesame"}
    found = StatePlaces(home, environ).circumstances("production", account="1", region="r", interactive=False)
    assert (found.detected, found.provider) == (
        BackendFact(url="s3://clinic", source="PULUMI_BACKEND_URL"),
        "passphrase",
    )
    assert (found.passphrase_variable, found.file) == ("PULUMI_CONFIG_PASSPHRASE", None)
    assert "sesame" not in repr(found)


def test_a_passphrase_made_once_is_found_by_the_next_run(home) -> None:
    places = StatePlaces(home, {"HOME": str(home)})
    made = places.make_passphrase("production")
    assert places.circumstances("production", account="1", region="r", interactive=True).file == made


# --- what the engine says of it


@pytest.mark.parametrize(
    ("complaint", "kind", "said", "hint"),
    [
        (
            "PULUMI_ACCESS_TOKEN must be set for login during non-interactive CLI sessions",
            NoBackend,
            "no state backend",
            "pulumi login",
        ),
        (
            "error listing stacks: could not list bucket: blob (code=NotFound): operation error S3: ListObjectsV2, "
            "https response error StatusCode: 404, RequestID: abc, HostID: def=, NoSuchBucket: The specified bucket "
            "does not exist",
            SetupError,
            "the bucket of Pulumi's state does not exist",
            "--backend s3",
        ),
        (
            'read ".pulumi/meta.yaml": blob (code=PermissionDenied): operation error S3: GetObject, https response '
            "error StatusCode: 403, RequestID: a, HostID: b, api error AccessDenied: Access Denied",
            PermissionDenied,
            "not allowed to read its state",
            "s3:GetObject",
        ),
        (
            'read ".pulumi/meta.yaml": blob (code=Unknown): operation error S3: GetObject, https response error '
            "StatusCode: 400, RequestID: a, HostID: b, api error ExpiredToken: The provided token has expired.",
            CredentialsError,
            "the session ended while Pulumi read its state",
            "run the same command again: it first says how to sign in",
        ),
        (
            "get stack secrets manager: secrets (code=Unknown): operation error KMS: Decrypt, ExpiredTokenException",
            CredentialsError,
            "the session ended while Pulumi read its state",
            "run the same command again: it first says how to sign in",
        ),
        (
            'read ".pulumi/meta.yaml": blob (code=Unknown): operation error S3: GetObject, exceeded maximum number of '
            'attempts, 3, request send failed, Get "http://127.0.0.1:1/x": dial tcp 127.0.0.1:1: connection refused',
            Unreachable,
            "does not answer",
            "pulumi whoami",
        ),
        (
            'performing HTTP request: Get "https://api.pulumi.com/api/user": dial tcp: lookup api.pulumi.com',
            Unreachable,
            "does not answer",
            "pulumi whoami",
        ),
        ("[401] Unauthorized: invalid access token", CredentialsError, "rejects the login", "pulumi login"),
        (
            "operation error S3: GetObject, get identity: get credentials: failed to refresh cached credentials, "
            "no EC2 IMDS role found",
            CredentialsError,
            "no AWS credentials for its state",
            "aws sts get-caller-identity",
        ),
        (
            "api error PermanentRedirect: The bucket must be addressed using the specified endpoint",
            SetupError,
            "in another Region",
            "?region=",
        ),
        (
            'unable to open state directory "file:///nowhere": stat /nowhere: no such file or directory',
            SetupError,
            "the state is not where it was; look for it before you log in to an empty one",
            "find ~ -type d -path '*/.pulumi/stacks/eonpro-kms'",
        ),
        (
            "could not create secrets manager for new stack: secrets (code=NotFound): operation error KMS: Encrypt, "
            "https response error StatusCode: 400, RequestID: , NotFoundException: Alias arn is not found.",
            SetupError,
            "the stack's secrets provider does not answer",
            "aws kms list-aliases",
        ),
        (
            "get stack secrets manager: secrets (code=PermissionDenied): operation error KMS: Decrypt, AccessDenied",
            PermissionDenied,
            "the stack's secrets provider",
            "kms:Decrypt",
        ),
        (
            "getting stack configuration: get stack secrets manager: incorrect passphrase",
            UsageError,
            "is wrong",
            "PULUMI_CONFIG_PASSPHRASE_FILE",
        ),
        (
            "could not create secrets manager for new stack: passphrase must be set with PULUMI_CONFIG_PASSPHRASE",
            UsageError,
            "is missing",
            "PULUMI_CONFIG_PASSPHRASE_FILE",
        ),
        ("something new", ResourceError, "pulumi: something new", "pulumi preview --stack production"),
    ],
)
def test_a_complaint_is_told_with_its_cause_and_the_next_command(complaint, kind, said, hint) -> None:
    failure = cli_error("production", f"\n code: 1\n stdout: \n stderr: error: {complaint}\n")
    assert type(failure) is kind
    assert said in failure.message
    assert hint in failure.hint + getattr(failure.hint, "advice", "")
    assert "RequestID" not in failure.message, "noise to a reader"
