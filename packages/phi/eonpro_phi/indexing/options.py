"""The command line of `python -m eonpro_phi index`.

Touches nothing, and imports nothing that the other commands of `python -m eonpro_phi` do not need.
"""

from __future__ import annotations

import argparse

from eonpro_phi.environment import HASH_KEY, HASH_KEYS_FOR_READING, KEY_ID, REGION, WRAPPED
from eonpro_phi.reencryption.options import add_json_option, add_run_options, add_table_options
from eonpro_phi.search.rules import RULES

DESCRIPTION = f"""\
Fills the search columns of a PostgreSQL table from columns of texts, encrypted or plain, and fills them again after a
key has changed: what differs from the value that the row's texts have now is written, in the passes of `reencrypt`. The
keys are {WRAPPED}, ENCRYPTED_PHI_KEYS_FOR_READING and, where it is set, {HASH_KEY}; {REGION}, {KEY_ID} and AWS
credentials are in the environment too. A row is written completely or not at all: after an interruption run the same
command again, and it continues. It creates no column and no index, and prints the statements for what is missing.
Keep earlier hash keys in {HASH_KEYS_FOR_READING} of the application until it has succeeded.
"""


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("index", help="fill the search columns of a PostgreSQL table", description=DESCRIPTION)
    add_table_options(parser)
    parser.add_argument(
        "--exact",
        action="append",
        default=[],
        metavar="COLUMN:SEARCH:RULE[:BITS],...",
        help="each column of texts with its search column and the rule by which texts are the same, as in "
        f"email:emailSearch:email; RULE is {', '.join(RULES)}",
    )
    parser.add_argument(
        "--words",
        action="append",
        default=[],
        metavar="COLUMN+COLUMN:TOKENS[:BITS]",
        help="the columns of texts that are searched by the beginnings of words and the ends of phone numbers, and the "
        "column of their tokens",
    )
    parser.add_argument(
        "--clinic-column",
        metavar="COLUMN",
        help="the column that names a row's clinic: each has search keys of its own",
    )
    add_run_options(parser)
    add_json_option(parser)
