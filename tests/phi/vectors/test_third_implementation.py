"""The third implementation, in Go: what it reads and computes is what the others do, and they read what it writes."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.phi.vectors import test_shared, third, write

pytestmark = pytest.mark.thorough
"""It has to be compiled; what it once wrote, `third.json`, is read by faster tests."""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return third.built(tmp_path_factory.mktemp("third"))


@pytest.mark.parametrize("file", [write.FILE, third.FILE], ids=lambda file: file.name)
def test_it_answers_every_vector_as_the_others_do(program: Path, file: Path) -> None:
    expected = json.loads(file.read_text(encoding="utf-8"))
    for vector in expected["tenants"]:
        vector["contentSha256"] = hashlib.sha256(base64.b64decode(vector["content"])).hexdigest()
    answers = third.answered(program, third.without_answers(expected))
    for (path, vectors), (_, wanted) in zip(third.vectors_of(answers), third.vectors_of(expected), strict=True):
        nothing = dict.fromkeys(third.ANSWERS[path])
        assert wanted and vectors == [nothing | vector for vector in wanted], path


def test_what_it_writes_is_read(program: Path) -> None:
    checked(program, random.Random(), third.TEXTS)


def test_its_values_are_the_same_for_texts_of_any_character(program: Path) -> None:
    generator = random.Random(39)
    texts = [*texts_of_every_character(generator), *texts_of_what_is_special(generator, 1000)]
    checked(program, generator, texts)


def checked(program: Path, generator: random.Random, texts: Any) -> None:
    asked = third.questions(generator, texts)
    answers = third.answered(program, asked)
    for kind in ("records", "binary"):
        assert len(answers[kind]["accepted"]) == len(asked[kind]["accepted"]) > 0
    for vector in answers["binary"]["accepted"]:
        assert vector["contentSha256"] == hashlib.sha256(base64.b64decode(vector["content"])).hexdigest()
    for check in test_shared.CHECKS:
        check(third.with_refused(answers))


NEW_CAPITALS = {0x1C89, *range(0xA7CB, 0xA7DD), *range(0x10D50, 0x10D66), *range(0x16EA0, 0x16EB9)}
"""Since Unicode 15.1. Their lower case, and so the rule `email`, depends on the Unicode of Python and of Go."""


def texts_of_every_character(generator: random.Random) -> Iterator[str]:
    """Those of the first two planes, which have all but ideographs; of the others some."""
    codes = {*range(0xD800), *range(0xE000, 0x20000)} - NEW_CAPITALS
    codes |= {*generator.sample(range(0x20000, sys.maxunicode + 1), 2000)}
    every = [chr(code) for code in sorted(codes)]
    generator.shuffle(every)
    for at in range(0, len(every), 100):
        yield "".join(every[at : at + 100])


def texts_of_what_is_special(generator: random.Random, number: int) -> Iterator[str]:
    alphabet = "aZ059ßøİΣς '’ʻ-·+()x#./,:T@\t\u0301\u200d\u00ad\u202e٣患한ﬁ½Ⅷ\U0001e5d0\u0378"
    parts = [*alphabet, "ext", "(0)", "011", "00", "1900-01-01", "1980", "4/5/1980", "2345678", "@intake.local"]
    for _ in range(number):
        yield "".join(generator.choices(parts, k=generator.randrange(1, 9)))
