"""The whole onboarding as a person goes through it, from the first screen to the report, in a sandbox."""

from __future__ import annotations

import base64
import re
from itertools import groupby

from tests.onboarding.deployment import PROJECT, STORED_KEY, Deployment
from tests.terminal.conftest import Sit
from tests.terminal.person import ENTER, SPACE, Person, asked, take_what_was_detected
from tests.terminal.screens import expect, told_of_changes

MOST_QUESTIONS, MOST_KEYSTROKES = 8, 12
RESOURCE = re.compile(r"    \+ create |  (\{green\})?\+(\{/\})? \w+ \S+ created ")
LAST_PAGE = ("Apply this plan?", "» Apply")
BACKUP = ("Back up the wrapped data key now?", "» Later")


def opened(deployment: Deployment, wrapped: str) -> int:
    """The octets that KMS unwraps a delivered data key to, without any context."""
    answer = deployment.client("kms").decrypt(CiphertextBlob=base64.b64decode(wrapped), KeyId=deployment.keys()[0])
    return len(answer["Plaintext"])


def in_order(page: str) -> str:
    """The page, its resources by their names: in which order, and which at once, is the engine's affair."""
    lines = [line for line in page.split("\n") if not line.startswith("... ")]
    resources = groupby(lines, key=lambda line: bool(RESOURCE.match(line)))
    return "\n".join(line for of_the_engine, same in resources for line in (sorted(same) if of_the_engine else same))


def onboarded_to_vercel(person: Person) -> None:
    """The shortest way there is: a space, and Enter."""
    first = person.see("Where does the application run?", "○ Vercel (a project's variables)", "○ Amazon ECS")
    assert "EONPRO KMS · setup · stack production" in first
    person.type(SPACE)
    person.see("» ● Vercel")
    person.type(ENTER)
    take_what_was_detected(person)
    person.see(*LAST_PAGE)
    found = person.transcript
    assert "✓ arn:aws:iam::123456789012:user/clinic-admin, by environment variables" in found
    assert "✓ Vercel token, by VERCEL_TOKEN" in found
    steps = [line for line in found.splitlines() if line.endswith(" of 6")]
    assert [line.rpartition("step ")[2] for line in steps] == [f"{number} of 6" for number in range(1, 7)]
    expect(person, "real-last-page", "Checks", arrange=in_order)


def test_six_questions_lead_from_nothing_to_vercel(deployment: Deployment, sit: Sit) -> None:
    person = sit(deployment)
    onboarded_to_vercel(person)
    plan = person.transcript
    assert "✓ Vercel project eonpro/eonpro" in plan
    assert "administrators  user clinic-admin (you)" in plan
    assert "team eonpro, project eonpro, production" in plan and "the only project" in plan
    assert "can use it      the application, and whoever IAM allows" in plan
    assert re.search(r"\nresources       \d+ to create: key 2, ", plan)
    assert "Review  step 6 of 6" in person.shown and "Nothing has been changed so far." in person.shown
    under_way = "Pulumi works out what an update would do"
    assert under_way.encode() in person.received
    assert under_way not in plan, "it is said while it lasts, then wiped"
    assert deployment.keys() == [], "something was made before the confirmation"
    assert len(asked(plan, 80)) == 6 <= MOST_QUESTIONS

    person.type(ENTER)
    person.see(*BACKUP)
    person.type(ENTER)
    assert person.leave() == 0
    assert person.keystrokes == 8 <= MOST_KEYSTROKES
    expect(person, "real-carried-out", "Resources", ended=True, arrange=in_order)
    report = person.words
    assert re.search(r"✓ resources: \d+ created, in \d+ s", report)
    assert "✓ vercel: proved" in report
    assert "✓ Automatic key rotation" in report
    assert "· Key access reviewed quarterly: no review of this key is signed yet" in report
    assert "made: alias/eonpro-phi-key, role eonpro-app-role, policy EONPROKMSAccess" in report
    assert "arn:" not in report[report.index("Data key") :], "a resource has its short name"
    redeploy = "    eonpro-kms push --redeploy"
    assert redeploy in person.transcript.splitlines(), "a command is no line by itself"
    shown = person.transcript[person.transcript.rindex("Data key") :].splitlines()
    page = [row for row in shown if not row.startswith("... ")]
    assert len(page) <= 38, "with the question about the backup"
    assert person.is_sane
    assert person.screen.overlong == [], "a line is wider than the terminal"
    assert not (deployment.folder / ".wizard" / "production.json").exists(), "the answers of a run that is done"

    delivered = deployment.variables()
    assert set(delivered) == {"AWS_REGION", "AWS_KMS_KEY_ID", "ENCRYPTED_PHI_KEY"}
    assert delivered["AWS_KMS_KEY_ID"]["value"] == deployment.outputs()["keyArn"]
    assert opened(deployment, deployment.parameters()[STORED_KEY]) == 32
    assert deployment.environment["VERCEL_TOKEN"].encode() not in person.received

    recording = (PROJECT / "docs" / "pictures" / "recording.txt").read_text()
    recorded = recording.splitlines()
    assert len(person.headings) > 8
    missing = [each for each in person.headings if not any(line.startswith(each) for line in recorded)]
    assert not missing, "docs/pictures/ is of another wizard"
    questions = asked(person.transcript, 80)
    assert len(questions) == 7
    assert questions == asked(recording, 100), "docs/pictures/ is of another wizard"

    # Over what is there: one question. With the answers in a file and the word given: none.
    again_at = sit(deployment)
    again_at.see(*LAST_PAGE)
    assert len(asked(again_at.transcript, 80)) == 1
    again_at.type(ENTER)
    assert again_at.leave() == 0
    assert again_at.keystrokes == 1
    unasked = sit(deployment, "--answers", "examples/vercel.yaml", "--yes")
    assert unasked.leave() == 0
    assert asked(unasked.transcript, 80) == [] and unasked.keystrokes == 0
    assert len(deployment.keys()) == 1
    told_of_changes()
