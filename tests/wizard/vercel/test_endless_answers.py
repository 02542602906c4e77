"""A request to Vercel or GitHub ends, whatever trickles in: by the watchdog, or by its size. Over real sockets."""

from __future__ import annotations

import json
import resource
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests import endless
from wizard.cli import github
from wizard.core import call_limit, watchdog
from wizard.core.errors import SetupError, Unreachable, UnreadableAnswer
from wizard.core.models.vercel import VercelProject
from wizard.vercel.client import VercelClient

PROJECT = VercelProject(id="prj_1", name="eonpro", team_id="team_1", team_slug="clinic")


@pytest.fixture
def server() -> Iterator[endless.Endless]:
    with endless.serving() as server:
        yield server


def client(url: str, **more: Any) -> VercelClient:
    return VercelClient(token="token", base_url=url, timeout=0.2, sleep=lambda _: None, **more)


@pytest.mark.parametrize("way", endless.SLOW)
def test_an_answer_that_trickles_in_ends_the_command_with_the_name_of_the_call(server, way, monkeypatch) -> None:
    monkeypatch.setattr(watchdog, "SECONDS", 0.4)
    server.way, began = way, time.monotonic()
    ended = f"GET {server.url}/v9/projects/eonpro has not ended within 0.4 s"
    with pytest.raises(Unreachable, match=ended), watchdog.watching():
        client(server.url).find_project("clinic", "eonpro")
    assert time.monotonic() - began < 4 and server.requests == 1


def test_github_is_not_waited_for_without_an_end(server, monkeypatch) -> None:
    monkeypatch.setattr(watchdog, "SECONDS", 0.4)
    server.way, began = endless.SLOW[1], time.monotonic()
    with pytest.raises(Unreachable, match="has not ended within 0.4 s"), watchdog.watching():
        github.subject_of("clinic/eonpro", token="ghp-secret", base_url=server.url)
    assert time.monotonic() - began < 3 and server.requests == 1


@pytest.mark.parametrize("way", ["fast chunks without an end", "a zip bomb"])
def test_an_answer_that_is_too_large_is_given_up_in_little_memory(server, way, monkeypatch) -> None:
    monkeypatch.setattr(call_limit, "ANSWER_BYTES", 4 * 2**20)
    server.way = way
    endless.zipped(600)  # What the server takes is not counted.
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(Unreachable, match="larger than 4 MB"):
        VercelClient(token="token", base_url=server.url, timeout=5, sleep=lambda _: None).read_variables(PROJECT)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60 * 1024


# --- answers that are JSON, and say nothing


class Canned:
    """Vercel, whose every answer is the one that the test writes. `{n}` in it counts."""

    def __init__(self) -> None:
        self.body = ""
        self.url = ""
        self.requests = 0


@pytest.fixture
def canned() -> Iterator[Canned]:
    canned = Canned()

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            canned.requests += 1
            body = canned.body.replace("{n}", str(canned.requests)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = do_DELETE = _serve

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    canned.url = f"http://127.0.0.1:{server.server_port}"
    yield canned
    server.shutdown()
    server.server_close()
    thread.join()


QUESTIONS: dict[str, Callable[[VercelClient], object]] = {
    "the project": lambda edge: edge.find_project("clinic", "eonpro"),
    "the variables": lambda edge: edge.read_variables(PROJECT),
    "the data key": lambda edge: edge.find_data_key(PROJECT),
    "what would be replaced": lambda edge: edge.conflict(PROJECT, None),
    "the last change": lambda edge: edge.last_change(PROJECT),
    "the custom environments": lambda edge: edge.custom_environments(PROJECT),
    "what runs": lambda edge: edge.current_deployment(PROJECT),
}


@pytest.mark.parametrize(
    "body",
    [
        "null",
        "[]",
        "7",
        '"text"',
        "true",
        '{"projects": [null], "teams": [7], "deployments": [[]], "environments": [null], "user": 7, "pagination": []}',
    ],
)
def test_a_listing_of_projects_that_says_nothing_is_an_error_with_a_message_or_nothing(canned, body) -> None:
    canned.body = body
    try:
        client(canned.url, deadline=0.5).list_projects()
    except SetupError as error:
        assert error.message and error.hint
    assert canned.requests < 30


SHAPES = {
    "the project": "/v9/projects/eonpro",
    "the variables": "/v10/projects/prj_1/env",
    "the data key": "/v10/projects/prj_1/env",
    "what would be replaced": "/v10/projects/prj_1/env",
    "the last change": "/v10/projects/prj_1/env",
    "the custom environments": "/v9/projects/prj_1/custom-environments",
    "what runs": "/v9/projects/prj_1",
}
"""The call that each question makes first."""


@pytest.mark.parametrize("body", ["null", "[[]]", "7", '"text"', "true"])
@pytest.mark.parametrize("question", SHAPES)
def test_a_body_of_another_shape_is_the_one_error_that_names_the_call(canned, question, body) -> None:
    canned.body = body
    with pytest.raises(UnreadableAnswer, match=f"GET {SHAPES[question]}: the answer of .* cannot be read"):
        QUESTIONS[question](client(canned.url, deadline=0.5))


@pytest.mark.parametrize(
    "entry",
    [
        {"id": 7, "key": "A"},
        {"id": "env_1", "key": ["A"]},
        {"id": "env_1"},
        {"id": "env_1", "key": "A", "target": 7},
        {"id": "env_1", "key": "A", "value": {"a": 1}},
        {"id": "env_1", "key": "A", "decrypted": "yes"},
        {"id": "env_1", "key": "A", "updatedAt": "yesterday"},
    ],
)
def test_a_variable_with_a_member_of_another_type_is_that_error_too(canned, entry) -> None:
    canned.body = json.dumps({"envs": [{"id": "env_0", "key": "B", "target": ["production"]}, entry]})
    with pytest.raises(UnreadableAnswer, match="envs.1"):
        client(canned.url).read_variables(PROJECT)


@pytest.mark.parametrize("member", ["type", "target", "comment", "value", "updatedAt", "gitBranch", "unheardOf"])
def test_a_member_that_is_null_or_new_is_none(canned, member) -> None:
    canned.body = json.dumps({"envs": [{"id": "env_1", "key": "AWS_REGION", "target": ["production"], member: None}]})
    [entry] = client(canned.url).read_variables(PROJECT)
    assert entry.name == "AWS_REGION"


def test_a_listing_of_variables_with_another_page_each_time_is_given_up(canned) -> None:
    entry = {"id": "env_{n}", "key": "A", "type": "plain", "target": ["production"], "value": "b"}
    canned.body = json.dumps({"envs": [entry], "pagination": {"next": "{n}"}})
    with pytest.raises(UnreadableAnswer, match="has sent 100 pages and names another one"):
        client(canned.url).read_variables(PROJECT)
    assert canned.requests == 100


def test_a_listing_whose_pages_name_each_other_ends(canned) -> None:
    entry = {"id": "env_{n}", "key": "A", "type": "plain", "target": ["production"], "value": "b"}
    canned.body = json.dumps({"envs": [entry], "pagination": {"next": 17}})
    with pytest.raises(UnreadableAnswer, match="names a page as the next one that it has sent already"):
        client(canned.url).read_variables(PROJECT)
