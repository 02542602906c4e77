"""A person who set everything up by hand, and is offered to have it taken in: shown, chosen, agreed.

Touches a deployment of its own, in which the guide's script has run.
"""

from __future__ import annotations

import re

import pytest

from tests.onboarding.deployment import Deployment
from tests.terminal.conftest import Sit
from tests.terminal.person import DOWN, ENTER, SPACE

pytestmark = pytest.mark.needs("curl")


@pytest.mark.thorough
def test_a_person_sees_what_differs_at_80_columns_and_chooses_what_is_repaired(
    deployment: Deployment, sit: Sit
) -> None:
    deployment.run(["bash", "examples/manual-setup/guide.sh"], env={"GUIDE_PAUSE_SECONDS": "0"})
    before = {**deployment.inventory(), "stacks": []}
    person = sit(deployment, "--answers", "examples/vercel.yaml")
    person.see("Import it into the stack?")
    shown = person.transcript
    for what, found, wanted in (
        ("key policy, IAM", "no delegation to IAM", "IAM policies have effect"),
        ("bucket, versions", "not kept", "kept"),
        ("trail, Regions", "one", "all"),
    ):
        (row,) = [line for line in shown.splitlines() if line.startswith(what)]
        assert found in row and wanted in row, "a difference is one row of three cells"
    assert "Nothing is made twice and nothing is replaced" in person.words
    person.type(ENTER)
    person.see("Which of these can be changed to match the stack?", "» ● key", "● bucket")
    # Everything is ticked; the key is to stay as it was found.
    person.type(SPACE)
    person.see("» ○ key")
    person.type(ENTER)
    person.see("Apply this plan?", "» ")
    assert re.search(r"(?m)^left as found   key\b", person.transcript)
    assert "data key sha256:" in person.words and "which the application uses today" in person.words
    assert "to import" in person.words and "to replace" not in person.words
    person.type(DOWN + DOWN)
    person.see("» Cancel")
    person.type(ENTER)
    assert person.leave() == 8
    assert {**deployment.inventory(), "stacks": []} == before
    assert person.is_sane
