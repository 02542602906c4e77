"""The whole onboarding as a person goes through it, from the first screen to the report, once for each target."""

from __future__ import annotations

import base64
import json

from tests.onboarding.clinic import ALIAS, ESCROW, PROJECT, Clinic
from tests.terminal.conftest import Sit
from tests.terminal.person import DOWN, ENTER, SPACE, Person, asked


def opened(clinic: Clinic, wrapped: str) -> int:
    """The octets that KMS unwraps a delivered data key to, without any context."""
    answer = clinic.client("kms").decrypt(CiphertextBlob=base64.b64decode(wrapped), KeyId=clinic.keys()[0])
    return len(answer["Plaintext"])


def answered_up_to_the_target(person: Person) -> None:
    """The first six questions, by Enter alone, each screen looked at."""
    first = person.answer("Set up in the account 123456789012 (eonpro-sandbox)?")
    assert "EONPRO KMS · setup · stack production" in first
    assert "✓ arn:aws:iam::123456789012:user/clinic-admin, by environment variables" in first
    assert "so that nothing is ever built in the" in first
    region = person.answer("Which Region?", "» us-east-1")
    assert "The key never leaves its Region" in region, "the menu has pushed its reason off the screen"
    person.answer(
        "Who administers the key?", "» ● user clinic-admin (you)", "○ user security-officer", "○ role platform"
    )
    person.answer("Any other? Type its ARN")
    person.answer("Make it a multi-Region key? (this cannot be changed later) (y/N)")
    person.answer("As whom does the application run?", "» Make a role for it (recommended)", "Another (type its ARN)")
    person.see("Where does the application run?", "○ Vercel (a project's variables)", "○ Amazon ECS")


def test_by_enter_an_account_comes_from_nothing_to_vercel(clinic: Clinic, sit: Sit) -> None:
    person = sit(clinic)
    answered_up_to_the_target(person)
    person.type(SPACE)
    person.see("● Vercel")
    person.type(ENTER)
    assert "no other team's project" in person.answer("Which Vercel team (its slug)?", keys="eonpro")
    assert "gets the three variables" in person.answer("Which Vercel project?", keys="eonpro")
    access = person.answer("How does the application on Vercel get into AWS?", "» By Vercel's own token (recommended)")
    assert "cannot leak for years, as an access key can" in " ".join(access.split()) and "By an access key" in access
    person.answer("Which trail records the use of the key?", "» Make a trail and a bucket for it")

    person.see("Carry out this plan? (Y/n)")
    plan = person.transcript
    assert "✓ Vercel project eonpro/eonpro" in plan
    assert "administrators  user clinic-admin (you)" in plan
    assert "Vercel          team eonpro, project eonpro, production" in plan
    assert "its bucket      eonpro-cloudtrail-logs-123456789012-us-east-1" in plan
    assert "    + create   Key " in plan and "    + create   Trail " in plan
    assert "GenerateDataKeyWithoutPlaintext" in plan
    assert "Nothing has been changed so far." in person.shown
    under_way = "Pulumi works out what an update would do"
    assert under_way.encode() in person.received and under_way not in plan, "it is said while it lasts, then wiped"
    assert clinic.keys() == [], "something was made before the confirmation"

    person.type(ENTER)
    assert person.leave() == 0
    report = person.words
    assert "+ Key phi-key created" in report
    assert "✓ vercel: proved" in report
    assert "✓ Automatic key rotation: done" in report
    assert "· Key access reviewed quarterly: needs a person" in report
    assert f'roleArn: "{clinic.outputs()["appPrincipalArn"]}"' in report
    assert clinic.outputs()["keyArn"] in report
    again = "    python -m wizard --stack production --target vercel --yes --non-interactive"
    assert again in person.transcript.splitlines(), "the command that repeats the run is no line by itself"
    assert person.is_sane

    delivered = clinic.variables()
    assert set(delivered) == {"AWS_REGION", "AWS_KMS_KEY_ID", "ENCRYPTED_PHI_KEY"}
    assert delivered["AWS_KMS_KEY_ID"]["value"] == clinic.outputs()["keyArn"]
    assert opened(clinic, clinic.parameters()[ESCROW]) == 32
    assert clinic.environment["VERCEL_TOKEN"].encode() not in person.received

    recording = (PROJECT / "docs" / "recording.txt").read_text()
    recorded = recording.splitlines()
    assert len(person.headings) > 8
    missing = [each for each in person.headings if not any(line.startswith(each) for line in recorded)]
    assert not missing, "the recording is of another wizard: make recording"
    questions = asked(person.transcript, 80)
    assert len(questions) > 9
    assert questions == asked(recording, 100), "it is of another wizard: make recording"


def test_by_enter_an_account_comes_from_nothing_to_ecs_on_a_wide_terminal(clinic: Clinic, sit: Sit) -> None:
    person = sit(clinic, columns=120, rows=40, without=("VERCEL_TOKEN", "VERCEL_API_URL"))
    answered_up_to_the_target(person)
    person.type(DOWN + SPACE)
    person.see("● Amazon ECS")
    person.type(ENTER)
    person.answer("Which ECS cluster?", keys="eonpro")
    assert "this service has to be deployed anew" in person.answer("Which ECS service?", keys="eonpro-web")
    person.answer("Which role reads the parameters for the task?", "» Make a role for it")
    person.answer("Which trail records the use of the key?")
    person.see("Carry out this plan? (Y/n)")
    assert "ECS             /eonpro/production/*, for eonpro/eonpro-web" in person.transcript
    person.type(ENTER)
    assert person.leave() == 0

    report = person.transcript
    assert "✓ ecs: proved" in report
    secrets = clinic.outputs()["taskSecrets"]
    assert json.dumps({"secrets": secrets}, indent=2).replace("\n", "\n    ") in report
    assert "--cluster eonpro --service eonpro-web" in report
    assert person.is_sane
    parameters = clinic.parameters()
    assert {each["name"] for each in secrets} == {name.rpartition("/")[2] for name in parameters}
    assert opened(clinic, parameters[ESCROW]) == 32
    assert clinic.client("kms").describe_key(KeyId=ALIAS)["KeyMetadata"]["KeyState"] == "Enabled"


def test_a_wrong_token_is_refused_at_the_prompt_and_neither_token_is_ever_shown(clinic: Clinic, sit: Sit) -> None:
    right, wrong = clinic.environment["VERCEL_TOKEN"], "wrongTokenOfSomebodyElse"
    person = sit(clinic, without=("VERCEL_TOKEN",))
    answered_up_to_the_target(person)
    person.type(SPACE + ENTER)
    person.answer("Which Vercel team (its slug)?", keys="eonpro")
    person.answer("Which Vercel project?", keys="eonpro")
    person.answer("How does the application on Vercel get into AWS?", "» By Vercel's own token")
    person.see("A Vercel token with access to the project")
    person.type(wrong)
    person.see("*" * len(wrong))
    person.type(ENTER)
    person.see("✗ ", "next:")
    person.see_at_cursor("A Vercel token with access to the project")
    person.type(right + ENTER)
    person.answer("Which trail records the use of the key?")
    person.answer("Carry out this plan? (Y/n)")
    assert person.leave() == 0
    for token in (right, wrong):
        assert token.encode() not in person.received
    settings = (clinic.folder / "Pulumi.production.yaml").read_text()
    assert right not in settings and wrong not in settings
    assert len(clinic.variables()) == 3
    assert "with VERCEL_TOKEN in the environment" in person.words
