"""`python -m tools.bench.fields`: prints one JSON row on each line; runs in the environment of the tool `bench`.

Touches standard output, and what its rows touch.
"""

import argparse
import gc
import json
from itertools import chain

from tools.bench.fields import binary, cipher, key
from tools.bench.fields.rounds import Rounds


def main() -> None:
    """Print all rows of fields and keys."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.fields")
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument(
        "--texts", type=int, default=250, help="texts in a round; few, so that few rounds are interrupted"
    )
    options = parser.parse_args()
    gc.collect()
    gc.freeze()  # the collector does not scan the objects of the libraries while a side runs
    rounds = Rounds(count=options.rounds, texts=options.texts)
    for row in chain(cipher.rows(rounds), binary.rows(rounds), key.rows(rounds)):
        print(json.dumps(row.document()), flush=True)


if __name__ == "__main__":
    main()
