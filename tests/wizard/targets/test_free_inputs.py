"""What a target's free inputs are: of its own, with a field of the settings, and in no policy of the operator."""

from __future__ import annotations

import pytest

from wizard.inputs.registry import by_key
from wizard.targets.port import DeployTarget, all_targets, free_values


@pytest.mark.parametrize("target", all_targets(), ids=lambda target: target.name)
def test_a_free_input_is_one_of_the_target_s_own(target: DeployTarget) -> None:
    assert set(target.free_inputs) <= {each.key for each in target.inputs}


def test_each_is_called_like_its_field_so_that_settings_take_the_values() -> None:
    assert [by_key[key].field for key in free_values()] == list(free_values())
