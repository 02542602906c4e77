"""What Vercel's own CLI 60.1.3 asked (`cli/requests.json`, recorded by `make vercel-cli-tests`) gets an answer.

The recording is data: the CLI itself is not run here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.vercel import create_app
from tests.sandbox.vercel.test_app import ENV, TOKEN, client, variable
from tests.sandbox.vercel.test_deployments import listed, looked_at, running

RECORDED: list[dict[str, Any]] = json.loads((Path(__file__).parent / "cli" / "requests.json").read_text())
READ: dict[str, dict[str, list[str]]] = {
    "/v2/user": {"user": ["id", "username", "email", "version", "defaultTeamId"]},
    "/v1/teams": {"teams": []},
    "/teams/": {"": ["id", "slug", "name"]},
    "/v13/deployments": {"": ["id", "url", "readyState", "inspectorUrl", "projectId", "aliasAssigned"], "team": ["id"]},
    "/custom-environments": {"environments": []},
    "/v3/env/pull/": {"env": [], "buildEnv": []},
    "/v9/projects/PROJECT": {"": ["id", "name", "accountId", "rollingRelease", "lastAliasRequest"]},
}
"""The fields that the CLI reads of an answer, by a part of the path; "" is the answer itself."""


@pytest.fixture
def api() -> Iterator[httpx.Client]:
    yield from client(create_app(token=TOKEN, team="clinic", project="eonpro"))


def test_every_request_of_the_cli_is_answered_with_the_fields_that_it_reads(api: httpx.Client) -> None:
    commands = [entry["command"] for entry in RECORDED]
    assert {words.split()[0] for words in commands} == {
        *("whoami", "link", "env", "redeploy", "promote", "rollback", "rolling-release"),
    }
    assert {words.split()[1] for words in commands if words.startswith("env ")} == {"ls", "add", "pull", "rm"}
    for entry in RECORDED:
        # What is read comes first, as the CLI does it: its order within a command differs from run to run.
        for request in sorted(entry["requests"], key=lambda request: request["method"] != "GET"):
            answer = replay(api, request)
            assert answer.status_code < 300, (entry["command"], request, answer.text)
            for part, fields in READ.items():
                if part in request["path"] and "/rollback/" not in request["path"]:
                    check(answer.json(), fields, request)
        for deployment in listed(api):
            while looked_at(api, deployment["uid"])["readyState"] != "READY":
                pass
    assert api.get("/v1/projects/eonpro/rolling-release?slug=clinic").json()["rollingRelease"]["state"] == "ABORTED"
    assert running(api)["environment"] == {"GREETING": "hello"}


def replay(api: httpx.Client, request: dict[str, Any]) -> httpx.Response:
    """Send a recorded request, with the ids of this server in the place of the names."""
    project = api.get("/v9/projects/eonpro?slug=clinic").json()
    is_release = "rolling-release" in request["path"] or "rollback" in request["path"]
    ids = {
        "TEAM": project["accountId"],
        "PROJECT": project["id"],
        "DEPLOYMENT": listed(api)[0]["uid"] if is_release else running(api)["deployment"],
    }
    variables = {entry["key"]: entry["id"] for entry in api.get(ENV).json()["envs"]}
    ids["VARIABLE"] = variables.get("COLOUR", "")
    text = json.dumps(request)
    for name, id in ids.items():
        text = text.replace(name, id)
    sent = json.loads(text)
    body = {} if sent["body"] is None else {"json": sent["body"]}
    return api.request(sent["method"], sent["path"], params=sent["query"], **body)


def check(answer: dict[str, Any], fields: dict[str, list[str]], request: dict[str, Any]) -> None:
    for part, names in fields.items():
        read = answer[part] if part else answer
        missing = [name for name in names if name not in read]
        assert not missing, (request["path"], part, missing)


def test_a_pull_has_every_value_but_the_sensitive_ones(api: httpx.Client) -> None:
    api.post(ENV, json=variable("HIDDEN", type="sensitive"))
    api.post(ENV, json=variable("SHOWN"))
    api.post(ENV, json=variable("ELSEWHERE", target=["preview"]))
    api.post(ENV, json=variable("SHOWN", target=["preview"], gitBranch="trial", value="of the branch"))
    api.post(ENV, json=variable("SHOWN", target=["preview"], value="of preview"))

    def pulled(place: str) -> Any:
        return api.get(f"/v3/env/pull/eonpro/{place}?slug=clinic").json()["env"]

    assert pulled("production") == {"HIDDEN": "", "SHOWN": "hello"}
    assert pulled("preview") == {"ELSEWHERE": "hello", "SHOWN": "of preview"}
    assert pulled("preview/trial") == {"ELSEWHERE": "hello", "SHOWN": "of the branch"}
    assert pulled("development") == {}


def test_the_list_is_of_one_environment_where_the_question_names_one(api: httpx.Client) -> None:
    api.post(ENV, json=variable("ONE"))
    api.post(ENV, json=variable("TWO", target=["preview"], gitBranch="trial"))
    api.post("/v9/projects/eonpro/custom-environments?slug=clinic", json={"slug": "staging"})
    [staging] = api.get("/projects/eonpro/custom-environments?slug=clinic").json()["environments"]
    api.post(ENV, json=variable("THREE", target=[], customEnvironmentIds=[staging["id"]]))

    def names(query: str) -> list[str]:
        return [entry["key"] for entry in api.get(f"{ENV}&{query}").json()["envs"]]

    assert names("target=production") == ["ONE"]
    assert names("target=preview&gitBranch=trial") == ["TWO"]
    assert names("target=preview&gitBranch=other") == []
    assert names(f"customEnvironmentId={staging['id']}") == ["THREE"]
    assert api.get(f"/v3/env/pull/eonpro/{staging['id']}?slug=clinic").json()["env"] == {"THREE": "hello"}
