"""What the real AWS provider records, under all that reads it: the pack, the state's reader, recovery, the stand-in.

Touches an endpoint of moto's, which the stand-in asks who it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import pulumi.runtime  # noqa: F401  # before the stand-in registers it without its functions
import pytest
from google.protobuf.json_format import MessageToDict

from guardrails.rules import RULES, STACK_RULES
from sandbox.pulumi_plugins.protocol import provider_pb2
from sandbox.pulumi_plugins.provider import shapes
from sandbox.pulumi_plugins.provider.resources import RESOURCE_TYPES
from sandbox.pulumi_plugins.provider.schema import resource_schema
from sandbox.pulumi_plugins.provider.values import to_struct
from tests.components.conftest import KEY_ID, Recording
from tests.components.conftest import run_program as run_program
from tests.guardrails.planned import COMPONENTS, Stack, as_input, planned
from tests.recordings.stacks import STACKS, WITH_OUTPUTS, given, in_this_form, of_the_mock, recorded
from tests.sandbox.pulumi_plugins.engine_project import CREDENTIALS, REGION
from tests.sandbox.pulumi_plugins.provider.operations import differences
from tests.sandbox.pulumi_plugins.provider_client import ProviderClient
from wizard.core.models.account import UnrecordedResource
from wizard.pulumi_engine.plan import stack_state, with_unrecorded

OTHERWISE = {
    ".forceDestroy": "of rules and targets, version 7 has it",
    ".__defaults": "with it",
    ".objectSizeGreaterThan": "text in 5.46, a number in version 7",
    ".objectSizeLessThan": "text in 5.46, a number in version 7",
    ".newerNoncurrentVersions": "text in 5.46, a number in version 7",
    ".okActions": "null until the first refresh",
    ".insufficientDataActions": "null until the first refresh",
    ".bucketKeyEnabled": "null until the first refresh",
    ".token": "a secret, encrypted",
    ".rules[].filter": "the test takes an empty one for none",
}
"""Where the stand-in differs from the recordings, by the end of the path, and why."""


@pytest.fixture(scope="module")
def stand_in(moto_url: str) -> Iterator[ProviderClient]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": moto_url}.items():
            patch.setenv(name, value)
        yield ProviderClient(region=REGION)


@pytest.fixture(scope="module")
def built(run_program: Callable[..., Recording]) -> Callable[[str], Stack]:
    @cache
    def build(name: str) -> Stack:
        return planned(run_program(**STACKS[name]), **STACKS[name])

    return build


def in_the_providers_form(stack: Stack, name: str, *parts: str) -> Stack:
    """What the program registers now, as the real provider recorded it of this stack: inputs alone, or outputs too."""
    found = of_the_mock(name)
    result = []
    for resource in stack:
        props: Any = dict(resource.props)
        for part in parts:
            props = in_this_form(found.get((resource.type, resource.name), {}).get(part, {}), props)
        result.append(replace(resource, props=props))
    return result


@pytest.mark.parametrize("name", STACKS)
def test_the_recordings_are_of_what_the_program_registers(name: str, built: Callable[[str], Stack]) -> None:
    registered = {(each.type, each.name) for each in built(name) if not each.type.startswith(COMPONENTS)}

    assert set(of_the_mock(name)) == registered


@pytest.mark.parametrize("name", STACKS)
def test_the_pack_takes_what_the_real_provider_records(name: str, built: Callable[[str], Stack]) -> None:
    inputs = in_the_providers_form(built(name), name, "inputs")
    outputs = in_the_providers_form(built(name), name, "outputs", "inputs")

    assert any("__defaults" in each.props.get("versioningConfiguration", "") for each in inputs) or "trail" in name
    assert [violation for each in inputs for rule in RULES for violation in rule.violations(as_input(each))] == []
    assert [violation for rule in STACK_RULES for violation in rule.check(outputs)] == []


@pytest.mark.parametrize("name", STACKS)
def test_the_stand_in_checks_inputs_as_the_real_provider_does(name: str, stand_in: ProviderClient) -> None:
    for resource in recorded(name):
        urn, news = stand_in.urn(resource["type"], resource["name"]), to_struct(given(resource["inputs"]))
        answer = stand_in.provider.Check(provider_pb2.CheckRequest(urn=urn, news=news), stand_in.context)
        different = list(differences(resource["inputs"], MessageToDict(answer.inputs)))
        assert not answer.failures
        assert not [each for each in different if not each[0].endswith(tuple(OTHERWISE)[:2])], urn
        assert not different or resource["type"].startswith("aws:cloudwatch/event"), urn


@pytest.mark.parametrize("name", WITH_OUTPUTS)
def test_the_stand_in_completes_outputs_as_the_real_provider_does(name: str) -> None:
    for resource in recorded(name):
        schema, never_read = resource_schema(resource["type"]), RESOURCE_TYPES[resource["type"]].write_only
        outputs = {each: value for each, value in resource["outputs"].items() if each in schema.outputs}
        completed = {
            each: value if each in never_read else shapes.completed(shapes.without_empty(value), schema.outputs[each])
            for each, value in outputs.items()
        }
        different = [path for path, recorded_value, _ in differences(outputs, completed) if recorded_value is not None]
        assert not [path for path in different if not path.endswith(tuple(OTHERWISE))], resource["type"]


def deployment(name: str, built: Callable[[str], Stack]) -> dict[str, Any]:
    """The state of a recorded stack."""
    found = of_the_mock(name)
    resources = [
        {"urn": each.urn, "custom": True, "protect": each.protected, **found[each.type, each.name]}
        for each in built(name)
        if (each.type, each.name) in found
    ]
    return {"resources": [{key: part for key, part in each.items() if key != "name"} for each in resources]}


@pytest.mark.parametrize("name", WITH_OUTPUTS)
def test_the_state_is_read_as_it_is_without_the_names_of_the_engine(name: str, built: Callable[[str], Stack]) -> None:
    state = deployment(name, built)
    plain = {"resources": [{**each, "inputs": without_engine_names(each["inputs"])} for each in state["resources"]]}

    read = stack_state(state)

    assert read.has_key and not read.pending
    assert "alias/eonpro-phi-key" in read.owned and any(each.endswith(f":key/{KEY_ID}") for each in read.owned)
    assert read.digest == stack_state(plain).digest


def without_engine_names(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_engine_names(part) for name, part in value.items() if not name.startswith("__")}
    return [without_engine_names(part) for part in value] if isinstance(value, list) else value


def test_a_creation_that_the_state_lacks_is_found_among_what_the_real_provider_planned(
    built: Callable[[str], Stack],
) -> None:
    state = deployment("vercel-ecs-documents", built)
    of_kind = {"aws:kms/alias:Alias": "name", "aws:iam/role:Role": "name", "aws:s3/bucket:Bucket": "bucket"}
    lost = [each for each in state["resources"] if each["type"] in of_kind]
    rest = [each for each in state["resources"] if each not in lost]
    creations = [{**each, "provider": "urn:pulumi:providers::aws::1", "id": None} for each in lost]
    unrecorded = [
        UnrecordedResource(
            type=each["type"], name=each["inputs"][of_kind[each["type"]]], region=REGION, id=each["id"], arn=each["id"]
        )
        for each in lost
    ]

    found = with_unrecorded({"resources": rest}, creations, unrecorded)["resources"]

    assert {(each["urn"], each["id"]) for each in found} == {(each["urn"], each["id"]) for each in state["resources"]}
    assert all(each["inputs"] == new["inputs"] for each in lost for new in found if new["urn"] == each["urn"])
