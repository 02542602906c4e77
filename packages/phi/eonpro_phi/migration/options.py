"""The command line of `python -m eonpro_phi migrate`.

Touches nothing, and imports nothing that the other commands of `python -m eonpro_phi` do not need.
"""

from __future__ import annotations

import argparse

from eonpro_phi.environment import KEY_ID, REGION, WRAPPED
from eonpro_phi.reencryption.options import add_binding_options, add_run_options, add_table_options

DESCRIPTION = f"""\
Moves plain columns of a PostgreSQL table to encrypted ones beside them, while the application writes both. `status`
decrypts every record, compares it with the plain text, and prints the next step; its exit code is 0 when every text has
its record. `fill` encrypts the plain texts that have no record yet, in the passes of `reencrypt`: after an
interruption run the same command again. The keys are {WRAPPED} and ENCRYPTED_PHI_KEYS_FOR_READING; {REGION}, {KEY_ID}
and AWS credentials are in the environment too. A plain column is never written.
"""


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "migrate", help="move a plain column of a PostgreSQL table to an encrypted one", description=DESCRIPTION
    )
    steps = parser.add_subparsers(dest="step", required=True)
    for step, summary in (
        ("status", "compare both columns in every row, and print the next step"),
        ("fill", "encrypt the plain texts that have no record"),
    ):
        command = steps.add_parser(step, help=summary, description=DESCRIPTION)
        add_table_options(command)
        command.add_argument(
            "--columns",
            required=True,
            metavar="PLAIN:ENCRYPTED,...",
            help="each plain column with its encrypted one, as in email:email_encrypted",
        )
        add_binding_options(command)
        add_run_options(command)
        command.set_defaults(plain_wins=False)
        if step == "fill":
            command.add_argument(
                "--plain-wins",
                action="store_true",
                help="also replace a record that differs from the plain text, where that was written later",
            )
