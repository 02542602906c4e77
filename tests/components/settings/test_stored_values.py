"""The table of stored values: each row has what the program says of a value, and the data key is the first.

Pure.
"""

import dataclasses

import pytest

from components.settings import OPTIONAL_VALUES, STORED_VALUES, Settings, StoredValue, VariableNames
from components.settings.stored_values import DATA_KEY
from wizard.inputs.registry import OPTIONAL_KEYS, by_key

OF_EVERY_VALUE = ("without", "anew", "under_another", "missing", "not_created", "replaced")
OF_OPTIONAL_VALUES = ("title", "unread", "kept", "unchanged", "opens")


def test_the_data_key_is_the_first_and_every_application_has_it() -> None:
    assert STORED_VALUES[0] is DATA_KEY and DATA_KEY.setting is None
    assert all(value.setting for value in STORED_VALUES[1:])


@pytest.mark.parametrize("value", STORED_VALUES, ids=lambda value: value.noun)
def test_a_row_says_what_is_lost_without_the_value(value: StoredValue) -> None:
    assert all(getattr(value, name) for name in OF_EVERY_VALUE)
    assert "{which}" in value.under_another
    assert not value.setting or all(getattr(value, name) for name in OF_OPTIONAL_VALUES)


@pytest.mark.parametrize("name", ["variable", "noun", "variable_field", "json_name", "last_backup", "versions"])
def test_no_two_rows_share_a_name(name: str) -> None:
    assert len({getattr(value, name) for value in STORED_VALUES}) == len(STORED_VALUES)


@pytest.mark.parametrize("value", OPTIONAL_VALUES, ids=lambda value: value.noun)
def test_an_optional_value_has_a_setting_a_name_an_input_and_an_option_of_restore(value: StoredValue) -> None:
    assert value.setting in Settings.model_fields
    assert value.variable_field in {field.name for field in dataclasses.fields(VariableNames)}
    assert {value.setting, value.variable.lower()} <= by_key.keys()
    assert value.variable in OPTIONAL_KEYS
    assert value.option == f"--{value.variable.removeprefix('ENCRYPTED_PHI_').lower().replace('_', '-')}"
