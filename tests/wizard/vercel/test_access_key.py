"""The application's access key at the edge to Vercel, against the stand-in: a whole pair of ours or nothing."""

from __future__ import annotations

import logging
import threading
import traceback
from typing import Any

import pytest

from tests.wizard.vercel.test_client import BATCH, TOKEN, Place
from wizard.core.errors import (
    DataKeyConflict,
    ResourceError,
    SetupError,
    Unreachable,
    UsageError,
)
from wizard.core.models.verification import AccessKey
from wizard.vercel.access_key import comment
from wizard.vercel.client import VercelClient

KEY = AccessKey(id="AKIAIOSFODNN7EXAMPLE", secret="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
NEXT = AccessKey(id="AKIAI44QH8DHBEXAMPLE", secret="je7MtGbClwBF/2Zp9Utk/h3yCo8nvbEXAMPLEKEY")
NAMES = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}


def deliver(vercel: Place, key: AccessKey = KEY, **more: Any) -> None:
    vercel.edge(**more).deliver_access_key(vercel.project(), key)


def named(vercel: Place) -> str | None:
    return vercel.edge().access_key_id(vercel.project())


def theirs(vercel: Place, name: str, **more: Any) -> str:
    return str(vercel.put(name, "AKIA-of-somebody-else", type="sensitive", **more)["id"])


# --- delivering


def test_the_pair_goes_in_one_request_sensitive_and_for_production_only(vercel: Place) -> None:
    project = vercel.project()
    assert vercel.writes(lambda: vercel.edge().deliver_access_key(project, KEY)) == 1
    envs = vercel.envs()
    assert envs.keys() == NAMES
    assert {(each["type"], *each["target"]) for each in envs.values()} == {("sensitive", "production")}
    assert {each["comment"] for each in envs.values()} == {comment(KEY.id)}
    assert named(vercel) == KEY.id


def test_the_comment_names_product_and_key_within_vercels_limit() -> None:
    assert comment(KEY.id).startswith("eonpro-kms: ")
    assert KEY.id in comment(KEY.id)
    assert len(comment("A" * 128)) <= 500


def test_a_second_delivery_writes_nothing_and_another_key_replaces_the_pair(vercel: Place) -> None:
    project, edge = vercel.project(), vercel.edge()
    edge.deliver_access_key(project, KEY)
    assert vercel.writes(lambda: edge.deliver_access_key(project, KEY)) == 0
    assert vercel.writes(lambda: edge.deliver_access_key(project, NEXT)) == 2
    assert (len(vercel.envs()), named(vercel)) == (2, NEXT.id)


def test_access_key_and_data_key_leave_each_other_alone(vercel: Place) -> None:
    project, edge = vercel.project(), vercel.edge()
    edge.deliver(project, BATCH)
    edge.deliver_access_key(project, KEY)
    assert (edge.check(project, BATCH), edge.access_key_id(project)) == (None, KEY.id)


def test_the_names_may_be_used_on_vercel_at_all(vercel: Place) -> None:
    # https://vercel.com/docs/environment-variables/reserved-environment-variables: the pair is among the allowed.
    body = {"key": "AWS_SECRET_KEY", "value": "x", "type": "encrypted", "target": ["production"]}
    assert vercel.api.post("/v10/projects/eonpro/env?slug=clinic", json=body).status_code == 400
    deliver(vercel)


@pytest.mark.parametrize("key", [AccessKey(id="", secret="s"), AccessKey(id=KEY.id, secret=f"{KEY.secret}\n")])
def test_an_empty_or_ragged_access_key_is_not_delivered(vercel: Place, key: AccessKey) -> None:
    with pytest.raises(UsageError):
        deliver(vercel, key)
    assert vercel.envs() == {}


# --- variables of somebody else


@pytest.mark.parametrize("name", sorted(NAMES))
@pytest.mark.parametrize("words", ["", "of the billing team", f"copied from {comment(KEY.id)}"])
def test_a_variable_that_somebody_else_set_is_not_overwritten(vercel: Place, name: str, words: str) -> None:
    id = theirs(vercel, name, comment=words)
    project, before, edge = vercel.project(), vercel.envs(), vercel.edge()

    def act() -> None:
        with pytest.raises(DataKeyConflict, match="nothing was overwritten") as caught:
            edge.deliver_access_key(project, KEY)
        assert name in caught.value.message
        assert id in caught.value.message
        assert f"vercel env rm {name} production" in caught.value.hint

    assert vercel.writes(act) == 0
    assert vercel.envs() == before
    assert edge.access_key_id(project) is None


@pytest.mark.parametrize("words", ["", comment(NEXT.id)], ids=["somebody else's", "ours"])
def test_a_variable_that_serves_other_environments_too_is_not_taken_from_them(vercel: Place, words: str) -> None:
    theirs(vercel, "AWS_ACCESS_KEY_ID", target=["production", "preview"], comment=words)
    before = vercel.envs()
    with pytest.raises((DataKeyConflict, ResourceError), match="preview"):
        deliver(vercel)
    assert vercel.envs() == before


def test_variables_of_other_environments_and_branches_are_left_alone(vercel: Place) -> None:
    for name in sorted(NAMES):
        theirs(vercel, name, target=["preview"])
        theirs(vercel, name, target=["preview"], gitBranch="next")
        theirs(vercel, name, target=[], customEnvironmentIds=["env_staging"])
    url = "/v10/projects/eonpro/env?slug=clinic"
    before = vercel.api.get(url).json()["envs"]
    deliver(vercel)
    after = vercel.api.get(url).json()["envs"]
    assert after[: len(before)] == before
    assert (len(after) - len(before), named(vercel)) == (2, KEY.id)


def test_a_variable_that_appears_between_two_attempts_is_not_overwritten(vercel: Place) -> None:
    def meanwhile(seconds: float) -> None:
        vercel.clock.sleep(seconds)
        theirs(vercel, "AWS_ACCESS_KEY_ID")

    edge = VercelClient(token=TOKEN, base_url=vercel.url, sleep=meanwhile, now=vercel.clock.now)
    vercel.edges.append(edge)
    vercel.fault(method="POST", path="/env", status=500)
    with pytest.raises(DataKeyConflict):
        edge.deliver_access_key(vercel.project(), KEY)
    assert vercel.envs().keys() == {"AWS_ACCESS_KEY_ID"}


# --- reading


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"comment": comment(KEY.id)}, None),
        (None, {"comment": comment(KEY.id)}),
        ({"comment": comment(KEY.id)}, {"comment": comment(NEXT.id)}),
        ({"comment": comment(KEY.id)}, {"comment": ""}),
        ({"comment": comment(KEY.id), "type": "encrypted"}, {"comment": comment(KEY.id)}),
        ({"comment": comment(KEY.id), "target": ["preview"]}, {"comment": comment(KEY.id)}),
    ],
    ids=["no secret", "no id", "two keys", "half ours", "rewritten readably", "half elsewhere"],
)
def test_what_is_no_whole_pair_of_ours_names_no_access_key(
    vercel: Place, first: dict[str, Any] | None, second: dict[str, Any] | None
) -> None:
    for name, more in (("AWS_ACCESS_KEY_ID", first), ("AWS_SECRET_ACCESS_KEY", second)):
        if more is not None:
            vercel.put(name, "value", **{"type": "sensitive", **more})
    assert named(vercel) is None


# --- bad luck


@pytest.mark.parametrize("missing", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_half_a_pair_is_an_error_that_says_what_stands(vercel: Place, missing: str) -> None:
    vercel.fault(kind="half", path="/env", name=missing, times=999)
    with pytest.raises(ResourceError) as caught:
        deliver(vercel, deadline=20.0)
    other = (NAMES - {missing}).pop()
    assert f"{missing}: it is missing" in caught.value.message
    assert f"{other}: in place" in caught.value.message
    assert "do not deploy" in caught.value.hint
    assert named(vercel) is None


def test_half_a_replacement_says_whose_each_half_is_and_is_fixed_by_the_next(vercel: Place) -> None:
    deliver(vercel)
    vercel.fault(method="PATCH", path="/env", status=400, skip=1)
    with pytest.raises(ResourceError, match=f"AWS_SECRET_ACCESS_KEY: it still has the access key {KEY.id}"):
        deliver(vercel, NEXT)
    assert vercel.clock.slept == []
    assert named(vercel) is None
    deliver(vercel, NEXT)
    assert named(vercel) == NEXT.id


def test_not_knowing_what_was_written_is_told_as_such(vercel: Place) -> None:
    project = vercel.project()
    vercel.fault(method="GET", path="/env", status=500, skip=1, times=999)
    with pytest.raises(Unreachable, match="unknown whether Vercel stored the access key"):
        vercel.edge().deliver_access_key(project, KEY)


def test_two_keys_pushed_at_once_end_as_one_whole_pair_and_one_is_told_or_replaced(vercel: Place) -> None:
    project = vercel.project()
    edges = {key: vercel.edge() for key in (KEY, NEXT)}
    done: list[str] = []
    refused: list[str] = []
    start = threading.Barrier(2)

    def run(key: AccessKey) -> None:
        start.wait()
        try:
            edges[key].deliver_access_key(project, key)
            done.append(key.id)
        except ResourceError as error:
            refused.append(error.message)

    threads = [threading.Thread(target=run, args=(key,)) for key in edges]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) + len(refused) == 2
    assert named(vercel) in done
    assert all("another run pushed" in message for message in refused)


def test_the_key_of_another_run_that_came_between_is_left(vercel: Place) -> None:
    def meanwhile(seconds: float) -> None:
        vercel.clock.sleep(seconds)
        deliver(vercel, NEXT)

    edge = VercelClient(token=TOKEN, base_url=vercel.url, sleep=meanwhile, now=vercel.clock.now)
    vercel.edges.append(edge)
    vercel.fault(method="POST", path="/env", status=500)
    with pytest.raises(ResourceError, match=f"another run pushed the access key {NEXT.id}"):
        edge.deliver_access_key(vercel.project(), KEY)
    assert named(vercel) == NEXT.id


# --- the secret


def test_the_secret_is_in_no_repr_no_traceback_and_no_log(vercel: Place, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    project, edge = vercel.project(), vercel.edge(deadline=1.0)
    reported = [repr(KEY), str(KEY)]
    mishaps: list[dict[str, Any]] = [
        {"kind": "half", "name": "AWS_SECRET_ACCESS_KEY", "code": f"BAD_REQUEST {KEY.secret}"},
        {"status": 400, "code": KEY.secret},
        {"status": 500},
        {"status": 403},
        {"kind": "drop"},
    ]
    for mishap in mishaps:
        vercel.fault(method="POST", path="/env", times=99, **mishap)
        with pytest.raises(SetupError) as caught:
            edge.deliver_access_key(project, KEY)
        reported += [*traceback.format_exception(caught.value), caught.value.hint]
        vercel.api.delete("/_sandbox/faults")
    edge.deliver_access_key(project, KEY)
    reported += [caplog.text, str(vercel.envs())]
    assert not [text for text in reported if KEY.secret in text or TOKEN in text]
