"""What is written from the table of inputs: the answers file's schema.

Reads wizard/schemas/ and examples/.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from tools.documents import inputs
from wizard.core.models.inputs import Input
from wizard.inputs.registry import INPUTS

EXAMPLES = sorted((inputs.ROOT / "examples").glob("*.yaml"))
SCHEMA = inputs.schema()
PLAIN = tuple(each for each in INPUTS if not each.secret)


def complaints(document: Any) -> list[str]:
    return [error.json_path for error in Draft202012Validator(SCHEMA).iter_errors(document)]


# --- as the generator writes it ---------------------------------------------------------------------------------------


def test_the_schema_is_as_it_is_generated() -> None:
    assert inputs.SCHEMA.read_text(encoding="utf-8") == inputs.schema_text(), (
        "run: .venv/bin/python -m tools.documents.inputs"
    )


# --- the schema -------------------------------------------------------------------------------------------------------


def test_the_schema_is_one_of_the_draft_it_names() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
    assert list(SCHEMA["properties"]) == [each.file_key for each in INPUTS]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda file: file.name)
def test_an_example_fits_the_schema_that_its_first_line_names(example: Path) -> None:
    text = example.read_text(encoding="utf-8")
    named = text.splitlines()[0].removeprefix("# yaml-language-server: $schema=")
    assert (example.parent / named).resolve() == inputs.SCHEMA
    assert complaints(yaml.safe_load(text)) == []
    # By the rules of YAML 1.2, which editors have, a bare yes is a text.
    assert complaints(yaml.load(text, Loader=yaml.BaseLoader)) == []


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"regoin": "us-east-1"}, "$"),
        ({"vercel_token": "x"}, "$"),
        ({"target": "fargate"}, "$.target"),
        ({"target": ["vercel", "fargate"]}, "$.target"),
        ({"target": []}, "$.target"),
        ({"secret_store": "vault"}, "$.secret_store"),
        ({"trail_lock": ["none"]}, "$.trail_lock"),
        ({"region": ["us-east-1"]}, "$.region"),
        ({"region": " "}, "$.region"),
        ({"region": {"name": "us-east-1"}}, "$.region"),
        ({"multi_region": "perhaps"}, "$.multi_region"),
        ({"multi_region": 1}, "$.multi_region"),
        ({"rotation_period_days": 89}, "$.rotation_period_days"),
        ({"rotation_period_days": 2561}, "$.rotation_period_days"),
        ({"rotation_period_days": "a year"}, "$.rotation_period_days"),
        ({"trail_retention_days": 2191}, "$.trail_retention_days"),
        ({"trail_archive_days": -1}, "$.trail_archive_days"),
        ({"administrators": {"caller": True}}, "$.administrators"),
        ({"vercel_token_file": ""}, "$.vercel_token_file"),
        (["region"], "$"),
    ],
)
def test_what_no_input_takes_does_not_fit(document: Any, place: str) -> None:
    assert complaints(document) == [place]


PIECES = (
    "vercel ecs eks caller create none all yes no YES True n 365 0 89 2192 99999 00090 +90 1e3 us-east-1 production "
    "111122223333 arn:aws:iam::111122223333:role/a security@clinic.example name=value oidc user governance local s3"
).split()


def generated(seed: int) -> Any:
    """A value of an answers file: often one that some input takes, with odd spaces, in a list, or of an odd type."""
    chance = random.Random(seed)
    text = (
        chance.choice(("", " ", "\t", "\n", "\u00a0"))
        + chance.choice(("", *PIECES))
        + chance.choice(("", " ", ",", "\n"))
    )
    several = chance.choice((",", ", ", " ,", ",,", "\n")).join(chance.choices(PIECES[:10], k=chance.randint(1, 3)))
    number = chance.choice((0, 1, -1, 89, 90, 365, 2560, 2561, 2192, 36500, 36501, 111122223333, 10**30))
    kinds: tuple[Any, ...] = (
        text, text, several, [text], [several, text], [], number, str(number), True, False, None, 0.5, {}, [[text]],
    )  # fmt: skip
    return chance.choice(kinds)


def taken(each: Input, value: Any) -> bool:
    try:
        each.parse(value)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("each", PLAIN, ids=lambda each: each.key)
def test_what_the_input_takes_the_schema_takes_for_two_hundred_generated_values(each: Input) -> None:
    fits = Draft202012Validator(SCHEMA["properties"][each.file_key])
    values = [generated(seed) for seed in range(200)]
    accepted = [value for value in values if taken(each, value)]
    assert [value for value in accepted if not fits.is_valid(value)] == []
