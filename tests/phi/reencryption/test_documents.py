"""Records inside other values: in JSON at any depth, in JSON text, in arrays, XML, bytes. Each is replaced where it is.

The database is a real PostgreSQL; KMS is a fake that knows the wrapped keys.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from phi import PhiCipher
from phi.errors import DecryptionError
from phi.reencryption.embedded import embedded_records, replaced
from tests.phi.reencryption.command_process import CommandResult, Operator, wait_for, wrapped
from tests.phi.reencryption.patients import NEW, OLD

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
    "a text search vector": ("tsvector", "'%(a)s':1 'word':2"),
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
@pytest.mark.parametrize("form", FORMS)
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
