"""The stand-in for Vercel's API answers as Vercel documents it, over a real socket."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import flask
import httpx
import pytest
from werkzeug.serving import make_server

from sandbox.vercel import create_app

TOKEN = "a-token-of-the-sandbox"


def client(app: flask.Flask) -> Iterator[httpx.Client]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with httpx.Client(
        base_url=f"http://127.0.0.1:{server.port}", headers=headers, timeout=5, trust_env=False
    ) as client:
        yield client
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def api() -> Iterator[httpx.Client]:
    yield from client(create_app(token=TOKEN, team="clinic", project="eonpro"))


ENV = "/v10/projects/eonpro/env?slug=clinic"


def variable(key: str = "GREETING", **more: Any) -> dict[str, Any]:
    return {"key": key, "value": "hello", "type": "encrypted", "target": ["production"], **more}


def listed(api: httpx.Client) -> list[dict[str, Any]]:
    envs: list[dict[str, Any]] = api.get(ENV).json()["envs"]
    return envs


# Authentication


@pytest.mark.parametrize(("header", "invalid"), [("Bearer wrong", True), ("Basic a2V5", None), ("", None)])
def test_a_request_without_the_token_is_forbidden(api: httpx.Client, header: str, invalid: bool | None) -> None:
    answer = api.get("/v2/user", headers={"Authorization": header})
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "forbidden"
    assert answer.json()["error"].get("invalidToken") is invalid


def test_the_token_belongs_to_a_user_with_one_team(api: httpx.Client) -> None:
    team = api.get("/v2/teams").json()["teams"][0]
    assert api.get("/v2/user").json()["user"]["defaultTeamId"] == team["id"]
    assert team["slug"] == "clinic"
    assert team["id"].startswith("team_")
    assert api.get(f"/v2/teams/{team['id']}").json() == api.get("/v2/teams/clinic").json() == team


def test_another_team_is_forbidden_by_name(api: httpx.Client) -> None:
    for path in ("/v2/teams/bank", "/v9/projects/eonpro?slug=bank", "/v10/projects?teamId=team_bank"):
        answer = api.get(path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")
        assert "scope" in answer.json()["error"]["message"]


def test_a_project_is_found_by_name_and_by_id_and_only_on_behalf_of_its_team(api: httpx.Client) -> None:
    project = api.get("/v9/projects/eonpro?slug=clinic").json()
    assert project["id"].startswith("prj_")
    assert api.get(f"/v9/projects/{project['id']}?teamId={project['accountId']}").json() == project
    assert api.get("/v9/projects/eonpro").json()["error"]["code"] == "not_found"
    assert api.get("/v9/projects/eonpro").status_code == 404
    assert api.get("/v9/projects/other?slug=clinic").status_code == 404
    assert api.get("/v10/projects?slug=clinic").json()["projects"] == [project]
    assert api.get("/v10/projects").json()["projects"] == []


def test_an_unknown_path_and_an_unknown_method_are_refused_in_vercels_shape(api: httpx.Client) -> None:
    assert api.get("/v1/nothing").json()["error"]["code"] == "not_found"
    assert api.put(ENV).json()["error"]["code"] == "method_unknown"


# Creating variables


def test_one_variable_comes_back_as_an_object_and_a_batch_as_a_list(api: httpx.Client) -> None:
    one = api.post(ENV, json=variable("ONE"))
    many = api.post(ENV, json=[variable("TWO"), variable("THREE")])
    assert (one.status_code, one.json()["created"]["key"], one.json()["failed"]) == (201, "ONE", [])
    assert [each["key"] for each in many.json()["created"]] == ["TWO", "THREE"]
    assert [each["key"] for each in listed(api)] == ["ONE", "TWO", "THREE"]


def test_an_existing_variable_is_a_conflict_without_upsert(api: httpx.Client) -> None:
    first = api.post(ENV, json=variable()).json()["created"]
    answer = api.post(ENV, json=variable(value="other", target=["production", "preview"]))
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "ENV_CONFLICT")
    assert answer.json()["error"]["envVarId"] == first["id"]
    assert api.get(f"/v1/projects/eonpro/env/{first['id']}?slug=clinic").json()["value"] == "hello"


def test_an_upsert_at_the_same_place_changes_value_and_time_and_keeps_the_id(api: httpx.Client) -> None:
    first = api.post(ENV, json=variable()).json()["created"]
    second = api.post(f"{ENV}&upsert=true", json=variable(value="good day", comment="new")).json()["created"]
    assert second["id"] == first["id"]
    assert second["createdAt"] == first["createdAt"]
    assert second["updatedAt"] > first["updatedAt"]
    assert api.get(f"/v1/projects/eonpro/env/{first['id']}?slug=clinic").json()["value"] == "good day"
    assert len(listed(api)) == 1


def test_an_upsert_does_not_narrow_a_variable_of_several_targets(api: httpx.Client) -> None:
    api.post(ENV, json=variable(target=["production", "preview"]))
    answer = api.post(f"{ENV}&upsert=true", json=variable(value="other"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "ENV_CONFLICT")
    assert listed(api)[0]["target"] == ["production", "preview"]


def test_the_same_key_may_differ_by_target_and_by_branch(api: httpx.Client) -> None:
    for more in (
        {},
        {"target": ["preview"]},
        {"target": ["preview"], "gitBranch": "next"},
        {"target": ["development"]},
    ):
        assert api.post(ENV, json=variable(**more)).status_code == 201
    assert len(listed(api)) == 4


def test_a_batch_may_fail_in_part(api: httpx.Client) -> None:
    api.post(ENV, json=variable("OLD"))
    answer = api.post(ENV, json=[variable("OLD"), variable("NEW"), variable("TZ")])
    assert answer.status_code == 201
    assert [each["key"] for each in answer.json()["created"]] == ["NEW"]
    assert [each["error"]["envVarKey"] for each in answer.json()["failed"]] == ["OLD", "TZ"]


@pytest.mark.parametrize(
    "wrong",
    [
        variable("1ST"),
        variable("WITH-DASH"),
        variable("AWS_SECRET_KEY"),
        variable("VERCEL_ENV"),
        variable(type="hidden"),
        variable(target=["staging"]),
        variable(target=[]),
        variable(comment="x" * 501),
        variable(type="sensitive", target=["production", "development"]),
        variable(gitBranch="next"),
        variable(value="x" * 65536),
        variable(value=None),
        {"key": "GREETING"},
        "GREETING",
        [],
    ],
    ids=repr,
)
def test_what_vercel_refuses_is_refused_and_nothing_is_stored(api: httpx.Client, wrong: Any) -> None:
    answer = api.post(ENV, json=wrong)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]
    assert listed(api) == []


def test_the_names_that_lambda_presets_are_allowed(api: httpx.Client) -> None:
    assert api.post(ENV, json=[variable("AWS_REGION"), variable("_PRIVATE")]).json()["failed"] == []


def test_an_empty_value_is_accepted(api: httpx.Client) -> None:
    assert api.post(ENV, json=variable(value="")).status_code == 201


def test_the_limit_counts_all_variables_of_one_environment(api: httpx.Client) -> None:
    half = "x" * 40_000
    assert api.post(ENV, json=variable("ONE", value=half)).status_code == 201
    assert api.post(ENV, json=variable("TWO", value=half)).status_code == 400
    assert api.post(ENV, json=variable("TWO", value=half, target=["preview"])).status_code == 201


# Reading, changing, deleting


def test_an_encrypted_value_is_returned_by_id_only(api: httpx.Client) -> None:
    id = api.post(ENV, json=variable()).json()["created"]["id"]
    assert (listed(api)[0]["decrypted"], "hello" in listed(api)[0]["value"]) == (False, False)
    one = api.get(f"/v1/projects/eonpro/env/{id}?slug=clinic").json()
    assert (one["decrypted"], one["value"]) == (True, "hello")


def test_a_sensitive_value_is_never_returned(api: httpx.Client) -> None:
    created = api.post(ENV, json=variable(type="sensitive", value="a-secret-value"))
    id = created.json()["created"]["id"]
    answers = [created, api.get(f"{ENV}&decrypt=true"), api.get(f"/v1/projects/eonpro/env/{id}?slug=clinic")]
    answers.append(api.patch(f"/v9/projects/eonpro/env/{id}?slug=clinic", json={"comment": "c"}))
    answers.append(api.patch(f"/v9/projects/eonpro/env/{id}?slug=clinic", json={"type": "plain"}))
    answers.append(api.delete(f"/v9/projects/eonpro/env/{id}?slug=clinic"))
    assert [answer.status_code for answer in answers] == [201, 200, 200, 200, 400, 200]
    assert not [answer.text for answer in answers if "a-secret-value" in answer.text]


def test_a_variable_is_changed_and_removed_by_id(api: httpx.Client) -> None:
    id = api.post(ENV, json=variable()).json()["created"]["id"]
    path = f"/v9/projects/eonpro/env/{id}?slug=clinic"
    assert api.patch(path, json={"comment": "why"}).json()["comment"] == "why"
    assert api.delete(path).json()["id"] == id
    assert api.delete(path).status_code == 404
    assert listed(api) == []


def test_a_change_may_not_run_into_another_variable(api: httpx.Client) -> None:
    api.post(ENV, json=variable())
    id = api.post(ENV, json=variable(target=["preview"])).json()["created"]["id"]
    answer = api.patch(f"/v9/projects/eonpro/env/{id}?slug=clinic", json={"target": ["preview", "production"]})
    assert answer.json()["error"]["code"] == "ENV_CONFLICT"


def test_many_at_once_leave_one_variable(api: httpx.Client) -> None:
    def write() -> None:
        api.post(f"{ENV}&upsert=true", json=variable())

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(listed(api)) == 1


# Fault injection


def test_an_ordered_rate_limit_has_a_retry_after_and_ends(api: httpx.Client) -> None:
    api.post(
        "/_sandbox/faults",
        json={"method": "POST", "path": "/env", "status": 429, "retryAfter": 7, "times": 2},
    )
    answers = [api.post(ENV, json=variable()) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [429, 429, 201]
    assert answers[0].headers["Retry-After"] == "7"
    assert answers[0].json()["error"]["code"] == "rate_limited"


@pytest.mark.parametrize("applied", [False, True])
def test_a_dropped_connection_may_or_may_not_have_done_its_work(api: httpx.Client, applied: bool) -> None:
    api.post("/_sandbox/faults", json={"kind": "drop", "method": "POST", "path": "/env", "applied": applied})
    with pytest.raises(httpx.TransportError):
        api.post(ENV, json=variable())
    assert len(listed(api)) == int(applied)


def test_a_silent_endpoint_runs_into_the_callers_time_out(api: httpx.Client) -> None:
    api.post("/_sandbox/faults", json={"kind": "timeout", "path": "/user", "seconds": 1})
    with pytest.raises(httpx.ReadTimeout):
        api.get("/v2/user", timeout=0.2)


def test_a_request_that_waits_is_processed_when_the_faults_are_cleared(api: httpx.Client) -> None:
    api.post("/_sandbox/faults", json={"kind": "hold", "method": "POST", "path": "/env"})
    answers: list[int] = []
    writing = threading.Thread(target=lambda: answers.append(api.post(ENV, json=variable()).status_code))
    writing.start()
    while not api.get("/_sandbox/calls").json()["writes"]:
        pass
    assert (listed(api), answers) == ([], []), "the others are served meanwhile"
    api.delete("/_sandbox/faults")
    writing.join(timeout=10)
    assert (len(listed(api)), answers) == (1, [201])


def test_a_batch_with_an_ordered_fault_fails_for_one_variable(api: httpx.Client) -> None:
    api.post("/_sandbox/faults", json={"kind": "half", "method": "POST", "path": "/env", "nth": 2})
    answer = api.post(ENV, json=[variable("ONE"), variable("TWO"), variable("THREE")])
    assert answer.status_code == 201
    assert [each["error"]["envVarKey"] for each in answer.json()["failed"]] == ["TWO"]
    assert [each["key"] for each in listed(api)] == ["ONE", "THREE"]


def test_an_invalid_fault_is_refused_and_faults_can_be_cleared(api: httpx.Client) -> None:
    assert api.post("/_sandbox/faults", json={"kind": "fire"}).status_code == 400
    assert api.post("/_sandbox/faults", json={"methd": "POST"}).status_code == 400
    api.post("/_sandbox/faults", json={"status": 500, "times": 99})
    assert api.get("/v2/user").status_code == 500
    api.delete("/_sandbox/faults")
    assert api.get("/v2/user").status_code == 200


def test_calls_are_counted_until_the_count_is_reset(api: httpx.Client) -> None:
    api.get(ENV)
    api.post(ENV, json=variable())
    counted = api.get("/_sandbox/calls").json()
    assert (counted["total"], counted["reads"], counted["writes"]) == (2, 1, 1)
    assert counted["calls"] == {"GET /v10/projects/eonpro/env": 1, "POST /v10/projects/eonpro/env": 1}
    api.delete("/_sandbox/calls")
    assert api.get("/_sandbox/calls").json()["total"] == 0


def test_a_production_deployment_gets_the_sensitive_values_that_the_api_does_not_return(api: httpx.Client) -> None:
    api.post(ENV, json=[variable("SECRET", type="sensitive"), variable("OTHER", target=["preview"])])
    assert [each["value"] for each in listed(api) if each["key"] == "SECRET"] == [""]
    assert api.get("/_sandbox/deployment/eonpro").json() == {"SECRET": "hello"}


# Teams, pages of projects, shared variables, custom environments


@pytest.fixture
def teams() -> Iterator[httpx.Client]:
    """Three teams; the token has no access to two of them."""
    others = {"bank": ("ledger",), "school": ("lessons",)}
    barred = {"bank": ("scope",), "school": ("saml",)}
    yield from client(create_app(token=TOKEN, team="clinic", project="eonpro", other_teams=others, limited=barred))


def test_teams_come_page_by_page(teams: httpx.Client) -> None:
    first = teams.get("/v2/teams?limit=2").json()
    assert ([team["slug"] for team in first["teams"]], first["pagination"]["count"]) == (["clinic", "bank"], 2)
    second = teams.get(f"/v2/teams?limit=2&until={first['pagination']['next']}").json()
    assert [team["slug"] for team in second["teams"]] == ["school"]
    assert second["pagination"]["next"] is None
    assert teams.get("/v2/teams?limit=many").status_code == 400


def test_a_team_that_the_token_is_not_for_is_listed_as_limited_and_refused(teams: httpx.Client) -> None:
    listed = {team["slug"]: team for team in teams.get("/v2/teams").json()["teams"]}
    assert {slug: team.get("limitedBy") for slug, team in listed.items()} == {
        "clinic": None,
        "bank": ["scope"],
        "school": ["saml"],
    }
    for slug in ("bank", "school"):
        for path in (f"/v2/teams/{slug}", f"/v9/projects?slug={slug}", f"/v1/env?teamId={listed[slug]['id']}"):
            answer = teams.get(path)
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")
    assert teams.get("/v9/projects?slug=school").json()["error"]["teamId"] == listed["school"]["id"]


def test_the_token_lists_the_teams_it_has_access_to(teams: httpx.Client, api: httpx.Client) -> None:
    (scope,) = teams.get("/v5/user/tokens/current").json()["token"]["scopes"]
    assert (scope["type"], scope["teamId"]) == ("team", teams.get("/v2/teams/clinic").json()["id"])
    (scope,) = api.get("/v5/user/tokens/current").json()["token"]["scopes"]
    assert scope["type"] == "user"


@pytest.mark.parametrize(("version", "after"), [(9, "until"), (10, "from")])
def test_projects_come_page_by_page(api: httpx.Client, version: int, after: str) -> None:
    for name in ("one", "two"):
        made = api.post("/v11/projects?slug=clinic", json={"name": name, "framework": None})
        assert (made.status_code, made.json()["framework"]) == (200, None)
    path = f"/v{version}/projects?slug=clinic&limit=2"
    first = api.get(path).json()
    rest = api.get(f"{path}&{after}={first['pagination']['next']}").json()
    assert [each["name"] for page in (first, rest) for each in page["projects"]] == ["two", "one", "eonpro"]
    assert (first["pagination"]["count"], rest["pagination"]["next"]) == (2, None)


def test_a_project_of_a_name_that_is_taken_is_refused(api: httpx.Client) -> None:
    assert api.post("/v11/projects?slug=clinic", json={"name": "eonpro"}).status_code == 409
    assert api.post("/v11/projects?slug=clinic", json={}).status_code == 400


def test_a_project_that_is_renamed_keeps_its_id_and_variables(api: httpx.Client) -> None:
    api.post(ENV, json=variable())
    before = api.get("/v9/projects/eonpro?slug=clinic").json()
    renamed = api.patch("/v9/projects/eonpro?slug=clinic", json={"name": "portal"}).json()
    assert (renamed["id"], renamed["name"]) == (before["id"], "portal")
    assert api.get("/v9/projects/eonpro?slug=clinic").status_code == 404
    (kept,) = api.get("/v10/projects/portal/env?slug=clinic").json()["envs"]
    assert kept["key"] == "GREETING"
    # Another project gets the name that is free now, and nothing of the first one.
    other = api.post("/v11/projects?slug=clinic", json={"name": "eonpro"}).json()
    assert other["id"] != before["id"] and listed(api) == []
    for name, status in (("eonpro", 409), (7, 400), ("portal", 200)):
        assert api.patch("/v9/projects/portal?slug=clinic", json={"name": name}).status_code == status


def test_a_shared_variable_is_listed_for_the_projects_it_is_linked_to(api: httpx.Client) -> None:
    project = api.get("/v9/projects/eonpro?slug=clinic").json()["id"]
    other = api.post("/v11/projects?slug=clinic", json={"name": "other"}).json()["id"]
    body = {"evs": [{"key": "SHARED", "value": "hello"}], "type": "encrypted", "target": ["production"]}
    made = api.post("/v1/env?slug=clinic", json={**body, "projectId": [project]})
    assert (made.status_code, made.json()["failed"]) == (201, [])
    (listed,) = api.get(f"/v1/env?slug=clinic&projectId={project}").json()["data"]
    assert (listed["key"], listed["projectId"], listed["target"]) == ("SHARED", [project], ["production"])
    assert "hello" not in listed["value"]
    assert api.get(f"/v1/env/{listed['id']}?slug=clinic").json()["value"] == "hello"
    assert api.get(f"/v1/env?slug=clinic&projectId={other}").json()["data"] == []
    assert api.get("/v1/env").status_code == 403
    again = api.post("/v1/env?slug=clinic", json=body).json()
    assert ([each["error"]["code"] for each in again["failed"]], again["created"]) == (["ENV_CONFLICT"], [])


def test_the_projects_own_variable_goes_before_a_shared_one(api: httpx.Client) -> None:
    project = api.get("/v9/projects/eonpro?slug=clinic").json()["id"]
    shared = [{"key": "GREETING", "value": "of the team"}, {"key": "OTHER", "value": "of the team"}]
    body = {"evs": shared, "type": "encrypted", "target": ["production"], "projectId": [project]}
    api.post("/v1/env?slug=clinic", json=body)
    api.post(ENV, json=variable())
    assert api.get("/_sandbox/deployment/eonpro").json() == {"GREETING": "hello", "OTHER": "of the team"}


def test_a_custom_environment_has_a_name_and_an_id(api: httpx.Client) -> None:
    path = "/v9/projects/eonpro/custom-environments?slug=clinic"
    made = api.post(path, json={"slug": "staging"}).json()
    assert made["id"].startswith("env_")
    assert [each["slug"] for each in api.get(path).json()["environments"]] == ["staging"]
    for slug in ("staging", "Production", "preview"):
        assert api.post(path, json={"slug": slug}).status_code == 400
