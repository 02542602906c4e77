"""Random weather at Vercel: whatever goes wrong for a while, a delivery ends whole or as it began."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sandbox.vercel import create_app
from tests.wizard.vercel.test_client import ARN, BATCH, NAMES, OURS, TOKEN, Place, serve
from wizard.core.errors import SetupError
from wizard.core.models.vercel import PRODUCTION, Scope
from wizard.vercel.variable_state import data_key_comment

SCOPES = (PRODUCTION, Scope(environment="preview"), Scope(environment="preview", branch="feature"))

kinds = st.sampled_from(
    [
        {"status": 500},
        {"status": 503},
        {"status": 429, "retryAfter": 2},
        {"status": 429},
        {"status": 400},
        {"kind": "drop"},
        {"kind": "drop", "applied": True},
        {"kind": "half", "nth": 1},
        {"kind": "half", "nth": 2},
        {"kind": "half", "nth": 3},
        {"kind": "half", "nth": 1, "code": "BAD_REQUEST"},
        {"kind": "half", "nth": 2, "code": "ENV_CONFLICT"},
    ]
)
of_the_write = st.builds(
    lambda kind, times, skip: {**kind, "method": "POST", "times": times, "skip": skip},
    kinds,
    st.sampled_from([1, 2, 3, 999]),
    st.integers(0, 2),
)
"""A write may fail for good; what has to be read and taken back fails for a while only, or nobody could."""
of_the_rest = st.builds(
    lambda kind, method, times: {**kind, "method": method, "times": times},
    st.sampled_from([{"status": 500}, {"status": 429}, {"kind": "drop"}]),
    st.sampled_from(["GET", "DELETE", "PATCH"]),
    st.integers(1, 3),
)
there = st.fixed_dictionaries(
    {},
    optional={
        "AWS_REGION": st.sampled_from(["us-east-1", "eu-west-1"]),
        "AWS_KMS_KEY_ID": st.sampled_from([ARN, "alias/by-hand"]),
        "ENCRYPTED_PHI_KEY": st.just(OURS.value),
        "DATABASE_URL": st.just("postgres://"),
    },
)


@pytest.fixture(scope="module")
def vercel() -> Iterator[Place]:
    yield from serve(create_app(token=TOKEN, team="clinic", project="eonpro"))


def values(vercel: Place) -> dict[tuple[str, Any, str], str | None]:
    """The value of each variable by its place and name; a sensitive one by the fingerprint of its comment."""
    found = {}
    for each in vercel.api.get("/v10/projects/eonpro/env?slug=clinic").json()["envs"]:
        value = each["comment"] if each["type"] == "sensitive" else vercel.value_of(each["id"])
        found[(",".join(each["target"]), each.get("gitBranch"), each["key"])] = value
    return found


@pytest.mark.thorough
@settings(
    max_examples=40,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    scope=st.sampled_from(SCOPES),
    before=there,
    sensitive=st.booleans(),
    faults=st.lists(st.one_of(of_the_write, of_the_rest), max_size=5),
)
@example(
    scope=PRODUCTION, before={}, sensitive=True, faults=[{"method": "POST", "times": 999, "kind": "half", "nth": 1}]
)
def test_a_delivery_ends_whole_or_as_it_began(
    vercel: Place, scope: Scope, before: dict[str, str], sensitive: bool, faults: list[dict[str, Any]]
) -> None:
    project = vercel.project()
    for each in vercel.api.get("/v10/projects/eonpro/env?slug=clinic").json()["envs"]:
        vercel.api.delete(f"/v9/projects/eonpro/env/{each['id']}?slug=clinic")
    for key, value in before.items():
        is_key = key == "ENCRYPTED_PHI_KEY"
        more = {"type": "sensitive", "comment": data_key_comment(OURS)} if is_key and sensitive else {}
        vercel.put(key, value, **scope.fields, **more)
    was = values(vercel)
    for fault in faults:
        vercel.fault(path="/env", **fault)
    try:
        vercel.edge(deadline=20.0).deliver(project.at(scope), BATCH)
        ended = True
    except SetupError:
        ended = False
    vercel.api.delete("/_sandbox/faults")
    now = values(vercel)
    others = {name: value for name, value in was.items() if name[2] not in NAMES}
    assert others.items() <= now.items()
    if ended:
        assert vercel.edge().check(project.at(scope), BATCH) is None
        assert {name[2] for name in now} == NAMES | {name[2] for name in others}
        assert vercel.writes(lambda: vercel.edge().deliver(project.at(scope), BATCH)) == 0
    else:
        # A data key whose type was put right keeps its value, and is told by its comment.
        changed = {name for name in now if now[name] != was.get(name)} | (was.keys() - now.keys())
        assert {name[2] for name in changed} <= {"ENCRYPTED_PHI_KEY"}
        for name in changed:
            assert was[name] == OURS.value and OURS.fingerprint in str(now[name])
