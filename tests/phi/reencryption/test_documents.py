"""Records inside other values: in JSON at any depth, in JSON text, in arrays, XML, bytes. Each is replaced where it is.

The database is a real PostgreSQL; KMS is a fake that knows the wrapped keys.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from eonpro_phi import PhiCipher
from eonpro_phi.errors import DecryptionError
from eonpro_phi.reencryption.embedded import embedded_records, replaced
from eonpro_phi.reencryption.json_fields import texts_of_fields
from tests.phi.reencryption.command_process import CommandResult, Operator, wait_for, wrapped
from tests.phi.reencryption.patients import NEW, OLD
from tests.selection import always, first

needs_postgresql = pytest.mark.needs("postgresql")

CREATE_DRAFTS = """
create table "IntakeFormDraft" (id int primary key, responses jsonb);
create table "AffiliatePayoutMethod" (id int primary key, "encryptedDetails" text);
create table "PatientDocument" (id int primary key, data bytea)
"""
NEW_ALONE = {"ENCRYPTED_PHI_KEY": wrapped(b"wrapped new")}


def record(text: str, key: bytes = OLD) -> str:
    """A record of the text, as the application writes it."""
    written = PhiCipher(key).encrypt(text)
    assert written is not None
    return written


def reencrypt(operator: Operator, table: str, columns: str, *more: str, **variables: str) -> CommandResult:
    """Re-encrypt these columns of a table whose key is `id`."""
    where = ("--dsn", operator.patients.dsn, "--table", table, "--columns", columns, "--key-column", "id")
    return wait_for(operator.start_bare(*where, *more, **variables))


def scan(operator: Operator, *more: str, **variables: str) -> CommandResult:
    """Scan the whole database, every row."""
    where = ("--dsn", operator.patients.dsn, "--rows", "0")
    return wait_for(operator.start_bare(*where, *more, command="scan", **variables))


def column(done: CommandResult, table: str, name: str) -> dict[str, Any]:
    """A column in the scan's document."""
    [entry] = [each for each in done.document["tables"] if each["table"] == f"public.{table}"]
    [found] = [each for each in entry["columns"] if each["column"] == name]
    return dict(found)


def opened(value: Any, key: bytes = NEW) -> Any:
    """The value with each text that the key decrypts in its place, at any depth, as the application reads a draft."""
    if isinstance(value, dict):
        return {opened(name, key): opened(inner, key) for name, inner in value.items()}
    if isinstance(value, list):
        return [opened(inner, key) for inner in value]
    if not isinstance(value, str):
        return value
    try:
        return PhiCipher(key).decrypt(value)
    except DecryptionError:
        return value


@pytest.mark.thorough
@needs_postgresql
def test_a_draft_whose_answers_are_records_is_found_under_the_old_key_and_moved_to_the_new(operator: Operator) -> None:
    patients = operator.patients
    patients.run(CREATE_DRAFTS)
    for number in range(1, 21):
        answers = {"name": record(f"Jöhn {number}"), "steps": [{"allergies": record("peanuts 患者")}, 1.10, None]}
        patients.run('insert into "IntakeFormDraft" values (%s, %s)', number, json.dumps(answers))
    found = scan(operator, "--json", **NEW_ALONE)
    assert found.code == 1 and column(found, "IntakeFormDraft", "responses")["underNoKey"] == 40
    done = reencrypt(operator, "IntakeFormDraft", "responses", "--json")
    assert done.code == 0, done.stderr
    assert done.document["passes"][0]["columns"]["responses"]["underOldKey"] == 40
    assert [
        opened(responses) for (responses,) in patients.run('select responses from "IntakeFormDraft" order by id')
    ] == [{"name": f"Jöhn {number}", "steps": [{"allergies": "peanuts 患者"}, 1.10, None]} for number in range(1, 21)]
    moved = scan(operator, "--json", **NEW_ALONE)
    responses = column(moved, "IntakeFormDraft", "responses")
    assert (moved.code, list(responses["underKeys"].values()), responses["valuesWithRecordsInside"]) == (0, [40], 20)


def php(value: Any) -> str:
    """JSON as PHP writes it: each "/" has a backslash."""
    return json.dumps(value).replace("/", "\\/")


def gson(value: Any) -> str:
    """JSON as Gson writes it: "=" and ":" inside strings are escapes."""
    return json.dumps(value).replace("=", "\\u003d").replace(":\\u003", "\\u003a\\u003")


FORMS = {
    "json": ("json", '{"b":1.10, "a" : "%(a)s","a":[ "%(b)s",null,1e400 ] ,"%(a)s":{}}'),
    "jsonb": ("jsonb", '{"b": 1.10, "aa": [{"c": "%(a)s"}, "%(b)s", "é\\n"], "%(c)s": 12345678901234567890.00001}'),
    "a string of JSON": ("jsonb", '"%(a)s"'),
    "JSON text": ("text", '{ "address":"%(a)s"\t,"n":0.10,"list":["%(b)s"]}'),
    "JSON in JSON": ("text", '{"inner": "{\\"deep\\": \\"{\\\\\\"x\\\\\\":\\\\\\"%(a)s\\\\\\"}\\"}", "b": "%(b)s"}'),
    "a list": ("text", "%(a)s,%(b)s"),
    "an array": ("text[]", '{%(a)s,NULL,"x, \\"y\\" \\\\",%(b)s}'),
    "an array with another first index": ("varchar(300)[]", "[0:1]={%(a)s,%(b)s}"),
    "an array of JSON": ("jsonb[]", '{"{\\"a\\": \\"%(a)s\\"}","[\\"%(b)s\\", 1.0]"}'),
    "XML": ("xml", '<?xml version="1.0"?><p a="%(a)s"><!-- é --><b>%(b)s</b></p>'),
    "hstore": ("hstore", '"a"=>"%(a)s", "b"=>NULL, "c"=>"%(b)s"'),
    "citext": ("citext", "%(a)s"),
    "a fixed length": ("char(120)", "%(a)s"),
    "a domain over a domain over JSON": ("answers", '{"a": "%(a)s"}'),
    "a composite": ("address", '("%(a)s",12,"x ""y""")'),
    "a range of texts": ("textrange", "[%(a)s,%(a)s]"),
    "a text search vector": ("tsvector", "'%(a)s':1,3"),
    "bytes": ("bytea", '\\x00ff{"a":"%(a)s","b":"%(b)s"} é'),
    "bytes of one record": ("bytea", "%(a)s"),
}
TYPES = """
create extension hstore; create extension citext;
create domain draft as jsonb; create domain answers as draft check (jsonb_typeof(value) = 'object');
create type address as (street text, number int, more text); create type textrange as range (subtype = text)
"""


def stored(operator: Operator, type_name: str) -> list[str]:
    """The values as PostgreSQL shows them; of bytes, the characters of ISO 8859-1."""
    shown = "convert_from(value, 'latin1')" if type_name == "bytea" else "value::text"
    return [value for (value,) in operator.patients.run(f"select {shown} from t order by id")]


@needs_postgresql
@pytest.mark.parametrize("form", always(("jsonb",), FORMS))
def test_every_type_that_can_hold_a_record_is_looked_into_and_moved_and_the_rest_of_it_stays(
    operator: Operator, form: str
) -> None:
    patients, (type_name, template) = operator.patients, FORMS[form]
    patients.run(TYPES)
    patients.run(f"create table t (id int primary key, value {type_name})")
    texts = {"a": "Jöhn 患者", "b": "1 Main Street", "c": "kidney"}
    before = [{name: record(text) for name, text in texts.items()} for _ in range(5)]
    for number, records in enumerate(before, 1):
        value = template % records
        if type_name == "bytea":
            patients.run("insert into t values (%s, %s)", number, value.encode("latin-1"))
        else:
            patients.run(f"insert into t values (%s, %s::{type_name})", number, value)
    shown = stored(operator, type_name)
    in_each = template.count("%(")
    found = column(
        scan(operator, "--json", ENCRYPTED_PHI_KEYS_FOR_READING=wrapped(b"wrapped old"), **NEW_ALONE), "t", "value"
    )
    assert (sum(found["underKeys"].values()), found["underNoKey"]) == (5 * in_each, 0)
    done = reencrypt(operator, "t", "value", "--json")
    assert done.code == 0, done.stderr
    assert done.document["passes"][0]["columns"]["value"]["underOldKey"] == 5 * in_each
    after = stored(operator, type_name)
    blank = [without_records(value, OLD, texts) for value in shown]
    assert [without_records(value, NEW, texts) for value in after] == blank
    assert all("〈" in value for value in blank) and not set(shown) & set(after)
    moved = scan(operator, "--json", **NEW_ALONE)
    assert (moved.code, column(moved, "t", "value")["state"]) == (0, "records"), moved.stderr


def without_records(value: str, key: bytes, texts: dict[str, str]) -> str:
    """The value with the name of its text in place of each record of the key."""
    names = {text: name for name, text in texts.items()}

    def name_of(candidate: str) -> str | None:
        try:
            return names[PhiCipher(key).decrypt(candidate) or ""]
        except DecryptionError:
            return None

    found = embedded_records(value, name_of)
    return replaced(value, [(each.start, each.end, f"〈{each.opened}〉") for each in found])


def encrypt(operator: Operator, columns: str, *more: str) -> CommandResult:
    """Encrypt these columns of the table `t` with the current key."""
    where = (
        "--dsn",
        operator.patients.dsn,
        "--table",
        "t",
        "--columns",
        columns,
        "--key-column",
        "id",
        "--no-hash-columns",
    )
    return wait_for(operator.start_bare(*where, *more, command="encrypt"))


LABEL = {
    "to": {"name": "Jöhn 患者", "lines": ["1 Main Street", "", {"more": 'b\\c "d"'}], "zip": "02134", "verified": True},
    "name": "parcel",
    "weight": 1.25,
}


@needs_postgresql
@pytest.mark.parametrize("type_name", first(1, ["jsonb", "json", "text", "draft"]))
def test_the_texts_of_named_fields_become_records_once_and_the_rest_of_the_document_stays(
    operator: Operator, type_name: str
) -> None:
    patients = operator.patients
    patients.run("create domain draft as jsonb")
    patients.run(f"create table t (id int primary key, label {type_name})")
    before = json.dumps(LABEL, ensure_ascii=False).replace(": 1.25", " :  1.250 ")
    for number in range(1, 4):
        patients.run(f"insert into t values (%s, %s::{type_name})", number, before)
    shown = stored_labels(operator)
    done = encrypt(operator, "label", "--json-fields", "label:to", "--json")
    assert done.code == 0, done.stderr
    assert done.document["passes"][0]["columns"]["label"]["inTheClear"] == 3 * 4
    after = stored_labels(operator)
    assert [opened(json.loads(label), OLD) for label in after] == [LABEL] * 3
    assert [json.loads(label)["name"] for label in after] == ["parcel"] * 3
    texts = {"name": "Jöhn 患者", "line": "1 Main Street", "more": 'b\\c "d"', "zip": "02134"}
    as_stored = {name: json.dumps(text, ensure_ascii=False)[1:-1] for name, text in texts.items()}
    for label, original in zip(after, shown, strict=True):
        masked = without_records(label, OLD, texts)
        for name, text in as_stored.items():
            masked = masked.replace(f"〈{name}〉", text)
        assert masked == original
    again = patients.run("select id, xmin from t")
    assert (
        encrypt(operator, "label", "--json-fields", "label:to").code == 0
        and patients.run("select id, xmin from t") == again
    )


def stored_labels(operator: Operator) -> list[str]:
    return [label for (label,) in operator.patients.run("select label::text from t order by id")]


@needs_postgresql
def test_what_no_record_can_replace_is_listed_and_left(operator: Operator) -> None:
    patients = operator.patients
    patients.run("create table t (id int primary key, label text)")
    inside = json.dumps({"dob": json.dumps({"deep": record("1980")})})
    values = ['{"dob": 19800101}', "no JSON", inside, '{"dob": "\\ud800"}', '{"dob": ""}', None, '{"dob": "1980"}']
    for number, value in enumerate(values, 1):
        patients.run("insert into t values (%s, %s)", number, value)
    done = encrypt(operator, "label", "--json-fields", "label:dob")
    assert done.code == 1 and "id: 1, 2, 3, 4" in done.stdout and "4 that no record can replace" in done.stdout
    after = [label for (label,) in patients.run("select label from t order by id")]
    assert after[:6] == values[:6] and opened(json.loads(after[6]), OLD) == {"dob": "1980"}


@needs_postgresql
def test_json_is_never_encrypted_as_a_whole_because_its_type_takes_no_record(operator: Operator) -> None:
    patients = operator.patients
    patients.run("create table t (id int primary key, a jsonb, b int, c text)")
    done = encrypt(operator, "a", "--json-fields", "b:*,c", "--json")
    assert done.code == 2 and "expected COLUMN:FIELD+FIELD" in done.document["message"]
    done = encrypt(operator, "a", "--json-fields", "b:*", "--json")
    assert done.code == 2 and done.document["problems"] == [
        "a is jsonb; a record needs text, varchar, citext or bytea, or an array of texts",
        "a is jsonb: name the fields to encrypt, in --json-fields a:FIELD+FIELD",
        "b is integer; --json-fields needs json, jsonb, text or varchar",
        "b is in --json-fields, and not in --columns",
    ]


@needs_postgresql
def test_a_text_with_records_inside_is_not_encrypted_again_as_a_whole(operator: Operator) -> None:
    patients = operator.patients
    patients.run("create table t (id int primary key, details text)")
    partly = json.dumps({"a": record("Jane"), "b": "in the clear"})
    patients.run("insert into t values (1, %s), (2, 'Jane')", partly)
    done = encrypt(operator, "details")
    assert done.code == 1 and "id: 1" in done.stdout
    [(first,), (second,)] = patients.run("select details from t order by id")
    assert first == partly and opened(second, OLD) == "Jane"
    assert encrypt(operator, "details", "--json-fields", "details:*").code == 1, "the second is a record, and no JSON"


def test_the_texts_of_a_document_are_found_by_the_names_of_their_fields() -> None:
    document = '{"a":"1","b":{"a":["2",{"c":"3"}],"d":"4"},"e":[{"a":"5"},"6"],"f":"","g":null,"a":7,"h":true}'

    def texts(*fields: str) -> list[str]:
        found = texts_of_fields(document, set(fields))
        assert found is not None
        return [each.text for each in found.texts]

    assert texts("a") == ["1", "2", "3", "5"] and texts("d", "e") == ["4", "5", "6"]
    assert texts("*") == ["1", "2", "3", "4", "5", "6"] and texts() == texts("z") == []
    assert texts_of_fields('"top"', {"*"}).texts[0].text == "top"  # type: ignore[union-attr]
    assert texts_of_fields('{"a" : ["x", "y"], "b" : "z"}', {"b"}).texts[0].text == "z"  # type: ignore[union-attr]
    for broken in ("", "{", '{"a": }', "[" * 100_000, "x"):
        assert texts_of_fields(broken, {"*"}) is None
