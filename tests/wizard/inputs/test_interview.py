"""The interview: what is asked, in which order, what is offered, and that nobody there means nothing is asked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.wizard.fakes.clients import (
    ACCOUNT,
    ADMIN,
    BUCKET,
    IDENTITY,
    TOKEN,
    TRAIL,
    FakeAwsClient,
    FakeEngine,
    FakeSavedProgress,
    FakeUserInterface,
    FakeVercelClient,
    clients_of,
    trail_fact,
)
from wizard.core.clients import Answer, Request, Source
from wizard.core.errors import CredentialsError, MissingAnswers, PermissionDenied, SetupError, SignInNeeded
from wizard.core.models.inputs import Back, Mark
from wizard.core.models.vercel import Linked, VercelProject
from wizard.inputs.interview import Interview, Interviewer
from wizard.inputs.registry import INPUTS

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
PROJECTS = (
    VercelProject(id="prj_1", name="portal", team_id="team_1", team_slug="acme", framework="nextjs"),
    VercelProject(id="prj_2", name="site", team_id="team_1", team_slug="acme"),
)


class Session:
    """One interview over fakes: who connects, with what, and who answers."""

    def __init__(self) -> None:
        self.aws = FakeAwsClient()
        self.ui = FakeUserInterface(interactive=True)
        self.connected: list[tuple[str | None, str | None]] = []
        self.connect_error: SetupError | None = None
        self.vercel = FakeVercelClient()
        self.found: tuple[str, ...] = ()
        self.signed_in: list[str] = []
        self.drafts = FakeSavedProgress()
        self.vercel_login: Any = None
        self.sign_in_problem: SetupError | None = None

    def sign_in(self, profile: str) -> None:
        self.signed_in.append(profile)
        self.aws.failures = {}

    def connect(self, profile: str | None, region: str | None) -> FakeAwsClient:
        self.connected.append((profile, region))
        if self.connect_error is not None:
            raise self.connect_error
        return self.aws

    def host(self, token: str) -> FakeVercelClient:
        self.vercel.token = token
        return self.vercel

    def run(
        self,
        given: dict[str, Any],
        linked: Linked | None = None,
        stack: str = "production",
        *,
        is_first: bool = False,
        source: Source = Source.FLAG,
    ) -> Interview:
        answers = {
            key: Answer(value=value, source=source, where=key, secret=key == "vercel_token")
            for key, value in given.items()
        }
        clients = clients_of(
            self.aws,
            FakeEngine(aws=self.aws),
            ui=self.ui,
            connect=self.connect,
            vercel=self.host,
            linked=linked,
            sign_in=self.sign_in,
            sign_in_problem=lambda profile: self.sign_in_problem,
            sign_in_to_vercel=self.vercel_login,
            detected=self.found,
            drafts=self.drafts,
        )
        self.interviewer = Interviewer(Request(stack=stack, answers=answers, yes=not is_first), clients)
        return self.interviewer.run()


@pytest.fixture
def session() -> Session:
    return Session()


@pytest.fixture
def nobody(session: Session) -> Session:
    session.ui.interactive = False
    return session


def without(*keys: str) -> dict[str, Any]:
    return {key: value for key, value in GIVEN.items() if key not in keys}


# --- somebody is there


def test_the_happy_path_asks_where_it_runs_which_project_and_what_cannot_be_changed_later(session) -> None:
    session.vercel.projects = PROJECTS
    session.ui.answers = {"target": [("vercel",)], "multi_region": ["no"], "vercel_project": ["acme/portal"]}
    interview = session.run({"vercel_token": TOKEN})
    assert session.ui.keys == ["target", "multi_region", "vercel_project"]
    assert {key: interview.values[key] for key in GIVEN} == {**GIVEN, "account": ACCOUNT, "administrators": (ADMIN,)}


def test_the_only_project_of_a_token_is_not_asked_for(session) -> None:
    session.vercel.projects = PROJECTS[:1]
    interview = session.run(without("vercel_team", "vercel_project"))
    assert session.ui.keys == []
    assert interview.answers["vercel_project"].where == "the only project"


def test_everything_that_can_be_asked_has_its_place_in_the_order(session) -> None:
    session.aws.region_source = None
    session.aws.trails = (trail_fact(),)
    session.aws.has_environment_credentials = False
    session.aws.profile_names = ("clinic", "private")
    session.ui.answers = {
        "target": [("vercel", "ecs", "eks")],
        "profile": ["clinic"],
        "region": ["us-east-1"],
        "multi_region": ["yes"],
        "replica_regions": [("eu-central-1",)],
        "vercel_token": [TOKEN],
        "vercel_team": ["acme"],
        "vercel_project": ["portal"],
        "ecs_cluster": ["clinic"],
        "ecs_service": ["web"],
        "eks_cluster": ["clinic"],
        "trail": ["create"],
    }
    interview = session.run({})
    assert session.ui.keys == list(session.ui.answers)
    assert interview.values["environment"] == "production"
    assert (interview.values["rotation_period_days"], interview.values["trail_retention_days"]) == (365, 2557)
    assert (interview.values["multi_region"], interview.values["replica_regions"]) == (True, ("eu-central-1",))


def test_the_clusters_of_eks_are_offered_and_another_can_be_typed(session) -> None:
    session.aws.requests.answers["eks:ListClusters"] = {"clusters": ["clinic", "laboratory"]}
    session.ui.answers = {"multi_region": ["no"], "target": [("eks",)], "eks_cluster": ["laboratory"]}
    assert session.run({}).values["eks_cluster"] == "laboratory"
    asked = next(question for question in session.ui.asked if question.key == "eks_cluster")
    assert ([choice.value for choice in asked.choices], asked.default) == (["clinic", "laboratory"], "clinic")
    assert asked.free_text


def test_each_answer_says_where_it_comes_from(session) -> None:
    session.ui.answers = {"multi_region": ["no"], "target": [("ecs",)], "ecs_cluster": [""]}
    answers = session.run({}).answers
    told = {key: (answers[key].source, answers[key].where) for key in ("account", "region", "administrators")}
    assert told == {
        "account": (Source.DETECTED, "environment variables"),
        "region": (Source.DETECTED, "AWS_REGION"),
        "administrators": (Source.DETECTED, "you"),
    }
    assert answers["target"].source is Source.ASKED
    assert (answers["trail"].where, answers["app_principal"].where) == ("no other trail", "recommended")


def test_the_root_user_is_told_to_use_a_user_or_a_role_and_what_the_evidence_will_say(session) -> None:
    root = f"arn:aws:iam::{ACCOUNT}:root"
    session.aws.identity = replace(IDENTITY, arn=root, principal_arn=root)
    session.ui.answers = {"multi_region": ["no"]}
    session.run(without("multi_region"))
    warning = next(line for mark, line in session.ui.marked if mark is Mark.WARN and "root user" in line)
    assert "ui.ask multi_region" in session.ui.log
    assert "IAM user or role" in warning and "the account's IAM" in warning


def test_what_was_found_is_told_before_the_account_is_asked_about(session) -> None:
    session.aws.disagreements = ("two Regions are named",)
    session.found = ("Next.js 15.1, linked to a Vercel project",)
    session.ui.answers = {"multi_region": ["no"]}
    session.run(without("multi_region", "region"))
    assert session.ui.log.index("ui.section Detected") < session.ui.log.index("ui.ask multi_region")
    assert session.ui.said[1:] == [
        f"account {ACCOUNT} (clinic)",
        f"{IDENTITY.arn}, by environment variables",
        "region us-east-1, by AWS_REGION",
        "Next.js 15.1, linked to a Vercel project",
        "two Regions are named",
    ]


def test_what_may_not_be_listed_can_still_be_typed(session) -> None:
    session.aws.region_source = None
    session.aws.failures = {name: PermissionDenied("denied", "ask") for name in ("list_regions", "list_principals")}
    session.ui.answers = {"region": ["us-east-1"], "change": ["administrators"], "administrators": [("caller",)]}
    session.run(without("region", "administrators"))
    session.interviewer.change()
    offered = [question.choices for question in session.ui.asked if question.key != "change"]
    assert [[choice.value for choice in choices] for choices in offered] == [[], [ADMIN]]


def test_a_project_that_is_not_in_the_list_is_typed(session) -> None:
    session.vercel.projects = PROJECTS
    session.ui.answers = {"vercel_team": ["acme"], "vercel_project": ["another", "portal"]}
    interview = session.run(without("vercel_team", "vercel_project"))
    assert session.ui.keys == ["vercel_project", "vercel_team", "vercel_project"]
    assert interview.values["vercel_project"] == "portal"


def test_of_a_team_that_is_known_its_projects_are_offered(session) -> None:
    session.vercel.projects = (*PROJECTS, VercelProject(id="prj_3", name="x", team_id="team_2", team_slug="other"))
    session.ui.answers = {"vercel_project": ["site"]}
    interview = session.run(without("vercel_project"))
    (question,) = session.ui.asked
    assert [choice.value for choice in question.choices] == ["portal", "site"]
    assert (question.free_text, interview.values["vercel_project"]) == (True, "site")


# --- a stack's first run


def first(session: Session, **answers: Any) -> dict[str, Any]:
    """The values of a first run to ECS, whose questions are answered by what was detected but for `answers`."""
    session.ui.answers = {
        "target": [("ecs",)],
        "account": [ACCOUNT],
        "region": ["us-east-1"],
        "administrators": [(ADMIN,)],
        "alert_emails": ["none"],
        "ecs_cluster": [""],
        **answers,
    }
    return dict(session.run({}, is_first=True).values)


def test_who_governs_the_key_where_and_in_which_account_is_never_decided_in_silence(session) -> None:
    first(session)
    assert session.ui.keys == ["target", "account", "region", "administrators", "alert_emails", "ecs_cluster"]
    offered = {question.key: question.default for question in session.ui.asked}
    assert (offered["account"], offered["region"], offered["administrators"]) == (ACCOUNT, "us-east-1", (ADMIN,))
    notes = {question.key: question.choices[0].note for question in session.ui.asked if question.choices}
    assert notes["account"] == "role admin, by environment variables"
    assert (notes["region"], notes["administrators"]) == ("AWS_REGION", "you")


def test_each_page_of_a_first_run_has_a_heading_and_tells_what_was_detected(session) -> None:
    session.found = ("Next.js 15.1",)
    first(session)
    pages = [line for line in session.ui.log if line.startswith("ui.section")]
    assert pages == [f"ui.section {each}" for each in ("Application", "Account", "Region", "Administrators", "Details")]
    assert session.ui.said[session.ui.said.index("Details") + 1] == "Next.js 15.1"


def test_a_profile_that_cannot_sign_in_leads_back_to_the_account_that_can(session) -> None:
    session.aws.profile_names = ("clinic", "private")
    refuse = CredentialsError("the token has expired", "aws sso login")

    def refusing(profile: str | None, region: str | None) -> Any:
        session.aws.failures = {"identify": refuse} if profile == "private" else {}
        session.connected.append((profile, region))
        return session.aws

    session.connect = refusing
    values = first(session, account=["private", ACCOUNT])
    assert session.ui.told == [refuse]
    assert (values["account"], "profile" in values) == (ACCOUNT, False)


def test_one_region_is_one_region_and_several_make_a_multi_region_key(session) -> None:
    assert first(session)["multi_region"] is False
    values = first(session, region=["several", "us-east-1"], replica_regions=[("eu-central-1",)])
    assert (values["region"], values["multi_region"], values["replica_regions"]) == (
        *("us-east-1", True),
        ("eu-central-1",),
    )


def test_a_first_run_asks_who_gets_the_alerts_and_none_is_later(session) -> None:
    assert first(session)["alert_emails"] is None
    (question,) = (question for question in session.ui.asked if question.key == "alert_emails")
    assert (question.default, [choice.title for choice in question.choices]) == ("none", ["Later"])
    assert question.check("a@clinic.example, b") and question.check("a@clinic.example, b@clinic.example") is None
    assert first(session, alert_emails=["a@clinic.example"])["alert_emails"] == ("a@clinic.example",)
    session.ui.asked.clear()
    session.run({**GIVEN, "alerts": False}, is_first=True)
    assert "alert_emails" not in session.ui.keys


def test_a_first_run_asks_for_nothing_optional_that_a_complete_answers_file_leaves_out(session) -> None:
    values = session.run({**GIVEN, **ECS}, is_first=True, source=Source.FILE).values
    assert session.ui.keys == [] and "alert_emails" not in values


def test_a_first_run_asks_at_most_eight_questions_with_that_of_the_plan(session) -> None:
    session.aws.trails = (trail_fact(),)
    first(session, trail=["create"])
    assert session.ui.keys[-1] == "trail" and len(session.ui.keys) == 7
    session.ui.asked.clear()
    values = first(session, region=["several", "us-east-1"], replica_regions=[()], ecs_cluster=["clinic/web"])
    assert ([*dict.fromkeys(session.ui.keys)][-1], len({*session.ui.keys})) == ("ecs_cluster", 7)
    assert values["trail"] == "create"


def test_back_from_several_regions_leaves_one_region_open(session) -> None:
    assert first(session, region=["several", Back, "us-east-1"])["multi_region"] is False


def test_the_profile_that_was_chosen_is_the_account_that_was_chosen(session) -> None:
    session.aws.has_environment_credentials = False
    session.aws.profile_names = ("clinic", "private")
    first(session, profile=["clinic"])
    assert "account" not in session.ui.keys


def test_a_service_of_the_region_is_offered_and_gives_the_cluster_too(session) -> None:
    session.aws.ecs_services.have({"family": "web"})
    values = first(session, ecs_cluster=["clinic/web"])
    question = next(question for question in session.ui.asked if question.key == "ecs_cluster")
    assert ([choice.value for choice in question.choices], question.default) == (["clinic/web", ""], "clinic/web")
    assert (values["ecs_cluster"], values["ecs_service"]) == ("clinic", "web")
    session.ui.answers = {"change": ["ecs_cluster"], "ecs_cluster": ["other/app"]}
    changed = session.interviewer.change().values
    assert (changed["ecs_cluster"], changed["ecs_service"]) == ("other", "app")


# --- back and forth


def test_back_puts_the_question_before_with_its_answer(session) -> None:
    session.ui.answers = {
        "target": [("ecs",), ("ecs",)],
        "multi_region": [Back, "no"],
        "ecs_cluster": ["clinic"],
        "ecs_service": [Back, "web"],
    }
    session.ui.answers["ecs_cluster"].append("other")
    interview = session.run({})
    assert session.ui.keys == [
        *("target", "multi_region", "target", "multi_region"),
        *("ecs_cluster", "ecs_service", "ecs_cluster", "ecs_service"),
    ]
    assert [question.default for question in session.ui.asked if question.key == "target"] == [None, ("ecs",)]
    assert [question.default for question in session.ui.asked if question.key == "ecs_cluster"] == [None, "clinic"]
    assert interview.values["ecs_cluster"] == "other"


def test_another_profile_is_another_account(session) -> None:
    session.aws.has_environment_credentials = False
    session.aws.profile_names = ("clinic", "private")
    session.ui.answers = {"profile": ["clinic", "private"], "multi_region": [Back, "no"]}
    interview = session.run(without("account", "region", "administrators", "multi_region"))
    assert session.connected[-1][0] == "private"
    assert session.aws.log.count("cloud.identify") == 2
    assert interview.values["account"] == ACCOUNT


def test_any_answer_can_be_changed_and_what_hung_on_it_is_asked_anew(session) -> None:
    session.run(GIVEN)
    session.ui.answers = {"change": ["target"], "target": [("ecs",)], "ecs_cluster": ["clinic"], "ecs_service": [""]}
    values = session.interviewer.change().values
    assert session.ui.keys == ["change", "target", "ecs_cluster", "ecs_service"]
    assert (values["target"], values["ecs_cluster"]) == (("ecs",), "clinic")
    assert not {"vercel_team", "vercel_project", "vercel_token", "vercel_access"} & values.keys()


def test_what_can_be_changed_is_shown_with_its_value_and_no_secret(session) -> None:
    session.run(GIVEN)
    session.ui.answers = {"change": [Back]}
    before = session.interviewer.change()
    (question,) = session.ui.asked
    shown = {choice.value: choice.title.split("  ")[-1].strip() for choice in question.choices}
    assert (shown["region"], shown["multi_region"], shown["vercel_token"]) == ("us-east-1", "no", "(hidden)")
    assert set(shown) >= {each.key for each in INPUTS if each.needed(before.values) and not each.secret}
    assert TOKEN not in str(question)


def test_a_change_that_is_thought_better_of_changes_nothing(session) -> None:
    before = session.run(GIVEN).values
    session.ui.answers = {"change": ["vercel_project"], "vercel_team": [Back]}
    assert session.interviewer.change().values == before


# --- signing in


def test_a_person_without_a_token_signs_in_to_vercel_in_the_browser(session) -> None:
    login = Answer(value=TOKEN, source=Source.DETECTED, where="the login of the Vercel CLI", secret=True)
    session.vercel_login = lambda: login
    assert session.run(without("vercel_token")).answers["vercel_token"] == login
    assert session.ui.keys == []


@pytest.mark.parametrize("wants", [True, False])
def test_a_pasted_token_is_the_second_way(session, wants) -> None:
    failed = SetupError("the sign-in to Vercel failed", "vercel login")

    def fails() -> Answer:
        raise failed

    session.vercel_login, session.ui.confirms = fails, [wants]
    session.ui.answers = {"vercel_token": [TOKEN]}
    assert session.run(without("vercel_token")).values["vercel_token"] == TOKEN
    assert session.ui.told == ([failed] if wants else [])


def test_without_a_sign_in_the_run_ends_with_the_command(session) -> None:
    session.aws.failures = {"identify": SignInNeeded("the sign-in has expired", "aws sso login --profile x", "x")}
    session.ui.confirms = [False]
    with pytest.raises(SignInNeeded):
        session.run(GIVEN)
    assert session.signed_in == []


def signed_out(session: Session, *profiles: str) -> None:
    """Profiles of which these are not signed in."""
    session.aws.has_environment_credentials = False
    session.aws.profile_names = ("clinic", "private")

    def connect(profile: str | None, region: str | None) -> Any:
        error = SignInNeeded("the sign-in has expired", f"aws sso login --profile {profile}", str(profile))
        session.aws.failures = {"identify": error} if profile in profiles else {}
        session.connected.append((profile, region))
        return session.aws

    session.connect = connect  # type: ignore[method-assign]


def test_a_sign_in_that_is_declined_leads_back_to_the_profiles(session) -> None:
    signed_out(session, "clinic")
    session.ui.answers, session.ui.confirms = {"profile": ["clinic", "private"]}, [False]
    interview = session.run(GIVEN)
    assert session.ui.keys == ["profile", "profile"]
    assert interview.values["profile"] == "private"
    kept = [draft.asked for draft in session.drafts.saved]
    assert ("profile",) in kept and () in kept, "a run that is left there goes on with the profile"
    assert session.signed_in == []


def test_no_sign_in_is_offered_that_the_cli_does_not_have(session) -> None:
    signed_out(session, "clinic")
    session.sign_in_problem = SetupError("the AWS CLI on PATH is older than 2.32.0", "install it")
    session.ui.answers = {"profile": ["clinic", "private"]}
    assert session.run(GIVEN).values["profile"] == "private"
    (told,) = session.ui.told
    assert told.message == "the sign-in has expired; the AWS CLI on PATH is older than 2.32.0"
    assert told.hint == "install it"
    assert not [line for line in session.ui.log if "Sign in now" in line]


def test_a_replica_is_offered_in_every_other_region_that_is_on(session) -> None:
    session.ui.answers = {"replica_regions": [()]}
    interview = session.run({**GIVEN, "multi_region": True})
    (question,) = session.ui.asked
    assert [choice.value for choice in question.choices] == ["eu-central-1"]
    assert interview.values["replica_regions"] is None


def test_a_token_that_is_refused_is_asked_again(session) -> None:
    session.ui.answers = {"vercel_token": ["wrong", TOKEN]}
    interview = session.run(without("vercel_token"))
    assert session.ui.keys == ["vercel_token", "vercel_token"]
    assert [error.message for error in session.ui.told] == ["Vercel refuses the token"]
    assert interview.values["vercel_token"] == TOKEN


def test_a_trail_that_is_offered_says_what_it_lacks(session) -> None:
    session.aws.trails = (trail_fact(), trail_fact(arn=f"{TRAIL}-2", logging=False, validation=False))
    session.ui.answers = {"trail": [TRAIL]}
    session.run(without("trail"))
    assert [choice.note for choice in session.ui.asked[0].choices][1:] == [
        f"writes to {BUCKET}",
        "it is stopped; its log files cannot be validated",
    ]


# --- profile


@pytest.mark.parametrize(
    "decided",
    [
        {"has_environment_credentials": True},
        {"profile": "clinic"},
        {"profile_names": ("clinic",)},
        {"profile_names": ()},
    ],
)
def test_the_profile_is_not_asked_where_it_is_decided(session, decided) -> None:
    session.aws.has_environment_credentials = False
    session.aws.profile_names = ("clinic", "private")
    for name, value in decided.items():
        setattr(session.aws, name, value)
    session.run(GIVEN)
    assert session.ui.keys == []


# --- nobody is there


def test_all_missing_answers_are_named_at_once(nobody) -> None:
    nobody.aws.region_source = None
    with pytest.raises(MissingAnswers) as refused:
        nobody.run({})
    assert refused.value.missing == ("target", "account", "region", "administrators", "app_principal", "trail")
    assert refused.value.exit_code == 2
    assert refused.value.hint.startswith("python -m wizard --target")


def test_vercel_is_not_asked_what_a_link_means_while_anything_else_is_missing(nobody) -> None:
    with pytest.raises(MissingAnswers):
        nobody.run(without("vercel_team", "vercel_project", "trail"), linked=LINKED)
    assert nobody.vercel.log == []


def test_the_linked_project_is_taken_where_nobody_is_there(nobody) -> None:
    interview = nobody.run(without("vercel_team", "vercel_project"), linked=LINKED)
    assert (interview.values["vercel_team"], interview.values["vercel_project"]) == ("acme", "portal")
