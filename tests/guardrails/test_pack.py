"""The policy pack as the engine starts it: a program on a directory, asked over gRPC about resources."""

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
from tests.guardrails.shapes import KEY_POLICY

from guardrails.rules import types

PACK = Path(__file__).resolve().parents[2] / "guardrails"
KEY = "aws:kms/key:Key"


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[analyzer_pb2_grpc.AnalyzerStub]:
    # Started far from the project, as nothing promises the engine's working directory.
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


def asked(pack: analyzer_pb2_grpc.AnalyzerStub, **inputs: object) -> list[tuple[str, int]]:
    """Policy and enforcement level of each diagnostic about a protected KMS key with these inputs."""
    return _asked(pack, inputs, analyzer_pb2.AnalyzerResourceOptions(protect=True))


def _asked(
    pack: analyzer_pb2_grpc.AnalyzerStub, inputs: Mapping[str, object], options: analyzer_pb2.AnalyzerResourceOptions
) -> list[tuple[str, int]]:
    properties = struct_pb2.Struct()
    properties.update(inputs)
    urn = f"urn:pulumi:s::p::{KEY}::phi"
    answer = pack.Analyze(
        analyzer_pb2.AnalyzeRequest(type=KEY, name="phi", urn=urn, properties=properties, options=options)
    )
    return [(one.policyName, one.enforcementLevel) for one in answer.diagnostics]


def seen(type_: str, name: str, parents: str = "", **wiring: str) -> analyzer_pb2.AnalyzerResource:
    """A resource of a stack, with the URN that each of its inputs comes from."""
    return analyzer_pb2.AnalyzerResource(
        type=type_,
        name=name,
        urn=f"urn:pulumi:s::p::{parents}{type_}::{name}",
        properties=struct_pb2.Struct(),
        propertyDependencies={
            setting: analyzer_pb2.AnalyzerPropertyDependencies(urns=[urn]) for setting, urn in wiring.items()
        },
    )


def test_the_pack_declares_every_rule_as_mandatory(pack: analyzer_pb2_grpc.AnalyzerStub) -> None:
    policies = pack.GetAnalyzerInfo(empty_pb2.Empty()).policies
    assert {policy.name: policy.enforcementLevel for policy in policies} == dict.fromkeys(
        (
            "phi-key-rotation",
            "phi-key-deletion-window",
            "phi-key-policy-lockout-check",
            "stays-protected",
            "no-wildcard-principal",
            "trust-names-its-subject",
            "application-rights",
            "trail-bucket-private",
            "trail-bucket-tls",
            "trail-bucket-versioned",
            "trail-bucket-encrypted",
            "trail-retention",
            "trail-object-lock",
            "trail-complete",
            "application-one-policy",
            "nothing-missing",
        ),
        analyzer_pb2.MANDATORY,
    )


def test_a_key_as_this_project_builds_it_passes(pack: analyzer_pb2_grpc.AnalyzerStub) -> None:
    built = {"enableKeyRotation": True, "rotationPeriodInDays": 365, "deletionWindowInDays": 30, "policy": KEY_POLICY}
    assert asked(pack, **built) == []


def test_a_key_that_no_longer_rotates_is_stopped(pack: analyzer_pb2_grpc.AnalyzerStub) -> None:
    assert asked(pack, enableKeyRotation=False) == [("phi-key-rotation", analyzer_pb2.MANDATORY)]


def test_a_key_whose_protection_is_gone_is_stopped(pack: analyzer_pb2_grpc.AnalyzerStub) -> None:
    found = _asked(pack, {"enableKeyRotation": True}, analyzer_pb2.AnalyzerResourceOptions(protect=False))
    assert found == [("stays-protected", analyzer_pb2.MANDATORY)]


def test_two_weakenings_are_two_violations(pack: analyzer_pb2_grpc.AnalyzerStub) -> None:
    found = asked(pack, deletionWindowInDays=7, enableKeyRotation=True, bypassPolicyLockoutSafetyCheck=True)
    assert found == [
        ("phi-key-deletion-window", analyzer_pb2.MANDATORY),
        ("phi-key-policy-lockout-check", analyzer_pb2.MANDATORY),
    ]


def test_a_value_a_preview_cannot_know_is_said_and_hides_no_other_rule(
    pack: analyzer_pb2_grpc.AnalyzerStub,
) -> None:
    found = asked(pack, enableKeyRotation=UNKNOWN_BOOLEAN_VALUE, deletionWindowInDays=7, policy=UNKNOWN_STRING_VALUE)
    assert found == [
        ("phi-key-rotation", analyzer_pb2.ADVISORY),
        ("phi-key-deletion-window", analyzer_pb2.MANDATORY),
        ("no-wildcard-principal", analyzer_pb2.ADVISORY),
        ("application-rights", analyzer_pb2.ADVISORY),
    ]


def test_a_key_policy_left_as_found_may_keep_what_opens_nothing_and_no_more(
    pack: analyzer_pb2_grpc.AnalyzerStub,
) -> None:
    found = KEY_POLICY.replace('"kms:DescribeKey"]', '"kms:DescribeKey", "kms:Encrypt"]')
    assert found != KEY_POLICY
    as_found = analyzer_pb2.AnalyzerResourceOptions(protect=True, ignoreChanges=["policy"])
    built = {"enableKeyRotation": True, "policy": found}
    assert _asked(pack, built, as_found) == []
    assert asked(pack, **built) == [("application-rights", analyzer_pb2.MANDATORY)]
    wider = built | {"policy": found.replace("kms:Encrypt", "kms:CreateGrant")}
    assert _asked(pack, wider, as_found) == [("application-rights", analyzer_pb2.MANDATORY)]


def test_the_stack_is_judged_by_the_wiring_of_its_resources(pack: analyzer_pb2_grpc.AnalyzerStub) -> None:
    component, trail = seen(types.PHI_KEY, "phi-key"), seen(types.AUDIT_TRAIL, "audit-trail")
    key = seen(KEY, "phi-key", parents=f"{types.PHI_KEY}$")
    alias = seen(types.ALIAS, "phi-key", parents=f"{types.PHI_KEY}$", targetKeyId=key.urn)
    whole = pack.AnalyzeStack(analyzer_pb2.AnalyzeStackRequest(resources=[component, trail, key, alias]))
    assert list(whole.diagnostics) == []
    [missing] = pack.AnalyzeStack(analyzer_pb2.AnalyzeStackRequest(resources=[component, trail, key])).diagnostics
    assert (missing.policyName, missing.enforcementLevel) == ("nothing-missing", analyzer_pb2.MANDATORY)
    assert missing.urn == key.urn and "no alias" in missing.message


def test_the_pack_is_a_python_pack_with_a_version() -> None:
    declared = yaml.safe_load((PACK / "PulumiPolicy.yaml").read_text(encoding="utf-8"))
    assert declared["runtime"] == "python" and declared["version"] == "0.2.0"
