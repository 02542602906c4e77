"""What the program asks the engine for, configuration by configuration, against the list that was reviewed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from components.settings import Settings
from tests.components.configurations import ADOPTED, CONFIGURATIONS
from tests.golden import compare, line_differences

GOLDEN = Path(__file__).parent / "golden" / "program"
BASE = "vercel"
"""The configuration whose resources are listed in full. Of each other one what it adds, and what it lacks."""
COMPONENTS = {
    "eonpro:kms:AppPrincipal": "app-principal",
    "eonpro:kms:PhiKey": "phi-key",
    "eonpro:kms:AppAccess": "app-access",
    "eonpro:kms:DocumentsKey": "documents-key",
    "eonpro:kms:AuditTrail": "audit-trail",
    "eonpro:kms:Alerts": "alerts",
    "eonpro:kms:Delivery": "delivery",
}
KEPT = {
    "aws:kms/key:Key",
    "aws:kms/alias:Alias",
    "aws:kms/replicaKey:ReplicaKey",
    "aws:s3/bucket:Bucket",
}

Recorded = Callable[[str], Any]
EACH = pytest.mark.parametrize("name", CONFIGURATIONS)


def _inventory(recording: Any) -> str:
    """The resources as text: each component and its children, by type and name, with what keeps them as they are."""
    lines = []
    components = (one for one in recording.resources if one.type in COMPONENTS)
    # The engine is asked in no fixed order.
    for component in sorted(components, key=lambda one: list(COMPONENTS).index(one.type)):
        lines.append(f"{component.type} {component.name}\n")
        children = [one for one in recording.resources if one.parent == component.type]
        lines += sorted(f"  {' '.join([one.type, one.name, *_how(one)])}\n" for one in children)
    return "".join(lines)


def _how(one: Any) -> Iterator[str]:
    if "region" in one.inputs:
        yield f"in={one.inputs['region']}"
    if one.protected:
        yield "protected"
    if one.retained:
        yield "retained"
    if one.imported:
        yield f"imports={one.imported}"
    if one.ignored:
        yield f"ignores={','.join(sorted(one.ignored))}"


@EACH
def test_the_program_asks_for_exactly_what_was_reviewed(recorded: Recorded, name: str) -> None:
    """A type or a name that changes is another URN: the engine would delete what bears the old one.

    To take a change over: UPDATE_GOLDEN=1, which fails for every file it changes; then review the diff.
    """
    text = _inventory(recorded(name))
    compare(GOLDEN / f"{name}.txt", text if name == BASE else line_differences(_inventory(recorded(BASE)), text))


@EACH
def test_every_resource_is_the_child_of_a_component_and_those_are_the_stack_s(recorded: Recorded, name: str) -> None:
    for one in recorded(name).resources:
        if one.type in COMPONENTS:
            assert (one.name, one.parent) == (COMPONENTS[one.type], "pulumi:pulumi:Stack")
        else:
            assert one.parent in COMPONENTS, one.urn


@EACH
def test_keys_aliases_and_buckets_are_protected_and_retained_in_every_configuration(
    recorded: Recorded, name: str
) -> None:
    kept = [one for one in recorded(name).resources if one.type in KEPT or one.type.startswith("aws:s3/")]
    assert kept
    assert [one.urn for one in kept if not (one.protected and one.retained)] == []


@EACH
def test_the_trail_goes_on_whoever_takes_the_stack_away_in_every_configuration(recorded: Recorded, name: str) -> None:
    trails = recorded(name).all("aws:cloudtrail/trail:Trail")
    assert len(trails) == (name != "existing-trail")
    assert all(trail.protected and trail.retained for trail in trails)


@EACH
def test_every_component_registers_its_outputs(recorded: Recorded, name: str) -> None:
    recording = recorded(name)
    told = {one.type for one in recording.resources if one.type in COMPONENTS}
    assert set(recording.component_outputs) == {*told, "pulumi:pulumi:Stack"}
    assert all(recording.component_outputs.values())


SECRET_HOLDERS = re.compile("accesskey|parameter|secretversion|servicespecific|loginprofile|random", re.IGNORECASE)
SECRET_WORDS = re.compile("secret(?!s?manager)|password|token|private|ciphertext", re.IGNORECASE)


@EACH
def test_no_configuration_makes_what_would_keep_a_secret_in_the_state(recorded: Recorded, name: str) -> None:
    recording = recorded(name)
    assert [one.type for one in recording.resources if SECRET_HOLDERS.search(one.type.rpartition(":")[2])] == []
    assert [path for one in recording.resources for path in _names(one.inputs) if SECRET_WORDS.search(path)] == []
    # An access key id, or base64 as long as a wrapped data key.
    secret = re.compile(r"\b(AKIA|ASIA)[A-Z0-9]{16}\b|[A-Za-z0-9+/]{100,}={0,2}")
    assert [one.urn for one in recording.resources if secret.search(str(one.inputs))] == []


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from _names(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _names(inner)


@EACH
def test_all_that_takes_tags_has_those_of_the_settings(recorded: Recorded, name: str) -> None:
    environment = "Staging" if name == "staging" else "Production"
    for one in recorded(name).resources:
        tags = one.inputs.get("tags")
        if tags is not None:
            assert tags.items() >= {"Application": "EONPRO", "Environment": environment}.items(), one.urn


def test_what_is_kept_as_found_is_not_touched_by_an_update(recorded: Recorded) -> None:
    recording = recorded("adopted-kept-as-found")
    key = recording.called("aws:kms/key:Key", "phi-key")
    assert key.ignored >= {"policy", "description", "tags", "enableKeyRotation", "rotationPeriodInDays"}
    assert recording.named("eonpro-app-role").ignored >= {"assumeRolePolicy", "description", "tags"}
    assert recording.named("EONPROKMSAccess").ignored >= {"policy", "description", "tags"}
    assert recording.one("aws:cloudtrail/trail:Trail").ignored >= {"s3BucketName", "kmsKeyId", "eventSelectors", "tags"}
    assert recording.called("aws:s3/bucket:Bucket", "audit-trail").ignored >= {"tags"}
    changed = {one.type for one in recording.resources if one.type.startswith("aws:s3/")}
    assert changed == {"aws:s3/bucket:Bucket"}, "what guards a bucket would change one that is kept as found"


@pytest.mark.parametrize(
    ("part", "types"),
    [
        ("key", {"aws:kms/key:Key"}),
        ("application-role", {"aws:iam/role:Role"}),
        ("application-policy", {"aws:iam/policy:Policy"}),
        ("trail", {"aws:cloudtrail/trail:Trail"}),
    ],
)
def test_each_part_is_kept_as_found_by_itself(run_program: Any, part: str, types: set[str]) -> None:
    recording = run_program(**ADOPTED, keptAsFound=[part])
    kept = {one.type for one in recording.resources if one.ignored - {"description"}}
    assert kept == types


@EACH
def test_each_configuration_is_one_that_the_contract_takes(recorded: Recorded, name: str) -> None:
    assert recorded(name).log == []


def test_the_configurations_leave_no_setting_of_the_account_s_untried() -> None:
    """All but what changes nothing in AWS, or a number or a name alone."""
    tried = {key for changes in CONFIGURATIONS.values() for key in changes}
    elsewhere = {
        "accountId",
        "rotationPeriodDays",
        "usageGuardDays",
        "trailRetentionDays",
        "backupMaxAgeDays",
        "recordTables",
        "ecsCluster",
        "ecsService",
        "application",
        "eksNamespace",
        "eksServiceAccount",
        "variableNames",
    }
    fields = {field.alias for field in Settings.model_fields.values()} - {"region"}
    assert fields - tried - elsewhere - {"vercelTeam", "vercelProject"} == set()
