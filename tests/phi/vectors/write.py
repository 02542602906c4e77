"""Writes `shared.json`: values that every implementation of phi reads alike. `python -m tests.phi.vectors.write`.

Touches that file. It imports nothing of phi: AES-GCM is PyCryptodome's, HMAC and HKDF are written out by hand, and each
normalised text stands here as a literal.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from Crypto.Cipher import AES

FILE = Path(__file__).with_name("shared.json")
KEY, OTHER = bytes(range(32)), bytes([7]) * 32
IV16, IV12 = bytes(range(100, 116)), bytes(range(100, 112))
SALT, PREFIX = bytes(range(32, 64)), bytes(range(200, 207))
MAGIC = b"\xf7phi"
Vector = dict[str, Any]


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def digest(key: bytes, text: bytes) -> bytes:
    return hmac.digest(key, text, "sha256")


def key_id(key: bytes) -> bytes:
    return digest(key, b"eonpro-phi-record-v2 key id")[:8]


def hkdf(key: bytes, *purpose: str) -> bytes:
    """RFC 5869 for 32 bytes and no salt; the info is each text as its length (4 bytes), then its bytes."""
    encoded = [text.encode() for text in purpose]
    info = b"".join(len(part).to_bytes(4, "big") + part for part in encoded)
    return digest(digest(bytes(32), key), info + b"\x01")


def sealed(key: bytes, iv: bytes, content: bytes, associated: bytes = b"") -> bytes:
    """Ciphertext and tag."""
    cipher = AES.new(key, AES.MODE_GCM, nonce=iv, mac_len=16)
    cipher.update(associated)
    return b"".join(cipher.encrypt_and_digest(content))


def version_1(content: bytes, key: bytes = KEY, iv: bytes = IV16) -> str:
    both = sealed(key, iv, content)
    return ":".join(map(b64, (iv, both[-16:], both[:-16])))


def version_2(content: bytes, context: str = "", key: bytes = KEY) -> str:
    start = f"v2:{key_id(key).hex()}:"
    return start + b64(IV12 + sealed(key, IV12, content, (start + context).encode()))


def binary(content: bytes, context: str = "", key: bytes = KEY) -> bytes:
    start = MAGIC + b"\x01" + key_id(key)
    return start + IV12 + sealed(key, IV12, content, start + context.encode())


def stream(content: bytes, context: str = "", exponent: int = 16, *, marked: bool = True) -> bytes:
    start = MAGIC + b"\x02" + key_id(KEY) + bytes([exponent]) + SALT + PREFIX
    own, size = digest(KEY, b"eonpro-phi-stream-v1 key" + start), 2**exponent
    chunks = [content[at : at + size] for at in range(0, len(content), size)] or [b""]
    last = len(chunks) - 1 if marked else -1
    ivs = [PREFIX + number.to_bytes(4, "big") + bytes([number == last]) for number in range(len(chunks))]
    pieces = [sealed(own, iv, chunk, start + context.encode()) for iv, chunk in zip(ivs, chunks, strict=True)]
    return start + b"".join(pieces)


def records() -> Vector:
    """Texts, and the two versions of their records."""
    texts = ("Jane", "Jöhn Dœ, 患者 🩺", "\ufeffwith a mark", "\x00", "x" * 300)
    accepted = [
        {"dataKey": b64(KEY), "context": "", "text": text, "record": version_1(text.encode())} for text in texts
    ]
    accepted += [
        {"dataKey": b64(KEY), "context": context, "text": text, "record": version_2(text.encode(), context)}
        for text, context in zip(
            texts, ("", "Patient.email", "Patient.email:7", "Dökument.data:患", '"a.b".c'), strict=True
        )
    ]
    record = version_1(b"Jane")
    iv, tag, body = record.split(":")
    other_form = base64.urlsafe_b64encode(bytes([251] * 16)).decode()
    bound = version_2(b"Jane", "Patient.email")
    refused = {
        "another key": version_1(b"Jane", OTHER),
        "an IV of 12 bytes": f"{b64(IV12)}:{tag}:{body}",
        "a tag of 12 bytes": f"{iv}:{b64(base64.b64decode(tag)[:12])}:{body}",
        "parts in another order": f"{tag}:{iv}:{body}",
        "no ciphertext": version_1(b""),
        "a fourth part": f"{record}:",
        "two parts": f"{iv}:{body}",
        "pad bits that are not 0": f"{iv[:-3]}h==:{tag}:{body}",
        "no padding": f"{iv}:{tag}:{body.rstrip('=')}",
        "white space": f"{record}\n",
        "the alphabet of URLs": f"{other_form}:{tag}:{body}",
        "bytes that are no UTF-8": version_1(b"\xff\xfe"),
        "a plain text": "Jane",
        "another key of version 2": version_2(b"Jane", "", OTHER),
        "another key under this key's id": version_2(b"Jane", "", OTHER).replace(
            key_id(OTHER).hex(), key_id(KEY).hex()
        ),
        "no place": bound,
        "a key id in upper case": bound.replace(key_id(KEY).hex(), key_id(KEY).hex().upper()),
        "no ciphertext in version 2": version_2(b""),
    }
    return {
        "accepted": accepted,
        "refused": [
            {"name": name, "dataKey": b64(KEY), "context": "", "record": text} for name, text in refused.items()
        ],
    }


def binary_values() -> Vector:
    """Bytes, their records and streams: docs/formats.md."""
    here, letters, two_chunks = "PatientDocument.data:7", "letters/7", bytes(range(256)) * 256 + b"end"
    accepted = [
        ("a record without a place", "", b"%PDF-1.7\n", binary(b"%PDF-1.7\n")),
        ("a record of one byte", "", b"\x00", binary(b"\x00")),
        ("a record of a row", here, b"\xff\xd8", binary(b"\xff\xd8", here)),
        ("a place outside ASCII", "Dökument.data:患", b"%PDF", binary(b"%PDF", "Dökument.data:患")),
        ("an empty stream", "", b"", stream(b"")),
        ("a stream of one chunk", letters, b"%PDF", stream(b"%PDF", letters)),
        ("a stream of two chunks", "", two_chunks, stream(two_chunks)),
    ]
    whole, short = binary(b"%PDF"), stream(b"%PDF")
    refused = {
        "another row": binary(b"%PDF", here),
        "another key": binary(b"%PDF", "", OTHER),
        "another key under this key's id": binary(b"%PDF", "", OTHER).replace(key_id(OTHER), key_id(KEY)),
        "another magic": b"\xf7phj" + whole[4:],
        "an unknown form": whole[:4] + b"\x03" + whole[5:],
        "a cut tag": whole[:-1],
        "a byte behind the tag": whole + b"\x00",
        "an empty content": binary(b""),
        "nothing": b"",
        "a text": b"Jane",
        "a stream whose last chunk is missing": stream(b"%PDF", marked=False),
        "a byte behind a stream": short + b"\x00",
        "a stream of another place": stream(b"%PDF", letters),
        "a chunk size below 64 KiB": stream(b"%PDF", exponent=15),
        "a chunk size above 1 MiB": stream(b"%PDF", exponent=21),
        "a header alone": short[:53],
    }
    return {
        "accepted": [
            {
                "name": name,
                "dataKey": b64(KEY),
                "context": context,
                "contentSha256": hashlib.sha256(content).hexdigest(),
                "stored": b64(stored),
            }
            for name, context, content, stored in accepted
        ],
        "refused": [
            {"name": name, "dataKey": b64(KEY), "context": "", "stored": b64(data)} for name, data in refused.items()
        ],
    }


def json_values() -> Sequence[Vector]:
    """JSON values in which the texts of some fields are records."""
    jane, joe = version_1(b"Jane"), version_1("Jöe".encode())
    return [
        {
            "dataKey": b64(KEY),
            "fields": ["name", "answers"],
            "value": {
                "id": 7,
                "name": "Jane",
                "plan": "basic",
                "answers": [{"q": "Jöe", "none": None, "no": "", "yes": True}],
            },
            "stored": {
                "id": 7,
                "name": jane,
                "plan": "basic",
                "answers": [{"q": joe, "none": None, "no": "", "yes": True}],
            },
        },
        {"dataKey": b64(KEY), "fields": "*", "value": ["Jane", {"a": ["Jöe"]}], "stored": [jane, {"a": [joe]}]},
        {
            "dataKey": b64(KEY),
            "fields": ["name"],
            "value": {"a": [{"name": "Jane"}]},
            "stored": {"a": [{"name": jane}]},
        },
    ]


def places() -> Sequence[Vector]:
    """The contexts of columns and rows: docs/formats.md."""
    return [
        {"table": table, "column": column, "row": row, "place": place}
        for table, column, row, place in (
            ("PatientDocument", "data", None, "PatientDocument.data"),
            ("PatientDocument", "data", "7", "PatientDocument.data:7"),
            ("Größe", "患", "", "Größe.患:"),
            ("a.b", 'c"d', 'x:y"z', '"a.b"."c""d":x:y"z'),
            ('"', "a:", None, '""""."a:"'),
        )
    ]


def hashes() -> Sequence[Vector]:
    """The application's emailHash and dobHash, under a hash key of their own and under one that a data key gives."""
    texts: Sequence[tuple[str, str, str | None]] = (
        ("email", " Jane@Example.org\u00a0", "jane@example.org"),
        ("email", "JÖHN@example.org", "jöhn@example.org"),
        ("email", "ΟΔΟΣ@example.org", "οδος@example.org"),
        ("email", "\ufeffİ@example.org", "i\u0307@example.org"),
        ("email", "unknown@example.com", None),
        ("email", "7@Intake.local", None),
        ("dob", "4/5/1980", "1980-04-05"),
        ("dob", " 12-31-1999 ", "1999-12-31"),
        ("dob", "1980-04-05T00:00:00Z", "1980-04-05"),
        ("dob", "1900-01-01", None),
        ("dob", "  ", None),
    )
    derived = digest(KEY, b"patient-dedup-v1")
    return [
        {
            **key,
            "field": field,
            "text": text,
            "hash": None if normalised is None else digest(used, normalised.encode()).hex(),
        }
        for key, used in (({"hashKey": b64(OTHER)}, OTHER), ({"dataKey": b64(KEY)}, derived))
        for field, text, normalised in texts
    ]


def search() -> Vector:
    """Search values and tokens: docs/formats.md."""
    exact: Sequence[tuple[str, str, str | None]] = (
        ("email", "Jane@Example.org ", "jane@example.org"),
        ("phone", "+1 (555) 010-2345 ext. 6", "5550102345"),
        ("phone", "+44 (0)20 7946 0958", "+442079460958"),
        ("phone", "\u202a011 47 21 23 45 67", "+4721234567"),
        ("phone", "٥٥٥ ٠١٠ ٢٣٤٥", "5550102345"),
        ("phone", "none", None),
        ("last4", "555-010-2345", "2345"),
        ("last4", "123", None),
        ("date", "4/5/1980", "1980-04-05"),
        ("date", "1980.4.5 10:00", "1980-04-05"),
        ("date", "4/5/80", "4/5/80"),
        ("id", " ab-12 Ⅷ\u3000", "ab-12viii"),
        ("text", "  Ångström\t ΟΔΟΣ ", "angstrom οδοσ"),
        ("text", "Øster–Æbelø O´Łódź", "oster-aebelo o'lodz"),
    )
    values = []
    for rule, text, normalised in exact:
        for clinic, bits in (("", 128), ("clinic-7", 256), ("7", 32)):
            key = hkdf(OTHER, "eonpro-phi-search-v1", "exact", rule, "Patient", f"{rule}Search", clinic)
            value = None if normalised is None else digest(key, normalised.encode()).hex()[: bits // 4]
            index = {"table": "Patient", "column": f"{rule}Search", "rule": rule, "bits": bits}
            values.append({"hashKey": b64(OTHER), "index": index, "clinic": clinic, "text": text, "value": value})
    rows: Sequence[tuple[Sequence[str | None], str]] = (
        (
            ["Jö", None, "555-0102"],
            "p:j p:jo p:5 p:55 p:555 p:5550 p:55501 p:555010 p:5550102 p:0 p:01 p:010 p:0102 e:0102 e:50102 e:550102 "
            "e:5550102",
        ),
        (["O'Brien"], "p:o p:ob p:obr p:obri p:obrie p:obrien p:b p:br p:bri p:brie p:brien"),
        (["ʻOĸ"], "p:o p:oĸ"),
        (["ZoẞT\u200cø"], "p:z p:zo p:zos p:zoss p:zosst p:zossto p:o"),
        (["\U0001e5d0\u0378"], "p:\U0001e5d0 p:\U0001e5d0\u0378"),
        (["", "—"], ""),
    )
    queries: Sequence[tuple[str, Sequence[Sequence[str]]]] = (
        ("jane 2345", [["p:jane"], ["p:2345", "e:2345"]]),
        ("o’brien JÖ", [["p:obrien"], ["p:jo"]]),
        ("Kaʻahumanu Weiß", [["p:kaahumanu"], ["p:weiss"]]),
        ("+1 (555) 010-2345", [["p:5550102345", "e:5550102345"]]),
        ("?", []),
    )

    def token(term: str, clinic: str, bits: int) -> int:
        key = hkdf(OTHER, "eonpro-phi-search-v1", "words", "words", "Patient", "tokens", clinic)
        return int(bin(int.from_bytes(b"\x01" + digest(key, term.encode()), "big"))[3 : 3 + bits], 2)

    named = [
        (clinic, bits, {"table": "Patient", "column": "tokens", "bits": bits}) for clinic, bits in (("", 16), ("7", 31))
    ]
    return {
        "exact": values,
        "rows": [
            {
                "hashKey": b64(OTHER),
                "index": index,
                "clinic": clinic,
                "texts": texts,
                "tokens": sorted({token(term, clinic, bits) for term in terms.split()}),
            }
            for clinic, bits, index in named
            for texts, terms in rows
        ],
        "queries": [
            {
                "hashKey": b64(OTHER),
                "index": index,
                "clinic": clinic,
                "query": query,
                "groups": [[token(term, clinic, bits) for term in terms] for terms in groups],
            }
            for clinic, bits, index in named
            for query, groups in queries
        ],
    }


def key_check_values() -> Sequence[Vector]:
    """The key id of records of version 2."""
    return [{"dataKey": b64(key), "keyCheckValue": key_id(key).hex()} for key in (KEY, OTHER, bytes(32))]


def tenants() -> Sequence[Vector]:
    """Records and bytes under the keys of tenants: docs/formats.md."""
    made = []
    for tenant, context in (("clinic-7", "Patient.email"), ("Praxis Dœ", "")):
        key = hkdf(KEY, "eonpro-phi-tenant-v1", tenant)
        record, stored = version_2(b"Jane", context, key), binary(b"%PDF", context, key)
        made.append(
            {
                "dataKey": b64(KEY),
                "tenant": tenant,
                "context": context,
                "text": "Jane",
                "record": record,
                "content": b64(b"%PDF"),
                "stored": b64(stored),
            }
        )
    return made


def vectors() -> Vector:
    """The whole file."""
    return {
        "about": "Made by tests/phi/vectors/write.py without phi. Keys, contents and stored bytes are base64.",
        "records": records(),
        "binary": binary_values(),
        "json": json_values(),
        "places": places(),
        "hashes": hashes(),
        "search": search(),
        "keyCheckValues": key_check_values(),
        "tenants": tenants(),
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps(vectors(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
