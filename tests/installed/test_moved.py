"""A stack that the previous version made in a checkout moves into a project of the installed program, and is updated.

The account, the team and the state are those of tests/previous_version.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.installed import customer
from tests.previous_version.test_update import HARMLESS, Cloud, cloud, keys_and_values
from wizard import version

__all__ = ["cloud"]

pytestmark = pytest.mark.thorough


def test_a_stack_of_the_previous_version_moves_and_nothing_is_replaced_or_made_again(
    cloud: Cloud, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
):
    cloud.load("vercel", "production")
    before = keys_and_values(cloud)
    root = tmp_path_factory.mktemp("customer")
    wheel = customer.build(customer.copy(root / "source", {}), root / "wheel")
    with customer.served([wheel], root / "index") as index:
        person = customer.newcomer(root, index)
        path = os.pathsep.join((cloud.environment["PATH"], person.environment["PATH"]))
        person = person.at(tmp_path, **{**cloud.environment, **person.environment, "PATH": path})
        person.types("uvx", "--quiet", f"eonpro-kms@{version()}", "init", "project", "--from", str(cloud.folder))
        moved = person.at(tmp_path / "project")
        preview = ("pulumi", "preview", "--stack", "production", "--json", "--non-interactive")
        planned = json.loads(moved.types(*preview).partition("{")[2].join(("{", "")))
        assert {step["urn"]: step["op"] for step in planned["steps"] if step["op"] not in HARMLESS} == {}
        moved.types(".venv/bin/eonpro-kms", "setup", "--yes", "--non-interactive")
        moved.types("pulumi", "preview", "--stack", "production", "--expect-no-changes", "--non-interactive")
    after = keys_and_values(cloud)
    assert {name: value for name, value in after.items() if name in before} == before
    # What the previous version did not write down: which stack the environment belongs to, and a copy of the data key
    # among its versions.
    new = {name: value for name, value in after.items() if name not in before and not name.endswith("/claim")}
    stored = before["us-east-1 /eonpro/production/ENCRYPTED_PHI_KEY"][-1]
    assert all("/data-keys/" in name and value == [stored] for name, value in new.items()), list(new)
