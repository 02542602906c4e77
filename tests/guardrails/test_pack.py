"""The policy pack as the engine starts it: a program on a directory, asked over gRPC about resources."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
import yaml
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc

PACK = Path(__file__).resolve().parents[2] / "guardrails"
KEY = "aws:kms/key:Key"
UNKNOWN_BOOLEAN = "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7"
"""How the engine spells a boolean that a preview cannot know yet."""


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


def violated(pack: analyzer_pb2_grpc.AnalyzerStub, **inputs: object) -> list[tuple[str, int]]:
    """Policy and enforcement level of each diagnostic about a KMS key with these inputs."""
    properties = struct_pb2.Struct()
    properties.update(inputs)
    answer = pack.Analyze(
        analyzer_pb2.AnalyzeRequest(type=KEY, name="phi", urn=f"urn:pulumi:s::p::{KEY}::phi", properties=properties)
    )
    return [(one.policyName, one.enforcementLevel) for one in answer.diagnostics]


def test_the_pack_declares_every_rule_as_mandatory(pack: analyzer_pb2_grpc.AnalyzerStub) -> None:
    policies = pack.GetAnalyzerInfo(empty_pb2.Empty()).policies
    assert {policy.name: policy.enforcementLevel for policy in policies} == dict.fromkeys(
        (
            "phi-key-rotation",
            "phi-key-deletion-window",
            "phi-key-policy-lockout-check",
            "trail-bucket-private",
            "trail-retention",
            "trail-complete",
        ),
        analyzer_pb2.MANDATORY,
    )


def test_a_key_as_this_project_builds_it_passes(pack: analyzer_pb2_grpc.AnalyzerStub) -> None:
    assert violated(pack, enableKeyRotation=True, rotationPeriodInDays=365, deletionWindowInDays=30) == []


def test_a_key_that_no_longer_rotates_is_stopped(pack: analyzer_pb2_grpc.AnalyzerStub) -> None:
    assert violated(pack, enableKeyRotation=False) == [("phi-key-rotation", analyzer_pb2.MANDATORY)]


def test_two_weakenings_are_two_violations(pack: analyzer_pb2_grpc.AnalyzerStub) -> None:
    found = violated(pack, deletionWindowInDays=7, enableKeyRotation=True, bypassPolicyLockoutSafetyCheck=True)
    assert found == [
        ("phi-key-deletion-window", analyzer_pb2.MANDATORY),
        ("phi-key-policy-lockout-check", analyzer_pb2.MANDATORY),
    ]


def test_a_value_a_preview_cannot_know_is_said_and_hides_no_other_rule(
    pack: analyzer_pb2_grpc.AnalyzerStub,
) -> None:
    found = violated(pack, enableKeyRotation=UNKNOWN_BOOLEAN, deletionWindowInDays=7)
    assert found == [
        ("phi-key-rotation", analyzer_pb2.ADVISORY),
        ("phi-key-deletion-window", analyzer_pb2.MANDATORY),
    ]


def test_the_pack_is_a_python_pack_with_a_version() -> None:
    declared = yaml.safe_load((PACK / "PulumiPolicy.yaml").read_text(encoding="utf-8"))
    assert declared["runtime"] == "python" and declared["version"] == "0.1.0"
