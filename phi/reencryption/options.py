"""The command line of `python -m phi reencrypt`.

Touches nothing, and loads nothing that the other commands of `python -m phi` do not need.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from phi.environment import KEY_ID, REGION, WRAPPED

BATCH = 1000
"""Rows of a transaction: locks of some 20 ms; larger ones are hardly faster."""
PASSES = 4
"""Passes at most: the one that moves the records, and those that look after the application's writes in between."""

NEW = "NEW_ENCRYPTED_PHI_KEY"
"""The variable of the wrapped key that records are moved to, unless `--to` names another."""

DESCRIPTION = f"""\
Moves every record of a PostgreSQL table from one data key to another. The wrapped keys come from the environment, by
the names of their variables; {REGION}, {KEY_ID} and AWS credentials that may decrypt with it as well. Rows are
written in batches, each whole or not at all: whatever ends this command, the same one again goes on from there. It
ends well once a pass over all rows has opened every record under the new key alone.
"""


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The subcommand and its options."""
    parser = commands.add_parser(
        "reencrypt", help="move the records of a PostgreSQL table to another data key", description=DESCRIPTION
    )
    parser.add_argument(
        "--dsn",
        default="",
        help="the database, as a URI or name=value, without a password; PG* variables say what it leaves out",
    )
    parser.add_argument("--table", required=True, help="the table, or schema.table, in the letters the database has")
    parser.add_argument("--columns", required=True, help="the columns that hold records, separated by commas")
    parser.add_argument(
        "--key-column", required=True, help="a unique column that is never NULL, such as the primary key"
    )
    parser.add_argument(
        "--from",
        dest="old",
        action="append",
        metavar="NAME",
        help=f"variable of the wrapped key that records are under now (default {WRAPPED}); may be repeated",
    )
    parser.add_argument(
        "--to", dest="new", default=NEW, metavar="NAME", help="variable of the wrapped new key (default %(default)s)"
    )
    parser.add_argument("--dry-run", action="store_true", help="count what is under which key, and write nothing")
    parser.add_argument(
        "--processes",
        type=_from(1, 256),
        metavar="N",
        help="worker processes, each with a connection (default: cores + 1)",
    )
    parser.add_argument(
        "--batch",
        type=_from(1, 100_000),
        default=BATCH,
        metavar="ROWS",
        help="rows of a transaction (default %(default)s)",
    )
    parser.add_argument(
        "--passes",
        type=_from(2, 1000),
        default=PASSES,
        metavar="N",
        help="passes at most, while the application still writes under the old key (default %(default)s)",
    )
    parser.add_argument(
        "--allow-unreadable",
        type=_from(0, 2**63),
        default=0,
        metavar="N",
        help="end well although as many values open under neither key; they are never touched (default 0)",
    )
    parser.add_argument(
        "--checkpoint",
        type=Path,
        metavar="FILE",
        help="remember there how far the first pass came, so that the next run need not read what is done already",
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")


def _from(least: int, most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        value = int(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{value} is not between {least} and {most}")
        return value

    return number
