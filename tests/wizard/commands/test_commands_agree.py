"""What several commands say of one fact is the same: the audit trail, and what the account costs a month."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.wizard.commands.report.test_collect import World, item
from tests.wizard.fakes.clients import OUTPUTS, settings
from wizard.commands.status import command as status
from wizard.core.models.stack_status import HealthStatus, ListedStack
from wizard.setup import checklist
from wizard.setup.checklist import ItemState

# --- the audit trail


def test_every_command_sees_a_trail_of_one_region_that_was_imported_as_it_was(tmp_path: Path) -> None:
    world = World(settings(adopted=("trail=eonpro-audit-trail",), kept_as_found=("trail",)), tmp_path)
    world.aws.trails = (replace(world.aws.trails[0], multi_region=False),)

    items = checklist.read(aws=world.aws, settings=world.settings, outputs=OUTPUTS, stored_data_key=None, proofs=())
    report = world.report()
    (row,) = status.read(
        world.clients(),
        {"production": world.settings},
        all_stacks=False,
        stack="production",
        list_stacks=lambda environment: (ListedStack(name="production", last_update=None, resources=9),),
    )

    evidence = "eonpro-audit-trail lacks: all Regions"
    assert items[4].state is ItemState.OPEN and items[4].evidence.startswith(evidence)
    assert item(report, 5).evidence.startswith(evidence)
    assert report.architecture.trail.logging is True
    assert report.doctor.findings is not None
    assert "trail-single-region" in {each.cause for each in report.doctor.findings}
    assert "trail-missing" not in {each.cause for each in report.doctor.findings}
    (trail,) = (look for look in row.looks if look.what == "trail")
    assert (trail.standing, trail.detail) == (HealthStatus.GOOD, "eonpro-audit-trail is logging")
