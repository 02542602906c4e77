"""A saved plan: what is in it, what is refused when it is read, and each way in which the world can have moved."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from components.settings import Target
from tests.wizard.fakes.clients import IDENTITY, KEY, OTHER_ACCOUNT, STORED_KEY, TOKEN, settings, step, wrapped
from wizard.core.errors import UsageError
from wizard.core.models.delivery import StoredDataKey
from wizard.core.models.stack import SavedPlan, StackState
from wizard.setup.plan import Plan
from wizard.setup.saved_plan import changes, document, read, write

AT = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ENGINE = "3.259.0"
STATE = StackState(exists=True, has_key=True, digest="sha256:0123456789abcdef")
KEPT = StoredDataKey(parameter=STORED_KEY, wrapped=wrapped(), key_arn=KEY, version=1)
ROTATED = step("update", changed=("rotationPeriodInDays",))
PLAN = Plan(
    stack="production",
    settings=settings(),
    identity=IDENTITY,
    steps=(ROTATED, step("same", "aws:kms/alias:Alias", "phi-key-alias")),
    stored_data_key=KEPT,
    targets=(Target.VERCEL,),
)


def content(planned: Plan = PLAN, **changes: Any) -> dict[str, Any]:
    return document(planned, STATE, at=AT, version=ENGINE) | changes


def saved(planned: Plan = PLAN) -> SavedPlan:
    return read(json.dumps(content(planned)), "plan.json")


def differences(planned: Plan = PLAN, state: StackState = STATE, version: str = ENGINE) -> tuple[str, ...]:
    return changes(saved(), planned, state, version=version)


def sealed(document: dict[str, Any]) -> str:
    """The document with a checksum that fits it, as a forger would write it."""
    rest = {key: value for key, value in document.items() if key != "sha256"}
    return json.dumps(rest | {"sha256": hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()})


def test_a_plan_says_whose_account_what_is_changed_and_what_it_stands_on() -> None:
    found = content()
    assert {key: found[key] for key in ("stack", "account", "region", "targets", "engine", "at", "state")} == {
        "stack": "production",
        "account": IDENTITY.account_id,
        "region": "us-east-1",
        "targets": ["vercel"],
        "engine": ENGINE,
        "at": "2026-11-24T12:00:00+00:00",
        "state": STATE.digest,
    }
    assert [(each["op"], each["name"], each["changed"]) for each in found["steps"]] == [
        ("update", "phi-key", ["rotationPeriodInDays"])
    ]
    assert found["dataKey"] == KEPT.wrapped.fingerprint


def test_no_wrapped_key_and_no_token_is_in_it() -> None:
    text = json.dumps(content(replace(PLAN, stored_data_key=None, imported_data_key=wrapped("two"))))
    assert wrapped("two").fingerprint in text
    assert wrapped("two").value not in text
    assert TOKEN not in text


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (replace(PLAN, identity=replace(IDENTITY, account_id=OTHER_ACCOUNT)), f"the account is {OTHER_ACCOUNT}"),
        (replace(PLAN, stack="staging"), "the stack is staging, and was production"),
        (replace(PLAN, targets=(Target.ECS,)), "the delivery is ecs, and was vercel"),
        (replace(PLAN, settings=settings(rotation_period_days=180)), "the setting rotationPeriodDays is 180"),
        (replace(PLAN, settings=settings(multi_region=True)), "the setting multiRegion"),
        (replace(PLAN, stored_data_key=None), "the stored data key is none, and was sha256:"),
        (replace(PLAN, stored_data_key=replace(KEPT, wrapped=wrapped("two"))), "the stored data key is sha256:"),
        (replace(PLAN, imported_data_key=wrapped("two")), "the data key to be imported is sha256:"),
        (replace(PLAN, steps=()), "phi-key: Pulumi would now leave it unchanged, and the plan was to update"),
        (
            replace(PLAN, steps=(step("replace", changed=("rotationPeriodInDays",)),)),
            "phi-key: Pulumi would now replace (rotationPeriodInDays), and the plan was to update",
        ),
        (replace(PLAN, steps=(step("update", changed=("policy",)),)), "phi-key: Pulumi would now update (policy)"),
        (
            replace(PLAN, steps=(ROTATED, step("delete", "aws:kms/alias:Alias", "phi-key-alias"))),
            "phi-key-alias: Pulumi would now delete, and the plan was to leave it unchanged",
        ),
    ],
)
def test_each_way_the_world_moved_is_told_and_nothing_else(now: Plan, said: str) -> None:
    (told,) = differences(now)
    assert said in told


def test_all_differences_are_told_at_once() -> None:
    now = replace(PLAN, stack="staging", stored_data_key=None, steps=())
    assert len(differences(now, replace(STATE, digest=""))) == 4


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is not JSON"),
        ("a plan", "it is not JSON"),
        ("[]", "is not a saved plan"),
        ('{"resourcePlans": {}}', "is not a saved plan"),
        (json.dumps(content(version=2)), "another version"),
        (json.dumps(content(version=None)), "another version"),
        (json.dumps(content(account=OTHER_ACCOUNT)), "was changed after it was saved"),
        (json.dumps(content(steps=[])), "was changed after it was saved"),
        (json.dumps(content(more=True)), "was changed after it was saved"),
        (
            json.dumps({key: value for key, value in content().items() if key != "sha256"}),
            "was changed after it was saved",
        ),
        (sealed({key: value for key, value in content().items() if key != "state"}), "was changed after it was saved"),
        (sealed(content(at="yesterday")), "its content is not valid"),
        (sealed(content(steps=[{"op": "create"}])), "its content is not valid"),
        (sealed(content(settings=None)), "its content is not valid"),
    ],
)
def test_what_is_no_plan_is_refused_by_its_name_and_tells_how_one_is_saved(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as refused:
        read(text, "plan.json")
    assert refused.value.message.startswith("plan.json")
    assert "--save-plan" in refused.value.hint
    assert refused.value.exit_code == 2


def test_a_forged_plan_gains_nothing() -> None:
    """Its checksum fits; what is carried out is worked out anew, and differs."""
    forged = read(sealed(content(steps=[])), "plan.json")
    (told,) = changes(forged, PLAN, STATE, version=ENGINE)
    assert "the plan was to leave it unchanged" in told


@pytest.mark.parametrize("content_before", ["", "the notes of somebody", "{}", "[" * 100_000])
def test_no_file_but_an_earlier_plan_is_overwritten(tmp_path: Path, content_before: str) -> None:
    file = tmp_path / "plan.json"
    file.write_text(content_before)
    with pytest.raises(UsageError, match="is not a saved plan, and is not overwritten"):
        write(file, content())
    assert file.read_text() == content_before


def test_a_plan_is_not_written_through_a_link(tmp_path: Path) -> None:
    other, link = tmp_path / "other.json", tmp_path / "plan.json"
    write(other, content())
    link.symlink_to(other)
    with pytest.raises(UsageError, match="is not overwritten"):
        write(link, content(stack="staging"))
    assert json.loads(other.read_text())["stack"] == "production"


def test_a_later_plan_replaces_an_earlier_one(tmp_path: Path) -> None:
    for stack in ("staging", "production"):
        write(tmp_path / "plan.json", content(stack=stack))
    assert json.loads((tmp_path / "plan.json").read_text())["stack"] == "production"
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]
