"""The generator of answers knows every input, and what it draws fits together.

Touches nothing.
"""

from __future__ import annotations

import json
import random

from tests.drawn.__main__ import LEFT_OUT, changed, drawn, fit
from wizard.inputs.registry import INPUTS
from wizard.targets.port import all_targets


def test_every_input_is_drawn_or_left_out_for_a_reason() -> None:
    files = [drawn(random.Random(f"1/{number}")) for number in range(60)]
    targets = {target for values in files for target in str(values["target"]).split(",")}

    assert {key for values in files for key in values} | LEFT_OUT.keys() == {entry.key for entry in INPUTS}
    assert targets == {target.name for target in all_targets()}
    assert all(fit(values) for values in files)
    assert len({json.dumps(values) for values in files}) == len(files)


def test_one_seed_draws_one_file_and_a_change_is_of_one_input() -> None:
    chance, again = random.Random("7/1"), random.Random("7/1")
    values = drawn(chance)
    key, changes = changed(values, chance)

    assert (values, (key, changes)) == (drawn(again), changed(values, again))
    assert {each for each in changes if changes[each] != values.get(each)} == {key} and fit(changes)
