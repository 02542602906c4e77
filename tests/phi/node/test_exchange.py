"""Python and Node read one another's values: 1,000 records, bytes, JSON values, hashes and tokens of each side."""

from __future__ import annotations

import base64
import json
import os
import random
import subprocess
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from eonpro_phi import CachedKey, PhiCipher, PhiFields, place
from eonpro_phi.record import key_id
from eonpro_phi.reencryption.json_fields import texts_of_fields
from eonpro_phi.search import ExactIndex, WordIndex
from eonpro_phi.search.rules import RULES
from tools import node_package

pytestmark = [pytest.mark.needs("node"), pytest.mark.needs("npm")]

NUMBER = 1000
DATA_KEY, HASH_KEY, TENANT = bytes(range(32)), bytes(range(32, 64)), "clinic-7"
NAMES = ["name", "answers"]
CIPHER = PhiCipher(DATA_KEY)
ALPHABETS = (
    "aZ09 ,.@'-/+()",
    "äßéñΩжςΣİ",
    "患者字€\uffff\u2028",
    "🩺👩\U0010ffff𝒜ﬁⅧ",
    "\x00\ufeff\u0301\u00a0",
    "ʻ´ʼ·־\u200cßøŁıÞ٣०\U0001e5d0",
)


class Pinned:
    """A key source for a key of this test."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def data_key(self) -> bytes:
        return self._key


FIELDS = PhiFields(CachedKey(Pinned(DATA_KEY)), hash_key=CachedKey(Pinned(HASH_KEY)))


def b64(data: bytes | None) -> str:
    return base64.b64encode(data or b"").decode()


def streamed(data: bytes, context: str) -> bytes:
    target = BytesIO()
    CIPHER.encrypt_stream(BytesIO(data), target, context)
    return target.getvalue()


def items() -> list[dict[str, Any]]:
    """Made-up values, each with what Python wrote of it."""
    made, generator = [], random.Random(31)
    shaped = (
        "jane.doe@example.org",
        "(555) 010-2345 ext. 6",
        "1980-04-05",
        "4/5/1980",
        "Mary-Jane O’Brien",
        "+15550102345",
    )
    for number in range(NUMBER):
        letters = "".join(generator.sample(ALPHABETS, generator.randint(1, len(ALPHABETS))))
        text = (
            shaped[number] if number < len(shaped) else "".join(generator.choices(letters, k=generator.randint(1, 80)))
        )
        context = place("Patient", letters[:3], number)
        content = generator.randbytes(generator.randint(1, 200))
        value = {"id": number, "name": text, "answers": [{"q": text[:9], "yes": True}, None, ""], "plan": text}
        names = {
            **value,
            "name": CIPHER.encrypt(text),
            "answers": [{"q": CIPHER.encrypt(text[:9]), "yes": True}, None, ""],
        }
        theirs = {
            "record": CIPHER.encrypt(text),
            "bound": CIPHER.encrypt_v2(text, context),
            "tenant": CIPHER.for_tenant(TENANT).encrypt(text, context),
            "content": b64(CIPHER.encrypt_bytes(content, context)),
            "stream": b64(streamed(content, context)),
            "value": names,
        }
        made.append({"text": text, "context": context, "content": b64(content), "value": value, "theirs": theirs})
    return made


def answered(values: list[dict[str, Any]]) -> dict[str, Any]:
    """What the package for Node read, and wrote of the same values."""
    given = {
        "dataKey": b64(DATA_KEY),
        "hashKey": b64(HASH_KEY),
        "tenant": TENANT,
        "names": NAMES,
        "rules": [*RULES],
        "items": values,
    }
    folder = node_package.built()
    program = Path(__file__).with_name("exchange.mjs").read_text().replace("./dist", f"{folder.as_uri()}/dist")
    done = subprocess.run(
        ["node", "--input-type=module", "-e", program],
        input=json.dumps(given),
        capture_output=True,
        encoding="utf-8",
        env={"PATH": os.environ["PATH"]},
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def searched(text: str, clinic: str) -> dict[str, Any]:
    words = WordIndex(table="Patient", column="tokens")
    exact = {
        rule: FIELDS.search_value(ExactIndex(table="Patient", column=rule, rule=rule), text, clinic) for rule in RULES
    }
    return {
        "exact": exact,
        "tokens": FIELDS.search_tokens(words, [text], clinic),
        "groups": FIELDS.search_groups(words, text, clinic),
        "email": FIELDS.search_hash("email", text),
        "dob": FIELDS.search_hash("dob", text),
    }


@pytest.mark.thorough
def test_a_thousand_values_of_each_side_are_read_by_the_other_and_searched_alike() -> None:
    values = items()
    found = answered(values)
    assert found["checkValue"] == key_id(DATA_KEY)
    assert len(found["answers"]) == NUMBER
    for item, answer in zip(values, found["answers"], strict=True):
        text, context, content = item["text"], item["context"], item["content"]
        assert answer["read"] == {
            **dict.fromkeys(("record", "bound", "tenant"), text),
            **dict.fromkeys(("content", "stream"), content),
            "value": item["value"],
        }
        made = answer["made"]
        assert CIPHER.decrypt(made["record"]) == CIPHER.decrypt(made["bound"], context) == text
        assert CIPHER.for_tenant(TENANT).decrypt(made["tenant"], context) == text
        assert b64(CIPHER.decrypt_bytes(base64.b64decode(made["content"]), context)) == content
        inside = texts_of_fields(json.dumps(made["value"]), {*NAMES})
        assert inside is not None and CIPHER.decrypt_many(each.text for each in inside.texts) == [text, text[:9]]
        assert {**made["value"], "name": "", "answers": ""} == {**item["value"], "name": "", "answers": ""}
        assert answer["search"] == searched(text, context), text
