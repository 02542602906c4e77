"""`review` over fakes of the edges: its exit code, its document, its words, and the sign-off."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from components.policies.evaluation.account import AccountIam
from tests.components.policies.evaluation.policy_documents import allow, document, grant, named, principal
from tests.wizard.account.access.reviews import (
    NOW,
    SETTINGS,
    STRANGER,
    account,
    application,
    aws,
    stranger,
)
from tests.wizard.fakes.clients import (
    ACCOUNT,
    ADMIN,
    APP,
    IDENTITY,
    KEY,
    SECOND,
    FakeAwsClient,
    FakeEngine,
    FakeUserInterface,
    built,
    clients_of,
)
from wizard.account.access import stored_reviews
from wizard.commands.options import ReviewOptions
from wizard.commands.review.output import short
from wizard.core.clients import Request
from wizard.core.errors import Cancelled, PermissionDenied, UsageError
from wizard.core.models.access import AccessKeyAge, KeyUse
from wizard.core.models.inputs import Mark
from wizard.core.models.stack import StackState

SCHEMA = json.loads((Path(__file__).resolve().parents[4] / "wizard" / "schemas" / "review.schema.json").read_text())


class World:
    """A stack that stands, and a folder of reviews."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.aws = aws()
        self.state: StackState = built(FakeAwsClient(), SETTINGS)
        self.ui = FakeUserInterface()
        self.now = NOW

    def review(
        self, *, confirmed: str | None = None, everything: bool = False, **flags: Any
    ) -> tuple[int, dict[str, Any]]:
        self.ui = replace(self.ui, said=[], marked=[], rows=[])
        options = ReviewOptions(**{"out": self.place} | flags)
        engine = FakeEngine(aws=self.aws, stack_state=self.state)
        clients = clients_of(self.aws, engine, ui=self.ui, now=lambda: self.now)
        request = Request(stack="production", answers={}, saved=SETTINGS, confirmed=confirmed, everything=everything)
        code, told = options.run(request, clients)
        found = json.loads(json.dumps(told))
        assert [error.message for error in Draft202012Validator(SCHEMA).iter_errors(found)] == []
        return code, found

    def with_stranger(self) -> None:
        self.aws.who_has_access.account = account(stranger())

    @property
    def files(self) -> list[str]:
        return sorted(file.name for file in self.place.rglob("*.json"))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "reviews")


def test_one_whom_nobody_named_fails_the_review(world):
    world.with_stranger()
    code, told = world.review()
    assert (code, told["notAccepted"]) == (1, [STRANGER])
    assert (Mark.WARN, f"{STRANGER} can use the key, and the settings do not name it") in world.ui.marked
    world.review(everything=True)
    assert (Mark.WARN, f"{STRANGER}: not named in the settings") in world.ui.marked


def test_a_role_that_another_account_can_assume_is_named_so(world):
    foreign = "arn:aws:iam::999988887777:root"
    trust = document({"Effect": "Allow", "Principal": {"AWS": foreign}, "Action": "sts:AssumeRole"})
    vendor = principal(f"arn:aws:iam::{ACCOUNT}:role/vendor", allow("kms:Decrypt"), trust=trust)
    world.aws.who_has_access.account = AccountIam(principals=(vendor, application()))
    code, told = world.review(everything=True)
    [listed] = [each for each in told["review"]["principals"] if each["arn"] == vendor.arn]
    assert (code, listed["openTo"]) == (1, [foreign])
    assert (Mark.WARN, f"{vendor.arn}: not named in the settings, and another account can assume it") in world.ui.marked


def test_a_replica_that_the_settings_do_not_name_is_read_and_fails_the_review_until_it_is_signed(world):
    stray = KEY.replace("us-east-1", "eu-north-1")
    world.aws.keys[KEY] = replace(world.aws.keys[KEY], replicas=(stray,))
    world.aws.keys[stray] = replace(world.aws.keys[KEY], arn=stray, replica_of=KEY)
    world.aws.key_policies[stray] = document(named(STRANGER))
    code, told = world.review()
    assert (code, told["review"]["elsewhere"], told["notAcceptedKeys"]) == (1, [stray], [stray])
    assert STRANGER in told["notAccepted"]
    assert any("eu-north-1, which the settings do not name" in line for line in world.ui.said)
    [deletes] = [each["command"] for each in told["next"] if each["command"]]
    assert deletes.startswith(f"aws kms schedule-key-deletion --key-id {stray} ")
    world.review(sign="Ada", confirmed="production")
    assert world.review()[0] == 0


def test_what_is_unknown_fails_the_review(world):
    world.aws.who_has_access.failures["iam"] = PermissionDenied("you may not", "")
    code, told = world.review()
    # Of the administrator and of the application, too, what IAM gives them beside is unknown.
    assert (code, told["undecided"]) == (1, [APP, ADMIN, f"arn:aws:iam::{ACCOUNT}:*"])
    assert "python -m wizard policy auditor" in world.ui.said


def test_a_key_without_a_use_is_shown_with_the_day_since_which_aws_counts(world):
    world.aws.who_has_access.uses = {KEY: KeyUse(at=None, operation=None, tracked_since=NOW)}
    world.review()
    assert (Mark.INFO, f"the key was not used since {NOW:%Y-%m-%d}") in world.ui.marked


def test_a_history_that_may_not_be_read_does_not(world):
    world.aws.who_has_access.failures["events"] = PermissionDenied("you may not", "")
    code, told = world.review()
    assert (code, told["review"]["history"]) == (0, None)
    assert any(line.startswith("not read: the event history") for line in world.ui.said)


def test_of_two_with_administrator_access_the_one_that_the_settings_name_passes_no_sooner(world):
    """A reviewer believes that only the unnamed one can decrypt."""
    everything = allow("*")
    administrators = principal(ADMIN, everything, trust=document()), stranger(everything)
    world.aws.who_has_access.account = AccountIam(principals=(*administrators, application()))
    code, told = world.review()
    assert (code, set(told["notAccepted"])) == (1, {ADMIN, STRANGER})
    assert world.review(sign="Ada", confirmed="production")[0] == 0
    code, told = world.review(everything=True)
    assert (code, told["notAccepted"]) == (0, [])
    assert [mark for mark, line in world.ui.marked if line.startswith((ADMIN, STRANGER))] == [Mark.WARN] * 2


def test_whom_a_signed_review_shows_is_accepted_with_what_it_had(world):
    world.with_stranger()
    assert world.review(sign="Ada", confirmed="production")[0] == 0
    assert world.review()[0] == 0
    world.aws.who_has_access.account = account(stranger(allow("kms:*")))
    code, told = world.review()
    assert (code, told["notAccepted"]) == (1, [STRANGER])


def test_one_that_is_in_an_unsigned_review_only_is_not_accepted(world):
    world.review(sign="Ada", confirmed="production")
    world.with_stranger()
    assert [world.review()[0], world.review()[0]] == [1, 1]


def test_the_second_review_tells_what_changed_since_the_first(world):
    world.review()
    world.with_stranger()
    world.now = NOW + timedelta(days=90)
    _, told = world.review()
    assert (told["differences"]["since"], told["differences"]["added"]) == ("2026-07-01.json", [STRANGER])
    assert f"added: {STRANGER}" in world.ui.said


def test_a_file_that_was_tampered_with_fails_the_review_and_is_not_compared_with(world):
    world.with_stranger()
    world.review()
    [file] = world.place.rglob("*.json")
    file.write_text(file.read_text().replace("stranger", "nobody"))
    code, told = world.review()
    assert (code, told["differences"]) == (1, None)
    assert len(told["faults"]) == 1 and "no longer matches its digest" in told["faults"][0]


# The sign-off.


def test_the_sign_off_is_of_the_review_that_was_shown_by_the_credentials_that_read_it(world):
    code, told = world.review(sign="Ada Lovelace", confirmed="production")
    assert code == 0
    assert (told["signOff"]["signer"], told["signOff"]["signerArn"]) == ("Ada Lovelace", IDENTITY.arn)
    assert told["signOff"]["reviewDigest"] == told["digest"]
    [kept] = stored_reviews.read(world.place, "production")
    assert kept.sign_off is not None and kept.sign_off.signer == "Ada Lovelace"


@pytest.mark.parametrize("word", [None, "staging", ""])
def test_unattended_it_takes_the_stacks_name_before_anything_is_read(world, word):
    with pytest.raises(Cancelled, match="nothing was signed") as refused:
        world.review(sign="Ada O'Hara", confirmed=word, days=30)
    assert shlex.split(refused.value.hint)[3:] == [
        *("review", "--sign", "Ada O'Hara", "--days", "30", "--out", str(world.place), "--confirm", "production")
    ]
    assert world.files == [] and world.aws.log == []


def test_a_person_types_the_stacks_name_after_the_review_was_shown(world):
    world.ui = FakeUserInterface(interactive=True, answers={"confirmation": ["production"]})
    world.review(sign="Ada")
    assert world.files == ["2026-07-01.json", "2026-07-01.signed.json"]
    shown = world.ui.log.index("ui.section Result")
    assert world.ui.log.index("ui.ask confirmation") > shown


def test_what_a_person_signs_for_is_not_shown_as_a_failure_beside_the_signature(world):
    world.with_stranger()
    assert world.review(sign="Ada", confirmed="production")[0] == 0
    assert Mark.FAIL not in {mark for mark, _ in world.ui.marked}
    assert (Mark.WARN, f"{STRANGER} can use the key, and the settings do not name it") in world.ui.marked
    assert not [line for line in world.ui.said if "--sign NAME" in line]


def test_a_grant_that_nobody_accepted_comes_with_the_command_that_revokes_it(world):
    world.aws.who_has_access.granted = {KEY: (replace(grant(STRANGER, "Decrypt"), id="g 1", key_arn=KEY),)}
    code, told = world.review()
    revoke = f"aws kms revoke-grant --key-id {KEY} --grant-id 'g 1' --region us-east-1"
    assert (code, told["next"][0]["command"]) == (1, revoke)
    assert revoke in world.ui.said


def test_a_new_grant_of_somebody_whose_right_was_accepted_comes_with_the_command_too(world):
    world.with_stranger()
    world.review(sign="Ada", confirmed="production")
    world.aws.who_has_access.granted = {KEY: (replace(grant(STRANGER, "Decrypt"), id="new", key_arn=KEY),)}
    assert ["--grant-id new" in each["command"] for each in world.review()[1]["next"]] == [True]


def test_a_right_by_a_policy_that_nobody_accepted_comes_with_a_command(world):
    world.with_stranger()
    [step] = world.review()[1]["next"]
    assert step["command"].startswith("aws iam put-role-policy --role-name stranger ")
    assert step["command"] not in world.ui.said and any("--all has the commands" in line for line in world.ui.said)
    world.review(everything=True)
    assert step["command"] in world.ui.said


@pytest.mark.parametrize("flags", [{"days": 0}, {"days": 91}, {"sign": " "}])
def test_flags_that_cannot_be_used_are_refused(world, flags):
    with pytest.raises(UsageError):
        world.review(**flags)
    assert world.files == []


# The words.


def test_an_old_access_key_is_told(world):
    old = AccessKeyAge(id="AKIAOLD", active=True, age_days=400, last_used=None)
    world.aws.who_has_access.account = account(principal(SECOND, allow("kms:*")))
    world.aws.who_has_access.keys_of_users = {"second": (old,)}
    advice = "access key AKIAOLD, 400 days old, no known use: older than 90 days, replace it"
    world.review()
    assert (Mark.WARN, f"{advice}, of {SECOND}") in world.ui.marked
    world.review(everything=True)
    assert f"    {advice}" in world.ui.said


def test_the_table_has_one_row_a_principal_by_its_short_name(world):
    world.review()
    assert world.ui.rows == [
        ("root", "yes", "yes", "no", "0", "-"),
        ("role eonpro-app-role", "yes", "no", "no", "12", "2026-06-30"),
        ("role admin", "no", "yes", "no", "0", "-"),
    ]


@pytest.mark.parametrize(
    ("arn", "expected"),
    [
        (f"arn:aws:iam::{ACCOUNT}:role/team/worker", "role worker"),
        (f"arn:aws:iam::{ACCOUNT}:root", "root"),
        (f"arn:aws:iam::{ACCOUNT}:*", "everybody else"),
        ("arn:aws:iam::999988887777:root", "root of 999988887777"),
        ("arn:aws:iam::999988887777:role/theirs", "role theirs of 999988887777"),
        ("ecs-tasks.amazonaws.com", "ecs-tasks.amazonaws.com"),
        ("*", "*"),
    ],
)
def test_a_name_is_short_and_tells_another_account(arn, expected):
    assert short(arn, account=ACCOUNT) == expected


def test_a_grant_is_told_with_what_it_gives_and_its_date(world):
    made = datetime.fromisoformat("2026-06-01T00:00:00+00:00")
    world.aws.who_has_access.granted = {KEY: (grant(STRANGER, "Decrypt", "CreateGrant", made=made, name="n"),)}
    world.review()
    assert (Mark.WARN, f"grant to {STRANGER}: Decrypt, CreateGrant, created 2026-06-01") in world.ui.marked
    assert "    g1 (n)" in world.ui.said
