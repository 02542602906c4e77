"""The table of named resources against the program: what AWS holds once, the stack makes from a row, and no other.

Runs the program against a monitor that answers as the engine does; nothing is created.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from components.policies.named_resources import OIDC_PROVIDER, named_resources
from components.settings import Settings
from tests.components.configurations import CONFIG, CONFIGURATIONS, as_text

Recorded = Callable[[str], Any]


def name_of(inputs: dict[str, Any]) -> str:
    return str(inputs.get("name") or inputs.get("bucket") or str(inputs["url"]).removeprefix("https://"))


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_the_program_makes_exactly_the_named_resources_of_the_table(recorded: Recorded, name: str) -> None:
    """A row that the program does not make would be looked for in vain; a resource without a row is made twice."""
    changes = {f"eonpro-kms:{key}": value for key, value in CONFIGURATIONS[name].items()}
    settings = Settings.from_config(as_text({**CONFIG, **changes}))
    rows = [row for row in named_resources(settings) if row.is_made]
    types = {row.type for row in named_resources(settings)} | {OIDC_PROVIDER}
    made = [(each.type, name_of(each.inputs)) for each in recorded(name).resources if each.type in types]
    assert sorted(made) == sorted((row.type, row.name) for row in rows)


def test_no_two_rows_share_a_field() -> None:
    fields = [row.field for row in named_resources(Settings.from_config(as_text(CONFIG)))]
    assert len(set(fields)) == len(fields)
