"""The files that repeat the settings and the targets are what `python -m tools.documents.settings` writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from components.settings import CONFIG_KEYS
from tools.documents import settings
from wizard.targets.port import all_targets

NAMES = [target.name for target in all_targets()]
WRITTEN = settings.documents()


@pytest.mark.parametrize("file", WRITTEN, ids=lambda file: file.name)
def test_a_file_is_as_it_would_be_written(file: Path) -> None:
    assert file.read_text(encoding="utf-8") == WRITTEN[file], "run: .venv/bin/python -m tools.documents"


def test_every_setting_is_described() -> None:
    assert set(settings.descriptions()) == {*CONFIG_KEYS, "region"}
    assert all(len(text) > 10 for text in settings.descriptions().values())


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(["vercel", "eks"], NAMES, id="all"),
        pytest.param(["key", "eks", "vercel"], ["key", *NAMES], id="among other words"),
        pytest.param(["ecs", "vercel"], [target.name for target in all_targets() if target.can_redeploy], id="running"),
        pytest.param(["key", "ecs"], ["key", "ecs"], id="one alone is no enumeration"),
        pytest.param(["create", "update"], ["create", "update"], id="none"),
    ],
)
def test_enumerations_of_the_targets_are_completed(before: list[str], after: list[str]) -> None:
    schema: dict[str, Any] = {"properties": {"target": [{"enum": before}]}}
    assert settings.with_targets(schema) == {"properties": {"target": [{"enum": after}]}}
