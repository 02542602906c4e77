"""The edge against endpoints that are not quite Vercel's: judged by what they list, not by what they answer."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import flask
import pytest
from werkzeug.serving import make_server

from wizard.core.data_key import WrappedDataKey
from wizard.core.errors import DataKeyConflict, ResourceError, SetupError
from wizard.core.models.delivery import AppVariables, DeliveryState
from wizard.core.models.vercel import VercelProject
from wizard.vercel import answers, projects
from wizard.vercel.client import VercelClient

OURS = WrappedDataKey.from_blob(b"\x01" * 184)
OTHER = WrappedDataKey.from_blob(b"\x02" * 184)
ARN = "arn:aws:kms:us-east-1:111122223333:key/0a1b2c3d-0000-4000-8000-000000000001"
BATCH = AppVariables(region="us-east-1", key_arn=ARN, wrapped=OURS)
PROJECT = VercelProject(id="eonpro", name="eonpro", team_id=None, team_slug="clinic")


class Other:
    """A second, smaller stand-in, whose habits a test sets: what it keeps, what it tells and in which shape."""

    def __init__(self) -> None:
        self.stored: dict[str, dict[str, Any]] = {}
        self.posts = 0
        self.tell: Callable[[dict[str, Any]], dict[str, Any]] = dict
        self.answer: Callable[[list[dict[str, Any]]], Any] = lambda batch: {"created": batch, "failed": []}
        self.listing: Callable[[list[dict[str, Any]]], Any] = lambda envs: {"envs": envs}
        self.project: Any = {"id": "eonpro", "name": "eonpro"}
        self.pages = 0
        """How many web pages with the status 200 stand before the project's first answer."""
        self.forbidden = False
        self.url = ""

    def app(self) -> flask.Flask:
        app = flask.Flask("other", static_folder=None)

        @app.before_request
        def enter() -> Any:
            return ({"error": {"code": "forbidden", "message": "no"}}, 403) if self.forbidden else None

        @app.get("/v9/projects/eonpro")
        def project() -> Any:
            self.pages -= 1
            if self.pages >= 0 or not self.project:
                return flask.Response("<html>", mimetype="text/html")
            return flask.jsonify(self.project)

        @app.get("/v9/projects/eonpro/env")
        def variables() -> Any:
            return flask.jsonify(self.listing([self.tell(each) for each in self.stored.values()]))

        @app.post("/v10/projects/eonpro/env")
        def create() -> Any:
            self.posts += 1
            batch = flask.request.get_json()
            for each in batch:
                old = self.stored.get(each["key"], {"id": f"id-{each['key']}", "updatedAt": 0})
                self.stored[each["key"]] = {**old, **each, "updatedAt": old["updatedAt"] + 1}
            return flask.jsonify(self.answer(batch)), 201

        return app


@pytest.fixture
def other() -> Iterator[Other]:
    place = Other()
    server = make_server("127.0.0.1", 0, place.app(), threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    place.url = f"http://127.0.0.1:{server.port}"
    yield place
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def edge(other: Other) -> Iterator[VercelClient]:
    spent = [0.0]

    def sleep(seconds: float) -> None:
        spent[0] += seconds

    edge = VercelClient(token="token", base_url=other.url, timeout=2, deadline=5, sleep=sleep, now=lambda: spent[0])
    yield edge
    edge.close()


def masked(env: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in env.items() if name != "value"}


def test_a_project_is_found_where_there_is_no_api_for_teams(edge: VercelClient, other: Other) -> None:
    assert edge.find_project("clinic", "eonpro") == PROJECT
    other.project = {"id": "eonpro", "name": "eonpro", "team": {"slug": "clinic"}}
    assert edge.find_project("team_1", "eonpro").team_slug == "clinic"


def test_a_missing_project_is_told_where_projects_cannot_be_listed(edge: VercelClient) -> None:
    with pytest.raises(SetupError, match="no project absent in the Vercel team clinic"):
        edge.find_project("clinic", "absent")


@pytest.mark.parametrize(
    "answer",
    [
        lambda batch: {"created": batch[0]},
        lambda batch: {},
        lambda batch: batch,
        lambda batch: None,
        lambda batch: {"created": [], "failed": None},
    ],
    ids=["one object", "nothing", "a bare list", "null", "nothing created"],
)
def test_whatever_the_answer_says_the_listing_decides(edge: VercelClient, other: Other, answer: Any) -> None:
    other.answer = answer
    other.tell = masked
    assert edge.deliver(PROJECT, BATCH).state is DeliveryState.WRITTEN
    assert edge.deliver(PROJECT, BATCH).state is DeliveryState.UNCHANGED
    assert other.posts == 1


@pytest.mark.parametrize(
    "listing",
    [lambda envs: envs, lambda envs: {"env": envs}, lambda envs: {"envs": envs, "pagination": {"next": 5}}],
    ids=["a bare list", "under env", "a page that is always the first"],
)
def test_the_listing_may_have_other_shapes(edge: VercelClient, other: Other, listing: Any) -> None:
    other.listing = listing
    other.tell = lambda env: {**masked(env), "target": "production"}
    assert edge.deliver(PROJECT, BATCH).checked_by == "listing and fingerprint"
    assert edge.deliver(PROJECT, BATCH).state is DeliveryState.UNCHANGED


def test_all_pages_of_a_listing_are_read(edge: VercelClient, other: Other) -> None:
    edge.deliver(PROJECT, BATCH)

    def page(envs: list[dict[str, Any]]) -> Any:
        start = int(flask.request.args.get("until", 0))
        return {
            "envs": envs[start : start + 1],
            "pagination": {"next": start + 1 if start + 1 < len(envs) else None},
        }

    other.listing = page
    assert {each.key for each in edge._variables(PROJECT, 9).list()} == set(other.stored)
    assert edge.deliver(PROJECT, BATCH).state is DeliveryState.UNCHANGED


@pytest.mark.parametrize(
    "listing",
    [{}, {"ok": True}, {"envs": None}, {"envs": ["x"]}, "x", None, {"envs": [{"id": "1"}]}],
    ids=repr,
)
def test_a_listing_that_cannot_be_understood_is_no_empty_listing(
    edge: VercelClient, other: Other, listing: Any
) -> None:
    other.listing = lambda envs: listing
    with pytest.raises(SetupError, match="cannot be read"):
        edge.deliver(PROJECT, BATCH)
    assert other.posts == 0


def test_without_comments_and_values_a_write_is_believed_once_and_never_overwritten(
    edge: VercelClient, other: Other
) -> None:
    other.tell = lambda env: {name: env[name] for name in ("id", "key", "type", "target", "updatedAt")}
    delivered = edge.deliver(PROJECT, BATCH)
    assert (delivered.state, delivered.checked_by) == (DeliveryState.WRITTEN, "listing")
    with pytest.raises(DataKeyConflict, match="no comment"):
        edge.deliver(PROJECT, BATCH)
    assert other.posts == 1


def test_without_comments_values_in_the_clear_will_do(edge: VercelClient, other: Other) -> None:
    other.tell = lambda env: {name: value for name, value in env.items() if name != "comment"}
    assert edge.deliver(PROJECT, BATCH).checked_by == "values read back"
    assert edge.deliver(PROJECT, BATCH).state is DeliveryState.UNCHANGED
    with pytest.raises(DataKeyConflict):
        edge.deliver(PROJECT, AppVariables(region="us-east-1", key_arn=ARN, wrapped=OTHER))


def test_a_data_key_without_a_target_is_not_taken_for_absent(edge: VercelClient, other: Other) -> None:
    other.stored["ENCRYPTED_PHI_KEY"] = {
        "id": "1",
        "key": "ENCRYPTED_PHI_KEY",
        "type": "sensitive",
        "updatedAt": 1,
    }
    with pytest.raises(DataKeyConflict):
        edge.deliver(PROJECT, BATCH)
    assert other.posts == 0


def test_an_endpoint_that_takes_everything_and_keeps_nothing_is_found_out(edge: VercelClient, other: Other) -> None:
    other.listing = lambda envs: {"envs": []}
    with pytest.raises(ResourceError) as caught:
        edge.deliver(PROJECT, BATCH)
    assert all(f"{name}: it is missing" in caught.value.message for name, _ in BATCH.values)


def test_a_value_that_the_answer_repeats_is_not_told_on(edge: VercelClient, other: Other) -> None:
    def refuse(batch: list[dict[str, Any]]) -> Any:
        message = f"the value {batch[0]['value']} is too odd"
        return {"created": [], "failed": [{"error": {"code": "BAD_REQUEST", "message": message}}]}

    other.answer = refuse
    other.listing = lambda envs: {"envs": []}
    with pytest.raises(ResourceError, match="BAD_REQUEST the value … is too odd") as caught:
        edge.deliver(PROJECT, BATCH)
    assert OURS.value not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("listed", "kind"),
    [
        ({"type": "encrypted", "visibility": "secret"}, "sensitive"),
        ({"visibility": "secret"}, "sensitive"),
        ({"type": "encrypted", "visibility": "config"}, "encrypted"),
        ({"type": "sensitive"}, "sensitive"),
        ({}, ""),
    ],
)
def test_config_and_secret_are_the_types_that_they_were(listed: dict[str, str], kind: str) -> None:
    body = {"envs": [{"key": "A", "value": "x", "target": ["production"], **listed}]}
    (variable,) = projects.read_listing(answers.VariableListing.model_validate(body))
    assert variable.type == kind
    assert (variable.value is None) or kind != "sensitive"


def test_a_data_key_that_is_not_stored_as_sensitive_is_found_out(edge: VercelClient, other: Other) -> None:
    other.tell = lambda env: {**env, "type": "encrypted"}
    with pytest.raises(ResourceError, match=r"ENCRYPTED_PHI_KEY: it is stored as Config \(encrypted\), not as Secret"):
        edge.deliver(PROJECT, BATCH)


def test_a_web_page_is_not_taken_for_an_api(edge: VercelClient, other: Other) -> None:
    other.project = None
    with pytest.raises(SetupError, match="is not Vercel's API"):
        edge.find_project("clinic", "eonpro")
