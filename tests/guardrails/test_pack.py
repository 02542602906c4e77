"""The policy pack as the engine starts it: a program for a directory, which receives resources over gRPC."""

from __future__ import annotations

import json
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

from components.policies.stack import key_policy_of
from components.settings import Settings
from guardrails.rules import resource_types as types
from tests.components.configurations import AS_TEXT
from tests.guardrails.resources import KEY_POLICY

PACK = Path(__file__).resolve().parents[2] / "guardrails"
KEY = "aws:kms/key:Key"


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[analyzer_pb2_grpc.AnalyzerStub]:
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


def diagnostics_of(pack: analyzer_pb2_grpc.AnalyzerStub, **inputs: object) -> list[tuple[str, int]]:
    """Policy and enforcement level of each diagnostic for a protected KMS key with these inputs."""
    return _analyze(pack, inputs, analyzer_pb2.AnalyzerResourceOptions(protect=True))


def _analyze(
    pack: analyzer_pb2_grpc.AnalyzerStub,
    inputs: Mapping[str, object],
    options: analyzer_pb2.AnalyzerResourceOptions,
    urn: str = f"urn:pulumi:s::p::{KEY}::phi",
) -> list[tuple[str, int]]:
    properties = struct_pb2.Struct()
    properties.update(inputs)
    response = pack.Analyze(
        analyzer_pb2.AnalyzeRequest(type=KEY, name="phi", urn=urn, properties=properties, options=options)
    )
    return [(each.policyName, each.enforcementLevel) for each in response.diagnostics]


def stack_resource(type_: str, name: str, parents: str = "", **dependencies: str) -> analyzer_pb2.AnalyzerResource:
    """A resource of a stack, with the URN that each of these inputs depends on."""
    return analyzer_pb2.AnalyzerResource(
        type=type_,
        name=name,
        urn=f"urn:pulumi:s::p::{parents}{type_}::{name}",
        properties=struct_pb2.Struct(),
        propertyDependencies={
            setting: analyzer_pb2.AnalyzerPropertyDependencies(urns=[urn]) for setting, urn in dependencies.items()
        },
    )


def test_the_pack_declares_every_rule_as_mandatory(pack: analyzer_pb2_grpc.AnalyzerStub) -> None:
    policies = pack.GetAnalyzerInfo(empty_pb2.Empty()).policies
    assert {policy.name: policy.enforcementLevel for policy in policies} == dict.fromkeys(
        (
            "phi-key-rotation",
            "phi-key-enabled",
            "phi-key-deletion-window",
            "phi-key-policy-lockout-check",
            "resource-protection",
            "no-wildcard-principal",
            "trust-policy-subject",
            "application-rights",
            "listed-access",
            "trail-bucket-private",
            "trail-bucket-tls",
            "trail-bucket-versioned",
            "trail-bucket-encrypted",
            "trail-retention",
            "trail-object-lock",
            "trail-complete",
            "application-single-policy",
            "required-resources",
        ),
        analyzer_pb2.MANDATORY,
    )


def test_a_key_of_this_project_passes(pack: analyzer_pb2_grpc.AnalyzerStub) -> None:
    built = {"enableKeyRotation": True, "rotationPeriodInDays": 365, "deletionWindowInDays": 30, "policy": KEY_POLICY}
    assert diagnostics_of(pack, **built) == []


def test_the_pack_has_the_settings_of_the_stack_that_the_engine_sends(pack: analyzer_pb2_grpc.AnalyzerStub) -> None:
    """The private class of the SDK that guardrails/stack_settings.py extends is still what the engine calls."""
    phi_key = f"urn:pulumi:s::p::{types.PHI_KEY}${KEY}::phi"
    built = {"enableKeyRotation": True, "policy": KEY_POLICY}
    options = analyzer_pb2.AnalyzerResourceOptions(protect=True)
    [(name, _)] = _analyze(pack, built, options, urn=phi_key)
    assert name == "listed-access"

    policy = key_policy_of(Settings.from_config(AS_TEXT))
    pack.ConfigureStack(analyzer_pb2.AnalyzerStackConfigureRequest(stack="s", project="p", config=AS_TEXT))
    try:
        assert _analyze(pack, {**built, "policy": json.dumps(policy)}, options, urn=phi_key) == []
    finally:
        pack.ConfigureStack(analyzer_pb2.AnalyzerStackConfigureRequest(stack="s", project="p"))


def test_a_key_without_rotation_is_refused(pack: analyzer_pb2_grpc.AnalyzerStub) -> None:
    assert diagnostics_of(pack, enableKeyRotation=False) == [("phi-key-rotation", analyzer_pb2.MANDATORY)]


def test_a_key_without_protection_is_refused(pack: analyzer_pb2_grpc.AnalyzerStub) -> None:
    diagnostics = _analyze(pack, {"enableKeyRotation": True}, analyzer_pb2.AnalyzerResourceOptions(protect=False))
    assert diagnostics == [("resource-protection", analyzer_pb2.MANDATORY)]


def test_two_violations_are_both_reported(pack: analyzer_pb2_grpc.AnalyzerStub) -> None:
    diagnostics = diagnostics_of(
        pack, deletionWindowInDays=7, enableKeyRotation=True, bypassPolicyLockoutSafetyCheck=True
    )
    assert diagnostics == [
        ("phi-key-deletion-window", analyzer_pb2.MANDATORY),
        ("phi-key-policy-lockout-check", analyzer_pb2.MANDATORY),
    ]


def test_an_unknown_value_is_reported_and_hides_no_other_rule(
    pack: analyzer_pb2_grpc.AnalyzerStub,
) -> None:
    diagnostics = diagnostics_of(
        pack, enableKeyRotation=UNKNOWN_BOOLEAN_VALUE, deletionWindowInDays=7, policy=UNKNOWN_STRING_VALUE
    )
    assert diagnostics == [
        ("phi-key-rotation", analyzer_pb2.ADVISORY),
        ("phi-key-deletion-window", analyzer_pb2.MANDATORY),
        ("no-wildcard-principal", analyzer_pb2.ADVISORY),
        ("application-rights", analyzer_pb2.ADVISORY),
    ]


def test_an_imported_key_policy_may_keep_actions_that_decrypt_nothing(
    pack: analyzer_pb2_grpc.AnalyzerStub,
) -> None:
    imported = KEY_POLICY.replace('"kms:DescribeKey"]', '"kms:DescribeKey", "kms:Encrypt"]')
    assert imported != KEY_POLICY
    ignored = analyzer_pb2.AnalyzerResourceOptions(protect=True, ignoreChanges=["policy"])
    built = {"enableKeyRotation": True, "policy": imported}
    assert _analyze(pack, built, ignored) == []
    assert diagnostics_of(pack, **built) == [("application-rights", analyzer_pb2.MANDATORY)]
    with_grant = built | {"policy": imported.replace("kms:Encrypt", "kms:CreateGrant")}
    assert _analyze(pack, with_grant, ignored) == [("application-rights", analyzer_pb2.MANDATORY)]


def test_stack_rules_use_the_dependencies_of_the_resources(pack: analyzer_pb2_grpc.AnalyzerStub) -> None:
    component, trail = (
        stack_resource(types.PHI_KEY, "phi-key"),
        stack_resource(types.AUDIT_TRAIL, "audit-trail"),
    )
    key = stack_resource(KEY, "phi-key", parents=f"{types.PHI_KEY}$")
    alias = stack_resource(types.ALIAS, "phi-key", parents=f"{types.PHI_KEY}$", targetKeyId=key.urn)
    complete = pack.AnalyzeStack(analyzer_pb2.AnalyzeStackRequest(resources=[component, trail, key, alias]))
    assert list(complete.diagnostics) == []
    [missing] = pack.AnalyzeStack(analyzer_pb2.AnalyzeStackRequest(resources=[component, trail, key])).diagnostics
    assert (missing.policyName, missing.enforcementLevel) == ("required-resources", analyzer_pb2.MANDATORY)
    assert missing.urn == key.urn and "no alias" in missing.message


def test_the_pack_is_a_python_pack_with_a_version() -> None:
    declared = yaml.safe_load((PACK / "PulumiPolicy.yaml").read_text(encoding="utf-8"))
    assert declared["runtime"] == "python" and declared["version"] == "0.2.0"
