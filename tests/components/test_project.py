"""`Pulumi.yaml` declares to the engine exactly the configuration that the contract reads."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from components.settings import CONFIG_KEYS, LISTS, PROJECT, Settings

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


def _declared_type(default: Any, key: str) -> str:
    if key in LISTS:
        return "array"
    if isinstance(default, bool):
        return "boolean"
    return "integer" if isinstance(default, int) else "string"


@pytest.mark.parametrize("key", CONFIG_KEYS)
def test_a_key_is_declared_as_the_contract_reads_it(project: dict[str, Any], key: str) -> None:
    declared, field = project["config"][key], Settings.model_fields[FIELDS[key]]
    assert field.is_required() == (key in ("accountId", "deployTargets"))
    if field.is_required():
        assert "default" not in declared
    elif key in LISTS:
        assert declared["default"] == list(field.default)
    else:
        follows = field.default_factory is not None
        assert declared["default"] == ("" if follows or field.default is None else field.default)
        assert type(declared["default"]) in (str, int, bool)
    assert declared["type"] == _declared_type(field.default, key)
    assert ("items" in declared) == (key in LISTS)
    assert declared.get("items", {"type": "string"}) == {"type": "string"}
    assert len(declared["description"]) > 10


@pytest.mark.parametrize("key", CONFIG_KEYS)
def test_the_description_of_a_choice_tells_each_of_its_words(project: dict[str, Any], key: str) -> None:
    """The engine's types know no enumeration, so that only the description can."""
    annotation = Settings.model_fields[FIELDS[key]].annotation
    assert [word for word in _choices(annotation) if word not in project["config"][key]["description"]] == []


def test_the_choices_are_found_where_there_are_some() -> None:
    choices = {key for key in CONFIG_KEYS if _choices(Settings.model_fields[FIELDS[key]].annotation)}
    expected = "deployTargets secretStore vercelAccess vercelIssuerMode eksIdentity trailLock keptAsFound"
    assert choices == set(expected.split())


def _choices(annotation: Any) -> list[str]:
    types = [one for one in (annotation, *get_args(annotation)) if isinstance(one, type)]
    return [str(word) for one in types if issubclass(one, StrEnum) for word in one]


def test_the_declared_defaults_alone_are_settings_without_surprises(project: dict[str, Any]) -> None:
    declared = {f"{PROJECT}:{key}": _as_text(value.get("default", "")) for key, value in project["config"].items()}
    given = {
        "aws:region": "us-east-1",
        f"{PROJECT}:accountId": "111122223333",
        f"{PROJECT}:administrators": '["arn:aws:iam::111122223333:role/admin"]',
        f"{PROJECT}:deployTargets": '["ecs"]',
    }
    by_default = Settings.from_config({**declared, **given})
    assert by_default == Settings.from_config(given)


def _as_text(value: Any) -> str:
    # As the engine gives it: a text bare, all else in JSON.
    return value if isinstance(value, str) else json.dumps(value)
