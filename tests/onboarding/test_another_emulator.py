"""Endpoints that are not the sandbox's: an AWS emulator without any correction, and a Vercel of another dialect.

Touches a folder and a state backend of its own, and the program that serves the endpoints.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.onboarding.deployment import PROJECT, STORED_KEY, Deployment

SERVER = Path(__file__).with_name("other_cloud.py")


@pytest.fixture
def elsewhere(deployment: Deployment) -> Iterator[Deployment]:
    """The deployment with other endpoints and made-up keys; of the sandbox only the engine's plug-ins and backend."""
    sandbox_only = ("AWS_", "VERCEL_", "EONPRO_")
    environment = {name: value for name, value in deployment.environment.items() if not name.startswith(sandbox_only)}
    with subprocess.Popen(
        [sys.executable, str(SERVER)],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        assert server.stdout is not None
        try:
            environment |= json.loads(server.stdout.readline())
            keys = {"AWS_ACCESS_KEY_ID": "anybody", "AWS_SECRET_ACCESS_KEY": "anything", "AWS_REGION": "us-east-1"}
            yield replace(deployment, environment=environment | keys, printed=[])
        finally:
            server.kill()


@pytest.mark.thorough
def test_the_examples_are_good_against_any_endpoints_and_again(elsewhere: Deployment):
    for target in ("vercel", "ecs"):
        first = elsewhere.set_up(target, "--json").document
        again = elsewhere.set_up(target, "--json").document
        assert first["ok"] is True and again["ok"] is True
    key, stored_key = elsewhere.keys(), elsewhere.stored_key_versions()
    assert len(key) == 1 and len(stored_key) == 1
    listed = {each["key"]: each for each in elsewhere.vercel("GET", "/v10/projects/eonpro/env")["envs"]}
    assert set(listed) == {"AWS_REGION", "AWS_KMS_KEY_ID", "ENCRYPTED_PHI_KEY"}
    assert listed["AWS_KMS_KEY_ID"]["value"] == key[0]
    stored = elsewhere.vercel("GET", f"/v10/projects/eonpro/env/{listed['ENCRYPTED_PHI_KEY']['id']}")["value"]
    assert stored == stored_key[0] == elsewhere.parameters()[STORED_KEY]
    opened = elsewhere.client("kms").decrypt(KeyId=key[0], CiphertextBlob=base64.b64decode(stored))
    assert len(opened["Plaintext"]) == 32
    elsewhere.pulumi("preview", "--stack", "production", "--expect-no-changes")
