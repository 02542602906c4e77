"""`rotate --cmk` and `--schedule` over fakes: the material of the KMS key, now or every so many days."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.wizard.commands.rotate.stack_world import World
from tests.wizard.fakes.clients import KEY, MULTI_KEY, multi_region, step
from wizard.core.errors import Cancelled, PermissionDenied, ResourceError, UsageError
from wizard.core.models.rotation import KeyRotations, Rotation

PERIOD = step("update", changed=("rotationPeriodInDays",))
OTHER = step("update", "aws:cloudtrail/trail:Trail", "audit-trail", changed=("isLogging",))


def rotated(*kinds: str, **more: Any) -> KeyRotations:
    """Rotations, `a`utomatic or on `d`emand."""
    done = tuple(
        Rotation(at=datetime(2026, month, 1, tzinfo=UTC), on_demand=kind == "d") for month, kind in enumerate(kinds, 1)
    )
    told: dict[str, Any] = {"enabled": True, "period_days": 365, "next_at": datetime(2027, 1, 1, tzinfo=UTC)}
    return KeyRotations(**{**told, "rotations": done, **more})


@pytest.fixture
def world() -> World:
    made = World()
    made.key_rotation.told = rotated(on_demand_limit=25)
    made.engine.steps = (PERIOD, step("same"))

    def up(stack: str, on_progress: object) -> object:
        made.log.append("engine.up")
        assert made.engine.prepared is not None
        made.key_rotation.told = replace(
            made.key_rotation.told, enabled=True, period_days=made.engine.prepared.rotation_period_days
        )
        return made.outputs

    made.engine.up = up  # type: ignore[method-assign, assignment]
    return made


# --- now


def test_the_material_is_rotated_and_nothing_else(world: World) -> None:
    told = world.run("rotate", "--cmk", yes=True, confirm=None)
    assert world.changes() == [f"keyring.rotate_on_demand {KEY}"]
    assert (told["action"], told["changed"], len(told["rotations"]["done"])) == ("cmk", True, 1)
    assert told["versions"] == []


def test_what_is_left_of_the_limit_is_told(world: World) -> None:
    world.key_rotation.told = rotated("a", "d", "d", on_demand_limit=25)
    told = world.run("rotate", "--cmk", yes=True, confirm=None)
    assert "rotations on demand left: 23 of 25" in world.ui.said
    assert told["rotations"]["onDemandLeft"] == 22


def test_a_limit_that_is_reached_is_told_before_anything_is_tried(world: World) -> None:
    world.key_rotation.told = rotated("d", "d", on_demand_limit=2)
    with pytest.raises(ResourceError, match="all of its 2 rotations on demand"):
        world.run("rotate", "--cmk", yes=True)
    assert world.changes() == []


def test_one_that_is_under_way_counts_and_is_waited_for(world: World) -> None:
    started = rotated("d", on_demand_limit=2, on_demand_started=datetime(2026, 5, 1, tzinfo=UTC))
    assert started.on_demand_left == 0
    world.key_rotation.told = started
    with pytest.raises(ResourceError, match="is in progress"):
        world.run("rotate", "--cmk", yes=True)
    assert world.changes() == []


@pytest.mark.parametrize(
    ("done", "word"),
    [
        ("", r"rotation 1 of the key: it costs \$1 a month more"),
        ("a", r"rotation 2 of the key: it costs \$1 a month more"),
        ("aa", "costs nothing"),
        ("adadd", "costs nothing"),
    ],
)
def test_the_first_two_rotations_cost_a_dollar_a_month_each(world: World, done: str, word: str) -> None:
    world.key_rotation.told = rotated(*done, on_demand_limit=25)
    world.run("rotate", "--cmk", yes=True)
    (told,) = (line for line in world.ui.said if line.startswith("cost:"))
    assert re.search(word, told)


def test_it_takes_a_yes(world: World) -> None:
    with pytest.raises(Cancelled) as refused:
        world.run("rotate", "--cmk", confirm=None)
    assert "rotate --cmk --stack production --yes" in refused.value.hint
    assert world.changes() == []


def test_a_person_who_says_no_rotates_nothing(world: World) -> None:
    world.ui.interactive = True
    world.ui.confirms = [False]
    with pytest.raises(Cancelled):
        world.run("rotate", "--cmk", confirm=None)
    assert world.changes() == []


def test_of_a_multi_region_key_the_primary_alone_is_rotated() -> None:
    world = World(multi_region())
    world.run("rotate", "--cmk", yes=True)
    assert world.changes() == [f"keyring.rotate_on_demand {MULTI_KEY}"]
    assert any("new material to the replicas" in line for line in world.ui.said)


# --- every so many days


def test_the_period_is_the_stacks_setting_and_its_update(world: World) -> None:
    told = world.run("rotate", "--schedule", "180", yes=True, confirm=None)
    assert world.changes() == ["engine.prepare", "engine.up"]
    assert world.engine.prepared == world.settings.model_copy(update={"rotation_period_days": 180})
    assert (told["changed"], told["rotations"]["periodDays"]) == (True, 180)
    assert "Pulumi.production.yaml" in str(told["next"][0])


def test_the_period_is_set_where_the_past_rotations_may_not_be_read(world: World) -> None:
    world.key_rotation.failures["rotations"] = PermissionDenied("the caller is not allowed kms:ListKeyRotations", "")
    told = world.run("rotate", "--schedule", "180", yes=True, confirm=None)
    assert (told["changed"], told["rotations"]) == (True, None)
    assert "its past rotations cannot be read" in "\n".join(world.ui.said)


def test_a_state_that_an_unfinished_update_made_wrong_is_no_ground_for_a_plan(world: World) -> None:
    pending = (step("incomplete", "aws:kms/key:Key", "phi-key"),)
    world.engine.stack_state = replace(world.engine.stack_state, pending=pending)
    with pytest.raises(ResourceError, match="did not finish") as refused:
        world.run("rotate", "--schedule", "180", yes=True)
    assert "python -m wizard setup" in str(refused.value.hint)
    assert world.changes() == []


def test_an_update_of_the_key_that_was_killed_is_resumed_by_the_same_command(world: World) -> None:
    pending = (step("updating", "aws:kms/key:Key", "phi-key"),)
    world.engine.stack_state = replace(world.engine.stack_state, pending=pending)
    world.settings = world.settings.model_copy(update={"rotation_period_days": 180})
    world.key_rotation.told = rotated(period_days=180)
    told = world.run("rotate", "--schedule", "180", yes=True)
    assert world.log.index("engine.recover") < world.log.index("engine.preview") < world.log.index("engine.up")
    assert told["rotations"]["periodDays"] == 180


@pytest.mark.parametrize("days", ("89", "2561", "0", "-5"))
def test_what_kms_does_not_take_is_refused(world: World, days: str) -> None:
    with pytest.raises(UsageError, match="90 to 2560 days"):
        world.run("rotate", "--schedule", days, yes=True)
    assert world.changes() == []


def test_the_period_that_it_has_changes_nothing(world: World) -> None:
    told = world.run("rotate", "--schedule", "365", confirm=None)
    assert (told["changed"], world.changes()) == (False, [])


def test_a_rotation_that_was_switched_off_past_the_stack_is_switched_on(world: World) -> None:
    world.key_rotation.told = rotated(enabled=False, period_days=None, next_at=None)
    told = world.run("rotate", "--schedule", "365", yes=True)
    assert told["rotations"]["enabled"] is True
    assert "engine.up" in world.log


def test_what_else_would_change_is_named(world: World) -> None:
    world.engine.steps = (PERIOD, OTHER)
    world.run("rotate", "--schedule", "180", yes=True)
    (line,) = (line for line in world.ui.said if "audit-trail" in line)
    assert "not the rotation" in line
    assert "1 other pending change(s) would be applied, too" in world.ui.said


def test_an_update_that_would_replace_something_else_is_refused_and_the_settings_stay(world: World) -> None:
    world.engine.steps = (PERIOD, step("replace", "aws:s3/bucket:Bucket", "logs"))
    with pytest.raises(ResourceError, match="delete or replace another resource"):
        world.run("rotate", "--schedule", "180", yes=True)
    assert world.engine.written is None
    assert "engine.up" not in world.log


def test_without_a_yes_the_settings_stay_as_they_are(world: World) -> None:
    with pytest.raises(Cancelled):
        world.run("rotate", "--schedule", "180", confirm=None)
    assert world.engine.written is None
    assert "engine.up" not in world.log


# --- the command line


@pytest.mark.parametrize("words", ((), ("--cmk", "--data-key"), ("--promote", "x", "--reencrypt", "y")))
def test_rotate_takes_one_of_five(world: World, words: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="rotate needs one of --cmk, --schedule DAYS"):
        world.run("rotate", *words)
    assert world.log == []
