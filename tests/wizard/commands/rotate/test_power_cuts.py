"""The power goes after every single write of every command that changes the key or the data key.

The same command again ends as one run without a cut does: nothing is missing, and nothing was done twice.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from components.settings import Settings
from tests.wizard.commands.rotate.stack_world import World
from tests.wizard.fakes.backup import VAULT_BUCKET
from tests.wizard.fakes.clients import KEY, OTHER_KEY, key_fact, multi_region, step, wrapped
from wizard.core.models.rotation import KeyRotations, Rotation

WRITES = (
    "cloud.make_",
    "cloud.write_",
    "cloud.deliver_",
    "vercel.deliver",
    "engine.up",
    "keyring.keep",
    "keyring.record_check_value",
    "keyring.reencrypt",
    "keyring.replace_current",
    "keyring.reserve_new",
    "keyring.rotate_on_demand",
    "backup_storage.create",
)
WHOLE = 99
"""More writes than any command makes."""


class PowerCut(BaseException):
    """The run ends here."""


class Log(list[str]):
    """The calls of all edges; the power goes at the first call after so many writes."""

    left: int = WHOLE

    def append(self, call: str) -> None:
        if self.left == 0:
            raise PowerCut
        super().append(call)
        self.left -= call.startswith(WRITES)


class CutWorld(World):
    """A stack whose power can go."""

    def __init__(self, wanted: Settings | None) -> None:
        super().__init__(wanted)
        self.power = Log()
        self.aws.keys[OTHER_KEY] = key_fact(OTHER_KEY)
        for edge in (self.aws, self.aws.backup_storage, self.vercel, self.engine, self.prover, self.ui):
            edge.log = self.power
        # The other Regions copied the old log.
        self.aws.elsewhere.clear()
        self.engine.steps = (step("update", changed=("rotationPeriodInDays",)),)
        build = self.aws.build

        def built(wanted: Settings) -> None:
            build(wanted)
            self.key_rotation.told = KeyRotations(enabled=True, period_days=wanted.rotation_period_days, next_at=None)

        self.aws.build = built  # type: ignore[method-assign]

    def left_behind(self) -> dict[str, Any]:
        """What all commands so far have left, without the names of new data keys, which differ between two stacks."""
        regions = {self.aws.region: self.aws, **self.aws.elsewhere}
        return {
            "versions": {
                name: sorted(
                    (version.origin, version.current, version.was_current, version.wrapped.check_value is not None)
                    for version in region.key_rotation.versions(self.settings)
                )
                for name, region in regions.items()
            },
            "is delivered": self.vercel.variables["ENCRYPTED_PHI_KEY"] == self.current.value,
            "rotations": len(self.key_rotation.told.rotations),
            "period": self.key_rotation.told.period_days,
            "objects": len(self.aws.backup_storage.objects),
        }


def new_data_key(world: World) -> str:
    return str(world.run("rotate", "--data-key")["fingerprint"])


def promoted(world: World, *before: str) -> None:
    if before:
        world.run(*before)
    world.run("rotate", "--promote", new_data_key(world), "--no-hash-columns", "--no-records")


def of_backup(world: World, folder: Path) -> tuple[str, ...]:
    file = str(folder / "one.backup.json")
    promoted(world, "backup", "--to", file)
    return "restore", "--from-backup", file


def of_version(world: World, folder: Path) -> tuple[str, ...]:
    promoted(world)
    return "restore", "--version", wrapped().fingerprint


COMMANDS: dict[str, Callable[[World, Path], tuple[str, ...]]] = {
    "rotate --cmk": lambda world, folder: ("rotate", "--cmk"),
    "rotate --schedule": lambda world, folder: ("rotate", "--schedule", "180"),
    "rotate --reencrypt": lambda world, folder: ("rotate", "--reencrypt", world.outputs.key_arn),
    "rotate --reencrypt, another key": lambda world, folder: ("rotate", "--reencrypt", OTHER_KEY),
    "rotate --data-key": lambda world, folder: ("rotate", "--data-key"),
    "rotate --promote": lambda world, folder: (
        "rotate",
        "--promote",
        new_data_key(world),
        "--no-hash-columns",
        "--no-records",
    ),
    "restore --version": of_version,
    "restore --from-backup": of_backup,
    "backup": lambda world, folder: ("backup", "--to", f"s3://{VAULT_BUCKET}/one.backup.json"),
    "push": lambda world, folder: ("push", "--redeploy"),
}
"""What prepares the stack for each command, and returns the command's words."""


@pytest.mark.parametrize("wanted", (None, multi_region()), ids=("one Region", "a replica"))
@pytest.mark.parametrize("prepare", COMMANDS.values(), ids=COMMANDS)
def test_the_same_command_after_a_power_cut_does_nothing_twice(
    prepare: Callable[[World, Path], tuple[str, ...]], wanted: Settings | None, tmp_path: Path
) -> None:
    def begun(name: str) -> tuple[CutWorld, tuple[str, ...]]:
        world, folder = CutWorld(wanted), tmp_path / name
        folder.mkdir()
        words = prepare(world, folder)
        world.vercel.variables["ENCRYPTED_PHI_KEY"] = world.current.value
        world.power.left = WHOLE
        return world, words

    whole, words = begun("whole")
    whole.run(*words, yes=True)
    writes = WHOLE - whole.power.left
    assert writes
    for cut in range(1, writes + 1):
        world, words = begun(f"cut after {cut}")
        world.power.left = cut
        # After the last write there may be no other call.
        with pytest.raises(PowerCut) if cut < writes else suppress(PowerCut):
            world.run(*words, yes=True)
        world.power.left = WHOLE
        world.now += timedelta(minutes=5)
        world.run(*words, yes=True)
        assert world.left_behind() == whole.left_behind(), f"after write {cut} of {writes}"


def test_a_rotation_that_the_first_run_could_not_report_is_reported_by_the_second(world: World) -> None:
    world.run("rotate", "--cmk", yes=True)
    world.now += timedelta(minutes=59)
    document = world.run("rotate", "--cmk", yes=True)
    assert (document["changed"], len(document["rotations"]["done"])) == (False, 1)
    assert any("rotated on demand at 12:00 UTC" in line for line in world.ui.said)
    world.now += timedelta(minutes=2)
    assert len(world.run("rotate", "--cmk", yes=True)["rotations"]["done"]) == 2


def test_after_another_rotation_the_data_key_is_wrapped_again(world: World) -> None:
    first = world.run("rotate", "--reencrypt", KEY)["fingerprint"]
    assert world.run("rotate", "--reencrypt", KEY)["fingerprint"] == first
    assert any(f"continues with {first}" in line for line in world.ui.said)
    rotated = world.key_rotation
    world.now += timedelta(days=365)
    rotated.told = KeyRotations(
        enabled=True, period_days=365, next_at=None, rotations=(Rotation(at=world.now, on_demand=False),)
    )
    assert world.run("rotate", "--reencrypt", KEY)["fingerprint"] != first
