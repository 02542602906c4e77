"""`python -m tools.bench.fields`: prints one JSON row a line; it runs in the environment of the tool `bench`.

Touches standard output, and what its rows touch.
"""

from __future__ import annotations

import argparse
import gc
import json
from importlib import metadata
from itertools import chain

from cryptography.hazmat.backends.openssl import backend

from tools.bench.fields import cipher, key
from tools.bench.fields.rounds import Rounds

COMPARED = ("cryptography", "pybase64", "tink", "aws-encryption-sdk")


def versions() -> dict[str, str]:
    """What a ratio may depend on here."""
    own = backend.openssl_version_text().removeprefix("OpenSSL ").partition(" ")[0]
    return {name: metadata.version(name) for name in COMPARED} | {"OpenSSL of cryptography": own}


def main() -> None:
    """All rows of fields and keys, or the versions of what they compare."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.fields")
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--texts", type=int, default=250, help="in a round: short enough that few are interrupted")
    parser.add_argument("--versions", action="store_true", help="tell these alone")
    given = parser.parse_args()
    if given.versions:
        print(json.dumps(versions()))
        return
    gc.collect()
    gc.freeze()  # what the libraries brought is none of the collector's business while a side runs
    rounds = Rounds(count=given.rounds, texts=given.texts)
    for row in chain(cipher.rows(rounds), key.rows(rounds)):
        print(json.dumps(row.document()), flush=True)


if __name__ == "__main__":
    main()
