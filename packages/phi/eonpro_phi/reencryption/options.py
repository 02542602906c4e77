"""The command lines of `python -m eonpro_phi reencrypt`, `encrypt` and `scan`.

Touches nothing, and imports nothing that the other commands of `python -m eonpro_phi` do not need.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from eonpro_phi.binding import Form
from eonpro_phi.environment import HASH_KEY, KEY_ID, REGION, WRAPPED
from eonpro_phi.hashes import NORMALISATIONS
from eonpro_phi.record import names_of

BATCH = 2000
"""Rows that are read at a time. A transaction has a fourth of them, and locks them for some 5 ms."""
PASSES = 4
"""Most passes: the first re-encrypts, the others cover the application's writes meanwhile."""

NEW = "NEW_ENCRYPTED_PHI_KEY"
"""The variable of the wrapped new key, unless `--to` names another."""

MODELS = (
    "the application's module of models, which says how its columns are bound (in Django, with DJANGO_SETTINGS_MODULE, "
    "any module), or a FILE.json that `phi check --models … --json` wrote, here or in Node"
)
"""Help of an option that `check` has too."""

DESCRIPTION = f"""\
Re-encrypts every record of a PostgreSQL table from one data key to another. The wrapped keys are in environment
variables, and so are {REGION}, {KEY_ID} and AWS credentials that can decrypt with that key. A row is written completely
or not at all: after an interruption run the same command again, and it continues. It succeeds once a pass over all rows
has decrypted every record with the new key only.

Hash columns (EONPRO's emailHash and dobHash) are under a key that the application derives from its data key: without
--hash-columns they would match nothing after the rotation. Where {HASH_KEY} is set, they are carried to that key.
"""

ENCRYPT_DESCRIPTION = f"""\
Encrypts the plain texts of a PostgreSQL table in place, with the data key of {WRAPPED}. What is a record already is not
encrypted again. {REGION}, {KEY_ID} and AWS credentials are in the environment too. A row is written completely or not
at all: after an interruption run the same command again, and it continues. It succeeds once a pass over all rows has
decrypted every record. Make a backup of the table first: without the data key nobody reads it again.
"""

SCAN_DESCRIPTION = f"""\
Reads a sample of every table of a PostgreSQL database, and reports which columns hold records and under which key, as
they are or inside JSON, arrays, XML and bytes; and which hold what looks like PHI in the clear: by the form of the
texts, the name of the column, and the texts of the row's own records. A column that it cannot look into is named, and
the exit code is 1. The keys are {WRAPPED} and ENCRYPTED_PHI_KEYS_FOR_READING. It writes nothing, and prints no value.
"""


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "reencrypt", help="re-encrypt the records of a PostgreSQL table with another data key", description=DESCRIPTION
    )
    parser.add_argument(
        "--from",
        dest="old",
        action="append",
        metavar="NAME",
        help=f"variable of the wrapped key that the records have now (default {WRAPPED}); may be repeated",
    )
    parser.add_argument(
        "--to", dest="new", default=NEW, metavar="NAME", help="variable of the wrapped new key (default %(default)s)"
    )
    parser.set_defaults(json_fields=())
    _add_common(parser)
    parser = commands.add_parser(
        "encrypt", help="encrypt plain columns of a PostgreSQL table in place", description=ENCRYPT_DESCRIPTION
    )
    parser.set_defaults(old=(), new=WRAPPED)
    _add_common(parser)
    parser.add_argument(
        "--json-fields",
        action="append",
        default=[],
        metavar="COLUMN:FIELD+FIELD,...",
        help="of a column of JSON or JSON text, the fields whose texts become records, at any depth; COLUMN:* for "
        "every text. The rest of the document stays as it is",
    )
    parser = commands.add_parser(
        "scan", help="report which columns of a PostgreSQL database hold records or PHI", description=SCAN_DESCRIPTION
    )
    _add_dsn(parser)
    parser.add_argument(
        "--rows",
        type=_between(0, 2**31),
        default=1000,
        metavar="N",
        help="rows of each table that are read, from all over the table; 0 for all (default %(default)s)",
    )
    parser.add_argument(
        "--no-phi", default="", metavar="TABLE.COLUMN,...", help="columns that hold no PHI, whatever they look like"
    )
    parser.add_argument(
        "--accept-column",
        action="append",
        default=[],
        metavar="TABLE.COLUMN,...",
        help="columns that hold no records, although the scan cannot look into them: files, foreign data; TABLE.* for "
        "all of a table; the result names them",
    )
    parser.add_argument(
        "--tenant-column",
        action="append",
        default=[],
        metavar="TABLE.COLUMN,...",
        help="columns that name the tenant of each row, whose key its records are under",
    )
    parser.add_argument("--models", metavar="MODULE", help=MODELS)
    add_json_option(parser)


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """The option for a result that another program reads."""
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")


def _add_dsn(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dsn",
        default="",
        help="the database, as a URI or name=value, without a password; the PG* variables add what is missing",
    )


def add_table_options(parser: argparse.ArgumentParser) -> None:
    """The options that say which table, and which of its columns identifies the rows."""
    _add_dsn(parser)
    parser.add_argument(
        "--table", required=True, help="TABLE or SCHEMA.TABLE, in upper and lower case as in the database"
    )
    parser.add_argument(
        "--key-column",
        required=True,
        metavar="COLUMN[+COLUMN]",
        help="a unique column that is never NULL, such as the primary key, or the columns of a key of several",
    )
    parser.add_argument(
        "--place",
        dest="places",
        action="append",
        default=[],
        type=_place,
        metavar="COLUMN=TABLE.COLUMN",
        help="the name for keys of a column, as its declaration has it: what it was before it was renamed",
    )


def add_binding_options(parser: argparse.ArgumentParser) -> None:
    """The options that say how the records of the columns are bound."""
    parser.add_argument(
        "--tenant-column",
        metavar="NAME",
        help="the column that names each row's tenant (clinic): the records get the key of that tenant, as "
        "fields.for_tenant() has it",
    )
    parser.add_argument(
        "--bind",
        choices=["column", "row"],
        help="bind each record to its column or its row, as place(table, column, row): version 2 for texts",
    )


def _add_common(parser: argparse.ArgumentParser) -> None:
    add_table_options(parser)
    parser.add_argument("--columns", required=True, help="the columns that hold records, separated by commas")
    add_binding_options(parser)
    parser.add_argument(
        "--reads",
        action="append",
        default=[],
        choices=[*Form],
        help="with --bind or --tenant-column: the form of records that are moved; may be repeated. Any other record is "
        "listed and left, because it may have been put there. `unbound` is that of a table that never was bound",
    )
    hashes = parser.add_mutually_exclusive_group()
    hashes.add_argument(
        "--hash-columns",
        default="",
        metavar="COLUMN:HASH[:FIELD],...",
        help="each column of texts with its column of search hashes, as in email:emailHash,dob:dobHash; FIELD is "
        f"{' or '.join(NORMALISATIONS)}, where the column has another name",
    )
    hashes.add_argument(
        "--no-hash-columns", action="store_true", help="columns that are named like hash columns hold no hashes"
    )
    parser.add_argument(
        "--replace-hashes",
        action="store_true",
        help="also write hashes where there are none, and replace those that are not of the row's text",
    )
    add_run_options(parser)
    add_json_option(parser)


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """The options of a run in passes."""
    parser.add_argument("--dry-run", action="store_true", help="count the values of each kind, and write nothing")
    parser.add_argument(
        "--processes",
        type=_between(1, 256),
        metavar="N",
        help="worker processes, each with a connection (default: cores + 1)",
    )
    parser.add_argument(
        "--batch",
        type=_between(1, 100_000),
        default=BATCH,
        metavar="ROWS",
        help="rows that are read at a time; a transaction writes a fourth of them (default %(default)s)",
    )
    parser.add_argument(
        "--passes",
        type=_between(2, 1000),
        default=PASSES,
        metavar="N",
        help="passes at most, while the application still writes with the old key (default %(default)s)",
    )
    parser.add_argument(
        "--allow-unreadable",
        type=_between(0, 2**63),
        default=0,
        metavar="N",
        help="succeed although up to N values cannot be decrypted; they are never changed (default 0)",
    )


def _place(text: str) -> tuple[str, str]:
    column, _, name = text.partition("=")
    try:
        names_of(name)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return column, name


def _between(least: int, most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        value = int(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{value} is not between {least} and {most}")
        return value

    return number
