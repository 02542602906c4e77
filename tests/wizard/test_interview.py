"""The interview: what is asked, in which order, what is offered, and that nobody there means nothing is asked."""

from __future__ import annotations

from typing import Any

import pytest

from tests.wizard.fakes import (
    ACCOUNT,
    ADMIN,
    BUCKET,
    IDENTITY,
    OTHER_ACCOUNT,
    SECOND,
    TOKEN,
    TRAIL,
    FakeCloud,
    FakeHosting,
    FakeTalk,
    settings,
    trail_fact,
)
from wizard.answers import Answer, Source, from_settings
from wizard.errors import CredentialsError, MissingAnswers, PermissionDenied, SetupError, Unreachable
from wizard.facts import Linked, VercelProject
from wizard.interview import Interview, Interviewer
from wizard.questions import INPUTS

GIVEN: dict[str, Any] = {
    "account": "caller",
    "region": "us-east-1",
    "administrators": ("caller",),
    "multi_region": False,
    "app_principal": "create",
    "target": ("vercel",),
    "vercel_team": "acme",
    "vercel_project": "portal",
    "vercel_access": "oidc",
    "vercel_token": TOKEN,
    "trail": "create",
}
ECS: dict[str, Any] = {"target": ("ecs",), "ecs_cluster": None, "ecs_execution_role": "create"}
LINKED = Linked(project_id="prj_1", team_id="team_1")


class Room:
    """One interview over fakes: who connects, with what, and who answers."""

    def __init__(self) -> None:
        self.cloud = FakeCloud()
        self.talk = FakeTalk(interactive=True)
        self.connected: list[tuple[str | None, str | None]] = []
        self.connect_error: SetupError | None = None
        self.hosting = FakeHosting()

    def connect(self, profile: str | None, region: str | None) -> FakeCloud:
        self.connected.append((profile, region))
        if self.connect_error is not None:
            raise self.connect_error
        return self.cloud

    def host(self, token: str) -> FakeHosting:
        self.hosting.token = token
        return self.hosting

    def run(self, given: dict[str, Any], linked: Linked | None = None, stack: str = "production") -> Interview:
        answers = {
            key: Answer(value=value, source=Source.FLAG, where=key, secret=key == "vercel_token")
            for key, value in given.items()
        }
        return Interviewer(
            stack=stack,
            answers=answers,
            talk=self.talk,
            connect=self.connect,
            hosting=self.host,
            linked=linked,
        ).run()


@pytest.fixture
def room() -> Room:
    return Room()


@pytest.fixture
def nobody(room: Room) -> Room:
    room.talk.interactive = False
    return room


def without(*keys: str) -> dict[str, Any]:
    return {key: value for key, value in GIVEN.items() if key not in keys}


# --- somebody is there


def test_a_first_run_asks_each_question_once_in_order(room) -> None:
    room.talk.answers = {
        "region": ["us-east-1"],
        "administrators": [("caller",)],
        "multi_region": ["yes"],
        "replica_regions": [("eu-central-1",)],
        "app_principal": ["create"],
        "target": [("vercel", "ecs", "eks")],
        "vercel_team": ["acme"],
        "vercel_project": ["portal"],
        "vercel_access": ["oidc"],
        "vercel_token": [TOKEN],
        "ecs_cluster": ["clinic"],
        "ecs_service": ["web"],
        "ecs_execution_role": ["create"],
        "eks_cluster": ["clinic"],
        "trail": ["create"],
    }
    interview = room.run({})
    asked = [call for call in room.talk.log if call.startswith(("talk.ask", "talk.confirm"))]
    assert asked == [
        f"talk.confirm Set up in the account {ACCOUNT} (clinic)?",
        *(f"talk.ask {key}" for key in room.talk.answers),
    ]
    assert interview.values["account"] == ACCOUNT
    assert interview.values["administrators"] == (ADMIN,)
    assert interview.values["environment"] == "production"
    assert (interview.values["rotation_period_days"], interview.values["trail_retention_days"]) == (365, 2557)
    assert (interview.values["multi_region"], interview.values["replica_regions"]) == (True, ("eu-central-1",))


@pytest.mark.parametrize("interactive", [True, False])
def test_what_is_not_asked_has_its_default_whoever_is_there(room, interactive) -> None:
    room.talk.interactive = interactive
    values = room.run(GIVEN).values
    assert {each.key: values[each.key] for each in INPUTS if each.default is not None} == {
        each.key: each.default for each in INPUTS if each.default is not None
    }


def test_a_key_of_one_region_is_asked_for_no_replicas_and_no_is_the_default(room) -> None:
    room.talk.answers = {"multi_region": ["no"]}
    interview = room.run(without("multi_region"))
    (question,) = room.talk.asked
    assert (question.key, question.default, interview.values["multi_region"]) == ("multi_region", "no", False)
    assert "replica_regions" not in interview.values


def test_a_replica_is_offered_in_every_other_region_that_is_on(room) -> None:
    room.talk.answers = {"replica_regions": [()]}
    interview = room.run({**GIVEN, "multi_region": True})
    (question,) = room.talk.asked
    assert [choice.value for choice in question.choices] == ["eu-central-1"]
    assert interview.values["replica_regions"] is None


def test_vercels_own_token_is_the_first_way_in_and_a_named_principal_is_not_asked(room) -> None:
    room.talk.answers = {"vercel_access": ["user"]}
    interview = room.run(without("vercel_access"))
    (question,) = room.talk.asked
    assert ([choice.value for choice in question.choices], question.default) == (["oidc", "user"], "oidc")
    assert interview.values["vercel_access"] == "user"
    room.run({**without("vercel_access"), "app_principal": SECOND})
    assert len(room.talk.asked) == 1


def test_administrators_by_pattern_are_not_asked_for_by_name(room) -> None:
    room.run({**without("administrators"), "administrator_patterns": (f"{ADMIN}-*",)})
    assert room.talk.keys == []


def test_an_application_on_eks_is_asked_for_its_cluster_only(room) -> None:
    room.talk.answers = {"eks_cluster": ["clinic"]}
    interview = room.run({**without("vercel_team", "vercel_project", "vercel_token"), "target": ("eks",)})
    assert room.talk.keys == ["eks_cluster"]
    assert (interview.values["eks_namespace"], interview.values["eks_identity"]) == ("eonpro", "pod-identity")


def test_a_saved_stack_asks_a_person_nothing_but_the_token(room) -> None:
    saved = from_settings(settings(multi_region=True, deploy_targets=("vercel", "ecs")))
    room.talk.answers = {"vercel_token": [TOKEN]}
    room.run(saved)
    assert room.talk.keys == ["vercel_token"]


def test_nothing_that_a_door_gave_is_asked(room) -> None:
    room.run(GIVEN)
    assert room.talk.keys == []
    assert not [call for call in room.talk.log if "confirm" in call]


@pytest.mark.parametrize("key", ["region", "app_principal", "vercel_team", "vercel_project", "trail", "target"])
def test_only_what_is_missing_is_asked(room, key) -> None:
    room.talk.answers = {key: [GIVEN[key]]}
    interview = room.run(without(key))
    assert room.talk.keys == [key]
    assert interview.values[key] == GIVEN[key]


def test_ecs_is_not_asked_about_vercel_nor_a_service_without_a_cluster(room) -> None:
    room.talk.answers = {"target": [("ecs",)], "ecs_cluster": [""], "ecs_execution_role": ["create"]}
    room.run(without("target", "vercel_team", "vercel_project", "vercel_token"))
    assert room.talk.keys == ["target", "ecs_cluster", "ecs_execution_role"]


def test_the_environment_is_the_stacks_name_and_not_asked(room) -> None:
    assert room.run(GIVEN, stack="staging").values["environment"] == "staging"
    assert room.run(GIVEN, stack="acme/eonpro-kms/staging").values["environment"] == "staging"


def test_who_you_are_is_shown_before_the_first_question(room) -> None:
    room.cloud.disagreements = ("two Regions are named",)
    room.talk.answers = {"region": ["us-east-1"]}
    room.run(without("region"))
    assert room.talk.log.index("talk.section Who you are") < room.talk.log.index("talk.ask region")
    assert "two Regions are named" in room.talk.said
    assert f"{IDENTITY.arn}, by environment variables" in room.talk.said


def test_a_no_to_the_account_asks_for_the_right_one(room) -> None:
    room.talk.confirms = [False]
    room.talk.answers = {"account": [OTHER_ACCOUNT]}
    assert room.run(without("account")).values["account"] == OTHER_ACCOUNT


def test_the_region_in_use_is_the_default_and_those_that_are_off_cannot_be_chosen(room) -> None:
    room.talk.answers = {"region": ["eu-central-1"]}
    room.run(without("region"))
    (question,) = room.talk.asked
    assert question.default == "us-east-1"
    assert {c.value: c.disabled for c in question.choices} == {
        "af-south-1": "off in this account",
        "eu-central-1": None,
        "us-east-1": None,
    }


def test_a_region_that_only_stands_in_is_no_default(room) -> None:
    room.cloud.region_source = None
    room.talk.answers = {"region": ["us-east-1"]}
    room.run(without("region"))
    assert room.talk.asked[0].default is None


def test_the_cloud_moves_to_the_region_that_was_chosen(room) -> None:
    room.talk.answers = {"region": ["eu-central-1"]}
    interview = room.run(without("region"))
    assert interview.cloud is not None and interview.cloud.region == "eu-central-1"


def test_what_may_not_be_listed_can_still_be_typed(room) -> None:
    room.cloud.failures = {
        name: PermissionDenied("denied", "ask") for name in ("list_regions", "list_principals", "list_trails")
    }
    room.talk.answers = {"region": ["us-east-1"], "administrators": [("caller",)], "trail": ["create"]}
    room.run(without("region", "administrators", "trail"))
    assert [[c.value for c in question.choices] for question in room.talk.asked] == [[], [ADMIN], ["create"]]


def test_an_endpoint_that_does_not_answer_ends_the_interview(room) -> None:
    room.cloud.failures = {"list_regions": Unreachable("no answer", "curl it")}
    with pytest.raises(Unreachable):
        room.run(without("region"))


def test_the_caller_is_the_first_administrator_offered_and_ticked(room) -> None:
    room.talk.answers = {"administrators": [(ADMIN, SECOND)]}
    room.run(without("administrators"))
    (question,) = room.talk.asked
    assert [(c.value, c.checked, c.note) for c in question.choices][:2] == [(ADMIN, True, "you"), (SECOND, False, "")]
    assert question.default == (ADMIN,)


def test_administrators_that_do_not_exist_are_told_and_asked_again(room) -> None:
    absent = f"arn:aws:iam::{ACCOUNT}:user/nobody"
    room.talk.answers = {"administrators": [(ADMIN, absent), (ADMIN, SECOND)]}
    interview = room.run(without("administrators"))
    assert room.talk.keys == ["administrators", "administrators"]
    assert f"{absent} does not exist in this account; choose again" in room.talk.said
    assert interview.values["administrators"] == (ADMIN, SECOND)


def test_a_token_that_is_refused_is_asked_again(room) -> None:
    room.talk.answers = {"vercel_token": ["wrong", TOKEN]}
    interview = room.run(without("vercel_token"))
    assert room.talk.keys == ["vercel_token", "vercel_token"]
    assert [error.message for error in room.talk.told] == ["Vercel refuses the token"]
    assert interview.values["vercel_token"] == TOKEN


def test_a_project_that_is_not_there_is_not_the_tokens_fault(room) -> None:
    room.talk.answers = {"vercel_token": [TOKEN]}
    room.run({**without("vercel_token"), "vercel_project": "absent"})
    assert room.talk.keys == ["vercel_token"]


def test_the_trails_of_every_region_are_offered_beside_a_new_one(room) -> None:
    room.cloud.trails = (trail_fact(), trail_fact(arn=f"{TRAIL}-here-only", multi_region=False))
    room.talk.answers = {"trail": [TRAIL]}
    room.run(without("trail"))
    (question,) = room.talk.asked
    assert ([c.value for c in question.choices], question.default) == (["create", TRAIL], "create")


def test_a_trail_that_is_offered_says_what_it_lacks(room) -> None:
    room.cloud.trails = (trail_fact(), trail_fact(arn=f"{TRAIL}-2", logging=False, validation=False))
    room.talk.answers = {"trail": [TRAIL]}
    room.run(without("trail"))
    assert [choice.note for choice in room.talk.asked[0].choices][1:] == [
        f"writes to {BUCKET}",
        "it is stopped; its log files cannot be validated",
    ]


def test_the_linked_project_is_the_default_where_a_token_is_at_hand(room) -> None:
    room.talk.answers = {"vercel_team": ["acme"], "vercel_project": ["portal"]}
    room.run(without("vercel_team", "vercel_project"), linked=LINKED)
    assert [question.default for question in room.talk.asked] == ["acme", "portal"]


def test_a_linked_folder_asks_for_the_token_first_so_that_names_can_be_offered(room) -> None:
    room.talk.answers = {
        "target": [("vercel",)],
        "vercel_token": ["wrong", TOKEN],
        "vercel_team": ["acme"],
        "vercel_project": ["portal"],
    }
    room.run(without("target", "vercel_team", "vercel_project", "vercel_token"), linked=LINKED)
    assert room.talk.keys == ["target", "vercel_token", "vercel_token", "vercel_team", "vercel_project"]
    assert room.talk.asked[0].default == ("vercel",)
    assert [question.default for question in room.talk.asked[-2:]] == ["acme", "portal"]


def test_a_linked_folder_of_an_application_on_ecs_is_asked_for_no_token(room) -> None:
    room.run({**without("vercel_team", "vercel_project", "vercel_token"), **ECS}, linked=LINKED)
    assert room.talk.keys == []


def test_a_linked_project_that_cannot_be_had_is_no_error(room) -> None:
    room.hosting.failures = {"find_project": Unreachable("no answer", "curl it")}
    room.talk.answers = {"vercel_team": ["acme"], "vercel_project": ["portal"]}
    room.run(without("vercel_team", "vercel_project"), linked=LINKED)
    assert [question.default for question in room.talk.asked] == [None, None]


# --- profile


def test_the_profile_is_asked_where_several_could_be_meant(room) -> None:
    room.cloud.has_environment_credentials = False
    room.cloud.profile_names = ("clinic", "private")
    room.talk.answers = {"profile": ["clinic"]}
    interview = room.run(GIVEN)
    assert room.talk.keys == ["profile"]
    assert room.connected == [(None, "us-east-1"), ("clinic", "us-east-1")]
    assert interview.values["profile"] == "clinic"


@pytest.mark.parametrize(
    "decided",
    [
        {"has_environment_credentials": True},
        {"profile": "clinic"},
        {"profile_names": ("clinic",)},
        {"profile_names": ()},
    ],
)
def test_the_profile_is_not_asked_where_it_is_decided(room, decided) -> None:
    room.cloud.has_environment_credentials = False
    room.cloud.profile_names = ("clinic", "private")
    for name, value in decided.items():
        setattr(room.cloud, name, value)
    room.run(GIVEN)
    assert room.talk.keys == []


def test_a_profile_that_was_given_is_not_asked(room) -> None:
    room.cloud.has_environment_credentials = False
    room.cloud.profile_names = ("clinic", "private")
    room.run({**GIVEN, "profile": "private"})
    assert (room.talk.keys, room.connected) == ([], [("private", "us-east-1")])


# --- who cannot be identified


def test_credentials_that_fail_end_the_run_at_once_when_somebody_is_there(room) -> None:
    room.cloud.failures = {"identify": CredentialsError("the token has expired", "aws sso login")}
    with pytest.raises(CredentialsError):
        room.run({})
    assert room.talk.keys == []


def test_no_credentials_at_all_end_the_run_at_once_when_somebody_is_there(room) -> None:
    room.connect_error = CredentialsError("there is no profile x", "aws configure list-profiles")
    with pytest.raises(CredentialsError):
        room.run({})
    assert room.talk.keys == []


def test_where_nobody_is_there_the_error_is_kept_to_be_told_with_the_rest(nobody) -> None:
    nobody.cloud.failures = {"identify": CredentialsError("the token has expired", "aws sso login")}
    interview = nobody.run(GIVEN)
    assert isinstance(interview.identity, CredentialsError)
    nobody.connect_error = CredentialsError("there is no profile x", "aws configure list-profiles")
    interview = nobody.run(GIVEN)
    assert (interview.cloud, interview.identity) == (None, nobody.connect_error)


# --- nobody is there


def test_nobody_is_ever_asked_who_is_not_there(nobody) -> None:
    interview = nobody.run(GIVEN)
    assert nobody.talk.log == []
    assert interview.identity == IDENTITY


def test_all_missing_answers_are_named_at_once(nobody) -> None:
    nobody.cloud.region_source = None
    with pytest.raises(MissingAnswers) as refused:
        nobody.run({})
    assert refused.value.missing == ("account", "region", "administrators", "app_principal", "target", "trail")
    assert refused.value.exit_code == 2
    assert refused.value.hint.startswith("python -m wizard --account")


def test_what_hangs_on_the_target_is_missing_with_it(nobody) -> None:
    with pytest.raises(MissingAnswers) as refused:
        nobody.run({"target": ("vercel",), **without("vercel_team", "vercel_project", "vercel_token", "trail")})
    assert refused.value.missing == ("vercel_team", "vercel_project", "vercel_token", "trail")


def test_missing_answers_are_found_before_any_service_is_asked(nobody) -> None:
    with pytest.raises(MissingAnswers):
        nobody.run({})
    assert nobody.cloud.log == []


def test_the_region_in_use_is_taken_where_nobody_is_there(nobody) -> None:
    assert nobody.run(without("region")).values["region"] == "us-east-1"


def test_the_linked_project_is_taken_where_nobody_is_there(nobody) -> None:
    interview = nobody.run(without("vercel_team", "vercel_project"), linked=LINKED)
    assert (interview.values["vercel_team"], interview.values["vercel_project"]) == ("acme", "portal")


def test_a_linked_project_does_not_beat_an_answer(nobody) -> None:
    interview = nobody.run({**without("vercel_team"), "vercel_project": "intranet"}, linked=LINKED)
    assert (interview.values["vercel_team"], interview.values["vercel_project"]) == ("acme", "intranet")


def test_a_linked_project_without_a_team_gives_no_team(nobody) -> None:
    nobody.hosting.project = VercelProject(id="prj_1", name="portal", team_id="team_1", team_slug=None)
    with pytest.raises(MissingAnswers) as refused:
        nobody.run(without("vercel_team", "vercel_project"), linked=LINKED)
    assert refused.value.missing == ("vercel_team",)


def test_the_values_are_in_no_repr(nobody) -> None:
    assert TOKEN not in repr(nobody.run(GIVEN))
