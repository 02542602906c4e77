"""The third implementation, `tests/phi/go`, which implements docs/formats.md in Go: what it is asked, and its answers.

Builds it in a folder that is given. `python -m tests.phi.vectors.third` writes `third.json`, which both packages read.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.phi.vectors.write import b64
from tools.bootstrap.environment import cleaned
from tools.bootstrap.go import find_go
from tools.bootstrap.installer import Installer
from tools.bootstrap.machine import Machine, remove
from tools.bootstrap.places import HERE, PROJECT
from tools.bootstrap.running import Job, Processes

FILE = Path(__file__).with_name("third.json")
SOURCE = PROJECT / "tests" / "phi" / "go"
Vector = dict[str, Any]

TEXTS = (
    *(
        "Jane",
        "Ængström–Ødegård Þóra",
        "Đỗ Thị ١٢٣",
        "علی\u200cرضا",
        "Kaʻahumanu O’Neil",
        "ﬁnal Ⅷ ½ ΟΔΟΣ",
        "김민준 👩\u200d⚕️",
    ),
    *(
        "+1 (555) 010-2345 ext. 6",
        "Fax: 555 010 2345",
        "0044 20 7946 0958",
        "12345678901234",
        "\ufeff \u00a0",
        "MRN 1-A\u3000",
    ),
    *(
        "2/29/1980 10:00",
        "1980-4-5t",
        "١٩٨٠/٤/٥",
        "1900/1/1",
        "unknown@example.com",
        " İNCI.ΣΑΣ@Example.org",
        "Gal·la’s",
    ),
)
PLACES = (("Patient", "email"), ("a.b", "c"), ('患"者', "Größe:x"))
ANSWERS = {
    "records.accepted": {"text"},
    "records.refused": {"text"},
    "binary.accepted": {"contentSha256"},
    "binary.refused": {"contentSha256"},
    "tenants": {"text", "contentSha256"},
    "keyCheckValues": {"keyCheckValue"},
    "places": {"place"},
    "hashes": {"hash"},
    "search.exact": {"value"},
    "search.rows": {"tokens"},
    "search.queries": {"groups"},
}
"""The fields that follow from the others, for each list of a file; null, or nothing, where a reader refuses."""


def built(folder: Path) -> Path:
    """The program, with the Go of the set-up. Go asks its proxy once for the one module; go.sum says what it may be."""
    program = folder / "third"
    runner = Processes(logs=folder / "logs", alive=lambda seconds, line: None)
    machine = Machine(places=HERE, environment=cleaned(os.environ), run=runner, say=print)
    go = find_go(machine, Installer(machine))
    argv = (str(go.program), "build", "-o", str(program), ".")
    machine.run(Job(argv=argv, environment=go.environment, log="third", seconds=600, cwd=SOURCE))
    for leftover in go.leftovers:
        remove(leftover)
    return program


def answered(program: Path, questions: Vector) -> Vector:
    """The file with each record that is missing, and with every answer."""
    done = subprocess.run([program], input=json.dumps(questions), capture_output=True, text=True, check=True)
    answers: Vector = json.loads(done.stdout)
    return answers


def vectors_of(file: Vector) -> Iterator[tuple[str, list[Vector]]]:
    """Each list of a file that the program knows."""
    for path in ANSWERS:
        head, _, tail = path.partition(".")
        yield path, file[head][tail] if tail else file[head]


def without_answers(file: Vector) -> Vector:
    """The questions of a file: what is stored, and what was hashed."""
    asked: Vector = json.loads(json.dumps(file))
    for path, vectors in vectors_of(asked):
        for vector in vectors:
            for name in ANSWERS[path]:
                vector.pop(name, None)
    return asked


def questions(generator: random.Random, texts: Sequence[str] = TEXTS) -> Vector:
    """Texts and contents to seal, and values to look for, under keys of this generator."""
    key, hash_key = (b64(generator.randbytes(32)) for _ in range(2))
    places: list[Vector] = [
        {"table": table, "column": column, "row": row} for table, column in PLACES for row in (None, "7", 'a:b"c')
    ]
    contexts = ["", "Patient.email", 'Patient."a.b":x:7', "Größe.患"]
    bound = [{"name": "written in Go", "dataKey": key, "context": context} for context in contexts]
    contents = [generator.randbytes(size) for size in (1, 300, 70_000)]
    records = [{**bound[0], "version": 1, "text": text} for text in texts]
    records += [{**bound[at % 4], "version": 2, "text": text} for at, text in enumerate(texts)]
    streams = [
        {**bound[at % 4], "exponent": 16 + at % 5, "content": b64(content)}
        for at, content in enumerate((b"", *contents[:2], bytes(1 << 16)))
    ]
    kept = [{**bound[at], "content": b64(content)} for at, content in enumerate(contents[:2])]
    exact, rows, queries = [], [], []
    for at, text in enumerate(texts):
        search: Vector = {"hashKey": hash_key, "clinic": ("", "7", "Größe")[at % 3]}
        for rule in ("email", "phone", "last4", "date", "id", "text"):
            index = {"table": "Patient", "column": "患", "rule": rule, "bits": generator.randrange(8, 257, 4)}
            exact.append({**search, "index": index, "text": text})
        search["index"] = {"table": "a.b", "column": "tokens", "bits": generator.randrange(8, 32)}
        rows.append({**search, "texts": [text, None, generator.choice(texts)]})
        queries.append({**search, "query": text})
    return {
        "about": "Written by tests/phi/go, of the texts of third.py. Keys, contents and stored bytes are base64.",
        "records": {"accepted": records, "refused": []},
        "binary": {"accepted": kept + streams, "refused": []},
        "json": [],
        "places": places,
        "hashes": [
            {used: hash_key, "field": field, "text": text}
            for field, used in (("email", "hashKey"), ("dob", "dataKey"))
            for text in texts
        ],
        "search": {"exact": exact, "rows": rows, "queries": queries},
        "keyCheckValues": [{"dataKey": key}, {"dataKey": hash_key}],
        "tenants": [
            {**bound[at], "tenant": tenant, "text": "Jane", "content": b64(b"Jane")}
            for at, tenant in enumerate(("7", "Praxis 患 Dœ"))
        ],
    }


def with_refused(answers: Vector) -> Vector:
    """The file with each record at another place and under another key, too."""
    for kind in ("records", "binary"):
        for vector in answers[kind]["accepted"]:
            moved = {"name": "another place", "context": vector["context"] + ":"}
            other = {"name": "another key", "dataKey": b64(bytes(32))}
            stored = {name: vector[name] for name in ("dataKey", "context", "record", "stored") if name in vector}
            if len(vector.get("stored", "")) < 1000:
                answers[kind]["refused"] += [stored | moved, stored | other]
    return answers


def main() -> None:
    """Writes the file: a vector a line, and no content that is long."""
    with tempfile.TemporaryDirectory() as folder:
        file = with_refused(answered(built(Path(folder)), questions(random.Random(1))))
    for vector in file["binary"]["accepted"]:
        vector.pop("content")
    FILE.write_text(json.dumps(file, ensure_ascii=False).replace("}, {", "},\n {") + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
