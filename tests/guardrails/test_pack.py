"""The policy pack as the engine starts it: a program for a directory, which receives resources over gRPC."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import grpc
import pytest
import yaml
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc
from pulumi_policy.proxy import UNKNOWN_BOOLEAN_VALUE, UNKNOWN_STRING_VALUE

from guardrails.rules import types
from tests.components.configurations import AS_TEXT
from tests.guardrails.planned import PROVIDER
from tests.guardrails.test_rules import POLICY

PACK = Path(__file__).resolve().parents[2] / "guardrails"
KEY = types.KEY
BUILT = {
    "enableKeyRotation": True,
    "rotationPeriodInDays": 365,
    "deletionWindowInDays": 30,
    "policy": POLICY,
    "tags": {"Application": "EONPRO", "Environment": "Production"},
}
MANDATORY = analyzer_pb2.MANDATORY


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[analyzer_pb2_grpc.AnalyzerStub]:
    # Started in another folder: the engine's working directory is not specified.
    command = [sys.executable, "-u", "-m", "pulumi.policy", "127.0.0.1:1", str(PACK)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path_factory.mktemp("elsewhere"))
    assert process.stdout is not None
    try:
        port = int(process.stdout.readline())
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield analyzer_pb2_grpc.AnalyzerStub(channel)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def pack(started: analyzer_pb2_grpc.AnalyzerStub) -> analyzer_pb2_grpc.AnalyzerStub:
    """The pack with the settings of the plain stack."""
    configure(started, AS_TEXT)
    return started


def configure(pack: analyzer_pb2_grpc.AnalyzerStub, configuration: Mapping[str, str]) -> None:
    pack.ConfigureStack(
        analyzer_pb2.AnalyzerStackConfigureRequest(stack="production", project="p", config=configuration)
    )


def diagnostics_of(
    pack: analyzer_pb2_grpc.AnalyzerStub,
    changes: Mapping[str, object],
    type_: str = KEY,
    name: str = "phi-key",
    provider: str = PROVIDER,
    **options: object,
) -> list[tuple[str, int]]:
    """Policy and enforcement level of each diagnostic for the key of the stack with these changes of its inputs."""
    properties = struct_pb2.Struct()
    properties.update({**BUILT, **changes})
    response = pack.Analyze(
        analyzer_pb2.AnalyzeRequest(
            type=type_,
            name=name,
            urn=f"urn:pulumi:production::eonpro-kms::{type_}::{name}",
            properties=properties,
            options=analyzer_pb2.AnalyzerResourceOptions(**{"protect": True, **options}),  # type: ignore[arg-type]
            provider=analyzer_pb2.AnalyzerProviderResource(type="pulumi:providers:aws", urn=provider),
        )
    )
    return [(each.policyName, each.enforcementLevel) for each in response.diagnostics]


def test_the_pack_declares_every_rule_as_mandatory(pack: analyzer_pb2_grpc.AnalyzerStub) -> None:
    policies = pack.GetAnalyzerInfo(empty_pb2.Empty()).policies
    assert {policy.name: policy.enforcementLevel for policy in policies} == dict.fromkeys(
        (
            "listed-resources",
            "listed-access",
            "no-wildcard-principal",
            "resource-protection",
            "phi-key-rotation",
            "phi-key-enabled",
            "phi-key-deletion-window",
            "phi-key-policy-lockout-check",
            "trail-complete",
            "trail-bucket-private",
            "trail-bucket-tls",
            "trail-bucket-versioned",
            "trail-bucket-encrypted",
            "trail-retention",
            "trail-object-lock",
            "required-resources",
        ),
        MANDATORY,
    )


def test_the_key_of_the_stack_passes_and_another_one_does_not(pack: analyzer_pb2_grpc.AnalyzerStub) -> None:
    assert diagnostics_of(pack, {}) == []
    assert diagnostics_of(pack, {}, name="more") == [("listed-resources", MANDATORY)]


def test_the_pack_has_the_settings_of_the_stack_that_the_engine_sends(
    started: analyzer_pb2_grpc.AnalyzerStub,
) -> None:
    """The private class of the SDK that guardrails/stack_settings.py extends is still what the engine calls."""
    configure(started, {})
    assert diagnostics_of(started, {}) == [("listed-resources", MANDATORY)]
    configure(started, {**AS_TEXT, "eonpro-kms:rotationPeriodDays": "180"})
    assert diagnostics_of(started, {}) == [("phi-key-rotation", MANDATORY)]
    assert diagnostics_of(started, {"rotationPeriodInDays": 180}) == []


def test_options_are_no_way_round(pack: analyzer_pb2_grpc.AnalyzerStub) -> None:
    assert diagnostics_of(pack, {}, protect=False) == [("resource-protection", MANDATORY)]
    assert diagnostics_of(pack, {"enableKeyRotation": False}, ignoreChanges=["enableKeyRotation"]) == [
        ("listed-resources", MANDATORY),
        ("phi-key-rotation", MANDATORY),
    ]
    alias = "urn:pulumi:production::eonpro-kms::eonpro:kms:AuditTrail$aws:kms/key:Key::audit-trail-key"
    assert diagnostics_of(pack, {}, aliases=[alias]) == [("listed-resources", MANDATORY)]
    explicit = PROVIDER.replace("default_7_51_1", "theirs")
    assert diagnostics_of(pack, {}, provider=explicit) == [("listed-resources", MANDATORY)]


def test_every_violation_is_reported(pack: analyzer_pb2_grpc.AnalyzerStub) -> None:
    changes = {"deletionWindowInDays": 7, "bypassPolicyLockoutSafetyCheck": True}
    assert diagnostics_of(pack, changes) == [
        ("phi-key-deletion-window", MANDATORY),
        ("phi-key-policy-lockout-check", MANDATORY),
    ]


def test_an_unknown_value_is_reported_and_hides_no_other_rule(pack: analyzer_pb2_grpc.AnalyzerStub) -> None:
    changes = {
        "enableKeyRotation": UNKNOWN_BOOLEAN_VALUE,
        "deletionWindowInDays": 7,
        "policy": UNKNOWN_STRING_VALUE,
    }
    assert diagnostics_of(pack, changes) == [
        ("listed-access", analyzer_pb2.ADVISORY),
        ("no-wildcard-principal", analyzer_pb2.ADVISORY),
        ("phi-key-rotation", analyzer_pb2.ADVISORY),
        ("phi-key-deletion-window", MANDATORY),
    ]


def stack_resource(type_: str, name: str, **dependencies: str) -> analyzer_pb2.AnalyzerResource:
    """A resource of a stack that is yet to be made, with the URN that each of these inputs depends on."""
    properties = struct_pb2.Struct()
    properties.update({"keyId": UNKNOWN_STRING_VALUE} | dict.fromkeys(dependencies, UNKNOWN_STRING_VALUE))
    return analyzer_pb2.AnalyzerResource(
        type=type_,
        name=name,
        urn=f"urn:pulumi:production::p::{type_}::{name}",
        properties=properties,
        options=analyzer_pb2.AnalyzerResourceOptions(protect=True),
        provider=analyzer_pb2.AnalyzerProviderResource(type="pulumi:providers:aws", urn=PROVIDER),
        propertyDependencies={
            setting: analyzer_pb2.AnalyzerPropertyDependencies(urns=[urn]) for setting, urn in dependencies.items()
        },
    )


def test_the_stack_rule_uses_the_dependencies_of_the_resources(pack: analyzer_pb2_grpc.AnalyzerStub) -> None:
    own, other = stack_resource(KEY, "phi-key"), stack_resource(KEY, "audit-trail-key")
    found = {}
    for target in (own, other):
        alias = stack_resource(types.ALIAS, "phi-key", targetKeyId=target.urn)
        request = analyzer_pb2.AnalyzeStackRequest(resources=[own, other, alias])
        diagnostics = pack.AnalyzeStack(request).diagnostics
        assert {(each.policyName, each.enforcementLevel) for each in diagnostics} == {("required-resources", MANDATORY)}
        found[target.name] = [each.message for each in diagnostics if each.urn == alias.urn]
    assert found["phi-key"] == [] and "no other key" in found["audit-trail-key"][0]


def test_a_stack_with_nothing_in_it_is_refused(pack: analyzer_pb2_grpc.AnalyzerStub) -> None:
    root = analyzer_pb2.AnalyzerResource(
        type="pulumi:pulumi:Stack", name="s", urn="urn:pulumi:production::p::pulumi:pulumi:Stack::s"
    )
    diagnostics = pack.AnalyzeStack(analyzer_pb2.AnalyzeStackRequest(resources=[root])).diagnostics
    assert "The stack has no Key phi-key, which its settings ask for" in diagnostics[0].message


def test_the_pack_is_a_python_pack_with_a_version() -> None:
    declared = yaml.safe_load((PACK / "PulumiPolicy.yaml").read_text(encoding="utf-8"))
    assert declared["runtime"] == "python" and declared["version"] == "0.3.0"
