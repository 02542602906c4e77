"""`python -m tools.bench.fields`: prints one JSON row on each line; runs in the environment of the tool `bench`.

Touches standard output, and what its rows touch.
"""

import argparse
import gc
import json
from importlib import metadata
from itertools import chain

from cryptography.hazmat.backends.openssl import backend

from tools.bench.fields import binary, cipher, key
from tools.bench.fields.rounds import Rounds

COMPARED = ("cryptography", "pybase64", "tink", "aws-encryption-sdk")


def versions() -> dict[str, str]:
    """The versions that a ratio may depend on."""
    own = backend.openssl_version_text().removeprefix("OpenSSL ").partition(" ")[0]
    return {name: metadata.version(name) for name in COMPARED} | {"OpenSSL of cryptography": own}


def main() -> None:
    """Print all rows of fields and keys, or the versions of the compared libraries."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.fields")
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument(
        "--texts", type=int, default=250, help="texts in a round; few, so that few rounds are interrupted"
    )
    parser.add_argument("--versions", action="store_true", help="print only the versions")
    options = parser.parse_args()
    if options.versions:
        print(json.dumps(versions()))
        return
    gc.collect()
    gc.freeze()  # the collector does not scan the objects of the libraries while a side runs
    rounds = Rounds(count=options.rounds, texts=options.texts)
    for row in chain(cipher.rows(rounds), binary.rows(rounds), key.rows(rounds)):
        print(json.dumps(row.document()), flush=True)


if __name__ == "__main__":
    main()
