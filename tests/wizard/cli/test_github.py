"""The subject of a repository's tokens, read from a made-up GitHub that answers over HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from wizard.cli import github
from wizard.core.errors import (
    CredentialsError,
    ResourceError,
    SetupError,
    TargetMissing,
    Unreachable,
    UnreadableAnswer,
    UsageError,
)

TEMPLATE, DETAILS = "/repos/clinic/eonpro/actions/oidc/customization/sub", "/repos/clinic/eonpro"
IDS = {"id": 456, "full_name": "Clinic/eonpro", "owner": {"login": "Clinic", "id": 123}}


@dataclass(kw_only=True)
class MadeUpGitHub:
    """https://docs.github.com/en/rest/actions/oidc and https://docs.github.com/en/rest/repos/repos#get-a-repository"""

    answers: dict[str, Any] = field(default_factory=dict)
    """By path: a body, or a status."""
    tokens: list[str | None] = field(default_factory=list)
    url: str = ""

    def subject(self) -> tuple[str, bool]:
        sent = github.subject_of("clinic/eonpro", token="ghp-secret", base_url=self.url)
        return sent.repository, sent.is_default


@pytest.fixture
def made_up() -> Iterator[MadeUpGitHub]:
    made = MadeUpGitHub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.tokens.append(self.headers.get("Authorization"))
            answer = made.answers.get(self.path, 404)
            self.send_response(answer if isinstance(answer, int) else 200)
            if answer == 301:
                self.send_header("Location", f"{made.url}/elsewhere")
            self.end_headers()
            self.wfile.write(answer if isinstance(answer, bytes) else json.dumps(answer).encode())

        def log_message(self, format: str, *args: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    made.url = f"http://127.0.0.1:{server.server_port}"
    yield made
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("template", "subject"),
    [
        ({"use_default": True, "sub_claim_prefix": "repo:Clinic@123/eonpro@456"}, ("Clinic@123/eonpro@456", True)),
        ({"use_default": True, "use_immutable_subject": True}, ("Clinic@123/eonpro@456", True)),
        ({"use_default": True, "use_immutable_subject": False}, ("Clinic/eonpro", True)),
        ({"use_default": True}, ("Clinic/eonpro", True)),
        ({"use_default": False}, ("Clinic/eonpro", True)),
        ({"use_default": False, "include_claim_keys": ["repo", "actor"]}, ("Clinic/eonpro", False)),
    ],
)
def test_the_subject_is_the_one_that_the_repository_sends(
    made_up: MadeUpGitHub, template: dict[str, Any], subject: tuple[str, bool]
) -> None:
    made_up.answers = {TEMPLATE: template, DETAILS: IDS}
    assert made_up.subject() == subject
    assert set(made_up.tokens) == {"Bearer ghp-secret"}


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (401, CredentialsError, "does not accept the token"),
        (404, ResourceError, "does not show the repository clinic/eonpro"),
        (301, TargetMissing, "was renamed or transferred"),
        (500, ResourceError, "status 500"),
        (b"<html>", UnreadableAnswer, "is not GitHub's API"),
        ([], SetupError, "customization/sub: the answer of .* cannot be read"),
    ],
)
def test_what_github_does_not_say_is_an_error_without_the_token(
    made_up: MadeUpGitHub, answer: Any, error: type[SetupError], words: str
) -> None:
    made_up.answers = {TEMPLATE: answer}
    with pytest.raises(error, match=words) as raised:
        made_up.subject()
    assert "ghp-secret" not in f"{raised.value.message} {raised.value.hint}"
    assert len(made_up.tokens) == 1, "a redirect takes the token nowhere"


def test_ids_that_github_leaves_out_are_not_made_up(made_up: MadeUpGitHub) -> None:
    made_up.answers = {TEMPLATE: {"use_default": True, "use_immutable_subject": True}, DETAILS: {"id": 1}}
    with pytest.raises(ResourceError, match="does not say the ids"):
        made_up.subject()


def test_a_token_is_sent_over_tls_or_within_this_machine_only() -> None:
    with pytest.raises(UsageError, match="unencrypted"):
        github.subject_of("clinic/eonpro", token="t", base_url="http://github.example")
    with pytest.raises(Unreachable):
        github.subject_of("clinic/eonpro", token="t", base_url="http://127.0.0.1:1")


def test_a_token_out_of_a_file_is_sent_without_its_line_end(made_up: MadeUpGitHub) -> None:
    made_up.answers = {TEMPLATE: {"use_default": True, "sub_claim_prefix": "repo:clinic/eonpro"}}
    github.subject_of("clinic/eonpro", token="ghp-secret\n", base_url=made_up.url)
    assert made_up.tokens == ["Bearer ghp-secret"]


def test_without_a_token_github_is_not_asked_and_a_token_is_kept_out_of_the_log() -> None:
    secrets: list[str] = []
    assert github.reader({}, lambda value, name: secrets.append(value)) is None
    assert github.reader({"GITHUB_TOKEN": "a", "GH_TOKEN": "b"}, lambda value, name: secrets.append(value)) is not None
    assert secrets == ["b"]
