"""The program's resources pass every guardrail, for all variants of the settings; nothing of it can be left out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from guardrails.rules import STACK_RULES, statements
from guardrails.rules.row import Document
from guardrails.rules.table import rows_of
from tests.components.configurations import CONFIGURATIONS
from tests.components.conftest import Recording
from tests.components.conftest import run_program as run_program
from tests.guardrails.harms import HARMS
from tests.guardrails.planned import COMPONENTS, Stack, as_input, planned, refusals, refusals_of, root_of
from tests.guardrails.test_harms import settings_of
from tests.selection import always, first

VARIANTS: dict[str, dict[str, Any]] = {
    **CONFIGURATIONS,
    **{f"of a harm: {sorted(harm.config)}": settings_of(harm) for harm in HARMS if harm.config},
    "irsa, replicas and Secrets Manager": {
        **CONFIGURATIONS["eks-irsa"],
        "multiRegion": True,
        "replicaRegions": ["us-west-2", "eu-west-1"],
        "secretStore": "secrets-manager",
        "hashKey": True,
    },
    "replicas without IAM's Region": {"aws:region": "eu-west-1", "multiRegion": True, "replicaRegions": ["eu-west-2"]},
    "China": {
        "aws:region": "cn-north-1",
        "administrators": ["arn:aws-cn:iam::111122223333:role/admin"],
        **CONFIGURATIONS["ecs"],
        "documentBuckets": ["clinic-documents"],
        "documentsKey": True,
    },
    "bucket in the account's namespace": {
        "trailBucket": "eonpro-cloudtrail-logs-111122223333-us-east-1-an",
    },
    "another application, with everything": {
        "application": "clinic",
        **CONFIGURATIONS["every-target"],
        **CONFIGURATIONS["full-audit"],
        "hashKey": True,
        "documentBuckets": ["clinic-documents"],
        "documentsKey": True,
    },
    "another application, in Secrets Manager": {
        "application": "clinic",
        "environment": "staging",
        **CONFIGURATIONS["eks-irsa"],
        "multiRegion": True,
        "replicaRegions": ["eu-west-1"],
        "secretStore": "secrets-manager",
    },
    "no guard of use": {"usageGuardDays": 0, "trailArchiveDays": 0, "trailRetentionDays": 2192},
}

BROAD = ("another application, with everything", "irsa, replicas and Secrets Manager", "vercel")
"""Variants that have, together, every output."""


@pytest.fixture(scope="module")
def built(run_program: Callable[..., Recording]) -> Callable[[str], Stack]:
    @cache
    def build(variant: str) -> Stack:
        return planned(run_program(**VARIANTS[variant]), **VARIANTS[variant])

    return build


@pytest.mark.parametrize("variant", VARIANTS)
def test_everything_that_the_program_registers_passes_every_rule(variant: str, built: Callable[[str], Stack]) -> None:
    stack = built(variant)
    assert stack and list(refusals(stack)) == []


@pytest.mark.parametrize("asked, made", [("clinic", "eonpro"), ("eonpro", "clinic")])
def test_what_has_the_name_of_another_application_is_refused(
    run_program: Callable[..., Recording], asked: str, made: str
) -> None:
    changes = {**CONFIGURATIONS["full-audit"], "documentBuckets": ["clinic-documents"], "documentsKey": True}
    stack = planned(run_program(**changes, application=made), **changes, application=asked)
    accused = {resource.urn for resource in stack if list(refusals([resource]))}
    named = {resource.urn for resource in stack if made in str(resource.props.get("name", "")).lower()}
    assert named and not named - accused


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_table_gives_and_denies_no_more_than_the_documents_of_the_program(
    variant: str, built: Callable[[str], Stack]
) -> None:
    """The other way round: each line of the table is in the document, as it stands."""
    for resource in built(variant):
        assert resource.settings is not None
        row = rows_of(resource.settings).get((resource.type, resource.name))
        for name, table in row.documents.items() if row and not row.kept & resource.ignored else ():
            found = statements.read(resource.props[name])
            lines = [replace(line, without="the program") for line in table.may]
            # Keys that are named in full have their ids from the account.
            exact = [replace(line, on=tuple(found[0].resources)) if line.in_full else line for line in lines]
            assert list(statements.absent(found, Document(may=tuple(exact)))) == [], resource.urn
            for denied in table.denied:
                assert list(statements.undenied(found, replace(denied, is_least=False))) == [], resource.urn


def parts_less(pattern: Any) -> Iterator[Any]:
    """An event pattern without one value of one list, or without one part."""
    if isinstance(pattern, dict):
        for name, value in pattern.items():
            yield from ({**pattern, name: less} for less in parts_less(value))
    elif isinstance(pattern, list) and len(pattern) > 1:
        yield from ([*pattern[:index], *pattern[index + 1 :]] for index in range(len(pattern)))
        yield from (
            [*pattern[:index], less, *pattern[index + 1 :]]
            for index, value in enumerate(pattern)
            for less in parts_less(value)
        )


@pytest.mark.parametrize("variant", ["every-target", "replicas", "documents", "alerts-without-a-trail-key"])
def test_no_part_of_an_event_pattern_of_the_program_can_be_left_out(
    variant: str, built: Callable[[str], Stack]
) -> None:
    tried = 0
    for resource in built(variant):
        if not resource.type.endswith(":EventRule"):
            continue
        for less in parts_less(json.loads(resource.props["eventPattern"])):
            tried += 1
            changed = replace(resource, props={**resource.props, "eventPattern": json.dumps(less)})
            assert list(refusals_of(changed)), (resource.name, less)
    assert tried > 100


@pytest.mark.parametrize("variant", first(1, ["full-audit", "replicas", "every-target", "least-audit", "documents"]))
def test_no_resource_of_the_program_can_be_left_out(variant: str, built: Callable[[str], Stack]) -> None:
    stack = built(variant)
    for resource in stack:
        if not resource.type.startswith(COMPONENTS):
            found = {rule for rule, _ in refusals([each for each in stack if each is not resource])}
            assert "required-resources" in found, resource.urn


@pytest.mark.parametrize("variant", always(BROAD, VARIANTS))
def test_no_output_of_the_program_can_be_another(variant: str, run_program: Callable[..., Recording]) -> None:
    recording = run_program(**VARIANTS[variant])
    stack, root = planned(recording, **VARIANTS[variant]), root_of(recording, **VARIANTS[variant])

    def faults(**changes: object) -> list[str]:
        changed = replace(root, props={**root.props, **changes})
        return [text for rule in STACK_RULES for urn, text in rule.check([*stack, changed]) if urn == root.urn]

    assert faults() == []
    for name in root.props:
        for other in (f"{root.props[name]}x", [{"name": "X", "valueFrom": "theirs"}]):
            [fault] = faults(**{name: other})
            assert f"output {name} is " in fault, fault
    # Without these the wizard calls the stack's own key a stranger's, and restarts a service without its data key.
    for name in {"keyArn", "keyId", "replicaKeyArns", "documentsKeyArn"} & {*root.props}:
        assert root.props[name] == [] or "is missing" in "".join(faults(**{name: None})), name
    for less in root.props.get("taskSecrets", ()):
        assert "is left out" not in str(root.props) and faults(
            taskSecrets=[each for each in root.props["taskSecrets"] if each != less]
        )


def test_a_resource_that_is_there_twice_is_refused(built: Callable[[str], Stack]) -> None:
    stack = built("vercel")
    for resource in stack:
        if not resource.type.startswith(COMPONENTS):
            assert "required-resources" in {rule for rule, _ in refusals([*stack, resource])}, resource.urn


FREE = frozenset(
    (
        *("description", "alarmDescription", "tags", "forceDestroy", "rules", "inputTransformer", "state"),
        *("threshold", "retentionInDays"),
    )
)
"""Properties of which more than one value is right; those of the rest are in `test_harms`."""
DEFAULTS = ("", None)


@pytest.mark.parametrize("variant", ["full-audit", "replicas", "existing-user"])
def test_no_property_of_the_program_can_have_another_value(variant: str, built: Callable[[str], Stack]) -> None:
    stack, passed = built(variant), []
    for index, resource in enumerate(stack):
        for name, value in as_input(resource).props.items() if not resource.type.startswith(COMPONENTS) else ():
            for other in others(value) if name not in FREE | {"policy", "assumeRolePolicy"} else ():
                changed = replace(resource, props={**resource.props, name: other})
                is_refused = any(refusals_of(changed)) or any(refusals([*stack[:index], changed, *stack[index + 1 :]]))
                if not is_refused:
                    passed.append((resource.type, resource.name, name, other))
    assert [each for each in passed if each[3] not in DEFAULTS] == []
    # A value that is not set is refused too, where it is no default of AWS.
    defaults = {"customerMasterKeySpec", "keyUsage", "enableLogging", "includeGlobalServiceEvents"}
    assert {each[2] for each in passed} <= defaults


def others(value: Any) -> Iterator[Any]:
    """Other values of the same kind, and none."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float):
        yield from (value - 1, 0)
    elif isinstance(value, str):
        yield from (f"{value}x", "*", "")
    elif isinstance(value, dict):
        yield {}
        yield from ({**value, name: other} for name in value for other in others(value[name]) if other is not None)
    elif isinstance(value, list):
        yield from ([], [*value, "x"])
    yield None


@pytest.mark.parametrize("variant", ["full-audit", "replicas"])
def test_no_resource_of_the_program_can_have_one_more_property(variant: str, built: Callable[[str], Stack]) -> None:
    for resource in built(variant):
        if not resource.type.startswith(COMPONENTS):
            changed = replace(resource, props={**resource.props, "anythingElse": "x"})
            assert list(refusals_of(changed)), resource.urn
