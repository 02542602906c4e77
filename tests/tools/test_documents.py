"""The files that repeat a table or a type of the program are what `python -m tools.documents` writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.settings import CONFIG_KEYS
from tools.documents import check_codes, schemas, settings

WRITTEN = {**settings.documents(), **schemas.documents(), **check_codes.documents()}


@pytest.mark.parametrize("file", WRITTEN, ids=lambda file: file.name)
def test_a_file_is_as_it_would_be_written(file: Path) -> None:
    assert file.read_text(encoding="utf-8") == WRITTEN[file], "run: .venv/bin/python -m tools.documents"


def test_every_setting_is_described() -> None:
    assert set(settings.descriptions()) == {*CONFIG_KEYS, "region"}
    assert all(len(text) > 10 for text in settings.descriptions().values())
