"""The vectors: phi reads every accepted value and refuses every other, as `@eonpro/phi` does.

A script wrote `shared.json`, and the third implementation `third.json`.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest

from eonpro_phi import CachedKey, DecryptionError, PhiCipher, PhiFields
from eonpro_phi.hashes import NORMALISATIONS, derived_hash_key, text_hash
from eonpro_phi.record import key_id, place
from eonpro_phi.reencryption.json_fields import texts_of_fields
from eonpro_phi.search import ExactIndex, WordIndex
from tests.phi.vectors import third, write

Vectors = dict[str, Any]


@pytest.fixture(scope="module", params=[write.FILE, third.FILE], ids=lambda file: file.name)
def vectors(request: pytest.FixtureRequest) -> Vectors:
    file: Vectors = json.loads(request.param.read_text(encoding="utf-8"))
    return file


def key(vector: Vectors, name: str = "dataKey") -> bytes:
    return base64.b64decode(vector[name])


def cipher(vector: Vectors) -> PhiCipher:
    return PhiCipher(key(vector))


class Pinned:
    """A key source for a key of a vector."""

    def __init__(self, data_key: bytes) -> None:
        self._key = data_key

    def data_key(self) -> bytes:
        return self._key


def fields(hash_key: bytes) -> PhiFields:
    return PhiFields(CachedKey(Pinned(bytes(32))), hash_key=CachedKey(Pinned(hash_key)))


def test_the_file_is_what_its_script_writes() -> None:
    assert json.loads(json.dumps(write.vectors())) == json.loads(write.FILE.read_text(encoding="utf-8"))


def test_records_are_read_in_their_places_and_the_others_are_refused(vectors: Vectors) -> None:
    for vector in vectors["records"]["accepted"]:
        assert cipher(vector).decrypt(vector["record"], vector["context"]) == vector["text"]
    for vector in vectors["records"]["refused"]:
        with pytest.raises(DecryptionError):
            pytest.fail(f"{vector['name']}: {cipher(vector).decrypt(vector['record'], vector['context'])}")


def test_binary_records_and_streams_are_read_and_the_others_are_refused(vectors: Vectors) -> None:
    for vector in vectors["binary"]["accepted"]:
        content = cipher(vector).decrypt_bytes(key(vector, "stored"), vector["context"])
        assert content is not None and hashlib.sha256(content).hexdigest() == vector["contentSha256"], vector["name"]
    for vector in vectors["binary"]["refused"]:
        with pytest.raises(DecryptionError):
            pytest.fail(f"{vector['name']}: {cipher(vector).decrypt_bytes(key(vector, 'stored'), vector['context'])!r}")


def test_in_json_the_texts_of_the_fields_are_records(vectors: Vectors) -> None:
    for vector in vectors["json"]:
        pairs = [
            texts_of_fields(json.dumps(vector[form], ensure_ascii=False), {*vector["fields"]})
            for form in ("value", "stored")
        ]
        texts, records = ([each.text for each in found.texts] for found in pairs if found)
        assert cipher(vector).decrypt_many(records) == texts != []


def test_hashes_are_those_of_the_application(vectors: Vectors) -> None:
    for vector in vectors["hashes"]:
        used = key(vector, "hashKey") if "hashKey" in vector else derived_hash_key(key(vector))
        assert text_hash(used, vector["text"], NORMALISATIONS[vector["field"]]) == vector["hash"], vector


def test_search_values_and_tokens_are_the_same(vectors: Vectors) -> None:
    for vector in vectors["search"]["exact"]:
        value = fields(key(vector, "hashKey")).search_value(
            ExactIndex(**vector["index"]), vector["text"], vector["clinic"]
        )
        assert value == vector["value"], vector
    for vector in vectors["search"]["rows"]:
        index = WordIndex(**vector["index"])
        assert (
            fields(key(vector, "hashKey")).search_tokens(index, vector["texts"], vector["clinic"]) == vector["tokens"]
        )
    for vector in vectors["search"]["queries"]:
        groups = fields(key(vector, "hashKey")).search_groups(
            WordIndex(**vector["index"]), vector["query"], vector["clinic"]
        )
        assert groups == vector["groups"], vector


def test_key_check_values_and_tenants_are_the_same(vectors: Vectors) -> None:
    for vector in vectors["keyCheckValues"]:
        assert key_id(key(vector)) == vector["keyCheckValue"]
    for vector in vectors["tenants"]:
        tenant = cipher(vector).for_tenant(vector["tenant"])
        assert tenant.decrypt(vector["record"], vector["context"]) == vector["text"]
        assert tenant.decrypt_bytes(key(vector, "stored"), vector["context"]) == key(vector, "content")


def test_places_are_the_same(vectors: Vectors) -> None:
    for vector in vectors["places"]:
        row = () if vector["row"] is None else (vector["row"],)
        assert place(vector["table"], vector["column"], *row) == vector["place"]


CHECKS = (
    test_records_are_read_in_their_places_and_the_others_are_refused,
    test_binary_records_and_streams_are_read_and_the_others_are_refused,
    test_hashes_are_those_of_the_application,
    test_search_values_and_tokens_are_the_same,
    test_key_check_values_and_tenants_are_the_same,
    test_places_are_the_same,
)
"""Each reads what any implementation may write."""
