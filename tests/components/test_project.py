"""`Pulumi.yaml` declares to the engine exactly the configuration that the contract reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from components.contract import CONFIG_KEYS, PROJECT, Settings

PROJECT_FILE = Path(__file__).parents[2] / "Pulumi.yaml"
FIELDS = dict(zip(CONFIG_KEYS, (name for name in Settings.model_fields if name != "region"), strict=True))


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return dict(yaml.safe_load(PROJECT_FILE.read_text()))


def test_the_project_has_the_contract_s_name_and_the_house_s_environment(project: dict[str, Any]) -> None:
    assert project["name"] == PROJECT
    assert project["runtime"] == {"name": "python", "options": {"virtualenv": ".venv"}}


def test_every_key_is_declared_and_no_other(project: dict[str, Any]) -> None:
    assert set(project["config"]) == set(CONFIG_KEYS)


@pytest.mark.parametrize("key", CONFIG_KEYS)
def test_a_key_is_declared_as_the_contract_reads_it(project: dict[str, Any], key: str) -> None:
    declared, field = project["config"][key], Settings.model_fields[FIELDS[key]]
    required = {"accountId", "administrators", "deployTargets"}
    assert field.is_required() == (key in required)
    if field.is_required():
        assert "default" not in declared
    else:
        assert declared["default"] == ("" if field.default is None else field.default)
    expected = "array" if key in ("administrators", "deployTargets") else None
    expected = expected or ("integer" if field.annotation is int else "string")
    assert declared["type"] == expected
    assert ("items" in declared) == (expected == "array")
    assert len(declared["description"]) > 10


def test_the_declared_defaults_alone_are_settings_without_surprises(project: dict[str, Any]) -> None:
    declared = {f"{PROJECT}:{key}": str(value.get("default", "")) for key, value in project["config"].items()}
    given = {
        "aws:region": "us-east-1",
        f"{PROJECT}:accountId": "111122223333",
        f"{PROJECT}:administrators": '["arn:aws:iam::111122223333:role/admin"]',
        f"{PROJECT}:deployTargets": '["ecs"]',
    }
    by_default = Settings.from_config({**declared, **given})
    assert by_default == Settings.from_config(given)
