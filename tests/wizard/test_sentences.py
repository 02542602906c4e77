"""The sentences that the program renders: no word twice in a row, no plural after a one.

Reads what is rendered: helps, explanations, the report in every state, the JSON documents, the stored screens.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.policies.requirements import REQUIREMENTS
from tests.wizard.commands.report.samples import FILES, STATES
from tests.wizard.core.test_json_documents import DOCUMENTS
from wizard.cli.commands import COMMANDS
from wizard.cli.parser import help_of
from wizard.commands.report.document import document
from wizard.commands.report.render import markdown
from wizard.inputs.registry import INPUTS

SCREENS = Path(__file__).resolve().parents[1] / "terminal" / "screens"
_TWICE = re.compile(r"(?<![-.\w])([a-z]{2,}) \1(?![-.\w])")
_ONE = re.compile(r"(?<![\d.,:/-])1 (?!was\b|is\b|has\b|less\b|process\b|yes\b|status\b|address\b|us\b)[a-z]{3,}s\b")


def _texts(value: Any) -> Iterator[str]:
    """Every text of a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for member in value.values():
            yield from _texts(member)
    elif isinstance(value, list | tuple):
        for member in value:
            yield from _texts(member)


def rendered() -> Iterator[tuple[str, str]]:
    """Where each text is, and the text."""
    for topic in (None, "inputs", *COMMANDS):
        yield f"help {topic}", help_of(topic)
    for each in INPUTS:
        yield f"explanation of {each.key}", each.explanation
        yield f"question {each.key}", each.prompt
    for requirement in REQUIREMENTS:
        yield f"requirement {requirement.id}", f"{requirement.text}\n{requirement.label}\n{requirement.gap}"
    for name, facts in STATES.items():
        if name != "strange names":
            yield f"report {name}", markdown(document(facts, files=FILES))
    for name, documents in DOCUMENTS.items():
        for state, value in documents.items():
            yield from ((f"document {name} {state}", text) for text in _texts(value))
    for file in SCREENS.rglob("*.txt"):
        yield f"screen {file.name}", re.sub(r"\{/?[a-z-]*\}", "", file.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def texts() -> list[tuple[str, str]]:
    return list(rendered())


def found(pattern: re.Pattern[str], texts: list[tuple[str, str]]) -> list[str]:
    return [f"{place}: {match[0]}" for place, text in texts for match in pattern.finditer(text)]


def test_no_word_stands_twice_in_a_row(texts: list[tuple[str, str]]) -> None:
    assert found(_TWICE, texts) == []


def test_one_thing_is_no_plural(texts: list[tuple[str, str]]) -> None:
    assert found(_ONE, texts) == []
