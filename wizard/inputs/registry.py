"""The one table of everything the set-up may ask, in the order it is asked, and the flags made from it.

Pure. Loads no library: `python -m wizard --help` is printed from this table.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from wizard.core.models.inputs import Input
from wizard.inputs.application import APPLICATION_INPUTS, TARGET
from wizard.inputs.audit import TRAIL_INPUTS
from wizard.inputs.key import KEY_INPUTS
from wizard.inputs.state import STATE_INPUTS

if TYPE_CHECKING:
    import argparse


INPUTS: tuple[Input, ...] = (TARGET, *KEY_INPUTS, *APPLICATION_INPUTS, *TRAIL_INPUTS, *STATE_INPUTS)

by_key: Mapping[str, Input] = MappingProxyType({each.key: each for each in INPUTS})
"""Every input by its key."""


def add_flags(
    parser: argparse._ActionsContainer, *, keys: Collection[str] | None = None, helps: Mapping[str, str] | None = None
) -> None:
    """Add a flag for every input: None where it is not given, a list for many values. A secret's flag names a file.

    `keys` are the inputs to add, None for all. `helps` are the inputs that the help lists, each with its text; None
    for all, with all that is known of each.
    """
    from argparse import SUPPRESS

    for each in INPUTS:
        if keys is not None and each.key not in keys:
            continue
        text = f"{'file that holds the ' if each.secret else ''}{each.help} [{each.variable}]".replace("%", "%%")
        if helps is not None:
            text = helps.get(each.key, SUPPRESS)
        action = "append" if each.many else "store"
        metavar = "FILE" if each.secret else each.metavar
        parser.add_argument(each.flag, dest=each.file_key, metavar=metavar, default=None, action=action, help=text)
