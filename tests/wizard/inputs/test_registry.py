"""The table of inputs: its channels, its values, its flags."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import pytest

from components.settings import ImportGroup, Settings
from wizard.core.models.inputs import Choice, InputType
from wizard.inputs.registry import INPUTS, add_flags, by_key

ROOT = Path(__file__).resolve().parents[3]
ADMIN = "arn:aws:iam::111122223333:user/admin"
COMMA = "arn:aws:iam::111122223333:role/ops,night"
PATTERN = "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_KeyAdmin_*"
OPEN = [each for each in INPUTS if not each.secret]


@pytest.fixture
def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="wizard", allow_abbrev=False)
    add_flags(made)
    return made


@pytest.mark.parametrize("each", OPEN, ids=lambda each: each.key)
def test_every_input_has_a_flag_a_variable_and_a_file_key(each) -> None:
    assert each.flag == "--" + each.key.replace("_", "-")
    # Pulumi's own variable, for it is Pulumi's own choice.
    assert each.variable == {"backend": "PULUMI_BACKEND_URL"}.get(each.key, "EONPRO_" + each.key.upper())
    assert each.file_key == each.key


def test_no_two_inputs_share_a_door() -> None:
    clients = [channel for each in INPUTS for channel in (each.flag, each.variable, each.file_key) if channel]
    assert len(clients) == len(set(clients))


def test_of_the_new_inputs_a_person_is_asked_only_what_cannot_be_changed_or_has_no_default() -> None:
    assert [each.key for each in INPUTS if each.asked] == (
        "target account region multi_region replica_regions environment administrators app_principal vercel_token "
        "vercel_team vercel_project vercel_access ecs_cluster ecs_service ecs_execution_role eks_cluster trail"
    ).split()


@pytest.mark.parametrize(
    ("key", "variable"), [("vercel_token", "VERCEL_TOKEN"), ("encrypted_phi_key", "EONPRO_ENCRYPTED_PHI_KEY")]
)
def test_a_secret_s_flag_and_file_key_name_a_file_and_only_its_variable_holds_it(key, variable) -> None:
    secret = by_key[key]
    flag = f"--{key.replace('_', '-')}-file"
    assert (secret.flag, secret.variable, secret.file_key) == (flag, variable, f"{key}_file")
    assert secret.kind is InputType.SECRET and secret.field is None


def test_every_field_of_the_settings_has_exactly_one_input() -> None:
    fields = [each.field for each in INPUTS if each.field]
    # What is adopted is found in the account, not answered.
    assert sorted(fields) == sorted(set(Settings.model_fields) - {"adopted", "kept_as_found"})


def test_every_input_tells_why_it_matters_in_one_sentence() -> None:
    for each in INPUTS:
        assert each.why.endswith(".") and each.why.count(". ") == 0, each.key
        assert each.prompt and each.help


@pytest.mark.parametrize("key", [each.key for each in INPUTS if each.default is not None])
def test_a_default_is_the_contract_s_own(key: str) -> None:
    each = by_key[key]
    assert each.default == Settings.model_fields[str(each.field)].default


@pytest.mark.parametrize("each", OPEN, ids=lambda each: each.key)
def test_every_flag_is_none_until_it_is_given_and_then_holds_its_text(each, parser) -> None:
    assert getattr(parser.parse_args([]), each.key) is None
    given = getattr(parser.parse_args([str(each.flag), "x"]), each.key)
    assert given == (["x"] if each.many else "x")


def test_a_flag_of_many_values_may_be_repeated(parser) -> None:
    given = parser.parse_args(["--target", "vercel", "--target", "ecs"]).target
    assert by_key["target"].parse(given) == ("vercel", "ecs")


def test_the_help_names_every_variable_and_is_plain_ascii(parser) -> None:
    text = parser.format_help()
    assert text.isascii()
    assert [each.key for each in INPUTS if each.variable not in text] == []


@pytest.mark.parametrize(
    ("key", "raw", "value"),
    [
        ("account", "111122223333", "111122223333"),
        ("account", 111122223333, "111122223333"),
        ("account", "caller", "caller"),
        ("region", " us-gov-west-1 ", "us-gov-west-1"),
        ("administrators", f"{ADMIN}, caller", (ADMIN, "caller")),
        ("administrators", f"caller,{ADMIN}", ("caller", ADMIN)),
        ("administrators", [ADMIN, ADMIN], (ADMIN,)),
        ("administrators", f"{COMMA},{ADMIN}", (COMMA, ADMIN)),
        ("administrators", [COMMA], (COMMA,)),
        ("app_principal", "create", "create"),
        ("target", "ecs, vercel,", ("ecs", "vercel")),
        ("vercel_token", "  AbC123\n", "AbC123"),
        ("ecs_service", "", None),
        ("ecs_service", None, None),
        ("trail_retention_days", "2192", 2192),
        ("rotation_period_days", 90, 90),
        ("trail_archive_days", "0", 0),
        ("multi_region", "yes", True),
        ("multi_region", " No ", False),
        ("alerts", "true", True),
        ("alerts", False, False),
        ("access_logging", "N", False),
        ("strict_key_policy", True, True),
        ("replica_regions", "eu-west-1, eu-central-1", ("eu-west-1", "eu-central-1")),
        ("replica_regions", "", None),
        ("repair", "none", ("none",)),
    ],
)
def test_a_value_is_read_and_reads_to_itself(key: str, raw, value) -> None:
    parsed = by_key[key].parse(raw)
    assert parsed == value and type(parsed) is type(value)
    assert by_key[key].parse(parsed) == value


@pytest.mark.parametrize(
    ("key", "raw", "fault"),
    [
        ("account", "11112222333", "12 digits"),
        ("account", True, "must be text"),
        ("region", "us-east", "not an AWS Region"),
        ("region", "", "is empty"),
        ("region", ["us-east-1"], "one value"),
        ("administrators", "", "is empty"),
        ("administrators", [], "is empty"),
        ("administrators", "arn:aws:iam::111122223333:role/*", "wildcard"),
        ("administrators", "bob, alice", "'alice'"),
        ("administrators", 5, "list of texts"),
        ("administrators", [5], "list of texts"),
        ("app_principal", "caller", "not the ARN"),
        ("target", "lambda", "not one of"),
        ("trail", "mine", "CloudTrail trail"),
        ("trail_retention_days", "2191", "less than 2192"),
        ("trail_retention_days", "36501", "more than 36500"),
        ("rotation_period_days", "89", "less than 90"),
        ("rotation_period_days", "2561", "more than 2560"),
        ("rotation_period_days", "a year", "whole number"),
        ("profile", "a\x1bb", "cannot be printed"),
        ("trail_archive_days", "-1", "whole number"),
        ("multi_region", "maybe", "neither yes nor no"),
        ("multi_region", "", "is empty"),
        ("multi_region", "1", "neither yes nor no"),
        ("multi_region", ["yes"], "neither yes nor no"),
        ("repair", "everything", "'everything' is not one of all, none, key"),
        ("repair", "key, the-rest", "'the-rest' is not one of"),
        ("encrypted_phi_key", "a b", "white space"),
    ],
)
def test_a_value_that_the_contract_refuses_is_refused_in_words(key: str, raw, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        by_key[key].parse(raw)


def test_every_wrong_member_of_a_list_is_named() -> None:
    with pytest.raises(ValueError) as refusal:
        by_key["target"].parse("lambda, ecs, fargate")
    assert "'lambda'" in str(refusal.value) and "'fargate'" in str(refusal.value)


@pytest.mark.parametrize("raw", ['"hunter2"', "hun ter2", "hun\x00ter2", "hünter2"])
def test_a_refused_secret_is_never_told(raw: str) -> None:
    with pytest.raises(ValueError) as refusal:
        by_key["vercel_token"].parse(raw)
    assert "ter2" not in str(refusal.value)


@pytest.mark.parametrize(
    ("key", "values", "needed"),
    [
        ("vercel_token", {}, False),
        ("vercel_token", {"target": ("ecs",)}, False),
        ("vercel_token", {"target": ("ecs", "vercel")}, True),
        ("ecs_cluster", {"target": ("ecs",)}, True),
        ("ecs_service", {"target": ("ecs",)}, False),
        ("ecs_service", {"target": ("ecs",), "ecs_cluster": "c"}, True),
        ("administrators", {"administrator_patterns": (PATTERN,)}, False),
        ("administrators", {}, True),
        ("replica_regions", {"multi_region": False}, False),
        ("replica_regions", {"multi_region": True}, True),
        ("vercel_access", {"target": ("vercel",), "app_principal": "create"}, True),
        ("vercel_access", {"target": ("vercel",), "app_principal": ADMIN}, False),
        ("vercel_access", {"target": ("ecs",), "app_principal": "create"}, False),
        ("eks_cluster", {"target": ("ecs", "eks")}, True),
        ("eks_cluster", {"target": ("ecs",)}, False),
        ("trail_bucket", {"trail": "create"}, False),
        ("trail_bucket", {"trail": "arn:aws:cloudtrail:us-east-1:111122223333:trail/t"}, True),
    ],
)
def test_an_input_is_needed_only_where_it_means_something(key: str, values, needed: bool) -> None:
    assert by_key[key].needed(values) is needed


def test_a_question_offers_its_own_choices_first_and_lets_a_given_one_take_their_place() -> None:
    given = (Choice(value="arn:x", title="X"), Choice(value="create", title="Make it anew", checked=True))
    question = by_key["trail"].question(given, default="create", prompt="Which?")
    assert [(choice.value, choice.title) for choice in question.choices] == [("create", "Make it anew"), ("arn:x", "X")]
    assert (question.default, question.prompt, question.free_text) == ("create", "Which?", True)


def test_a_question_tells_a_fault_as_a_sentence_and_nothing_for_a_good_answer() -> None:
    question = by_key["rotation_period_days"].question()
    assert question.default == "365"
    assert question.check("") == "It is empty"
    assert question.check("12") == "12 is less than 90"
    assert question.check("180") is None


@pytest.mark.parametrize(("key", "default"), [("multi_region", "no"), ("alerts", "yes"), ("cloudwatch_logs", "no")])
def test_a_question_of_yes_or_no_has_the_word_of_its_default(key, default) -> None:
    question = by_key[key].question()
    assert question.default == default
    assert question.check(default) is None and question.parse(default) is (default == "yes")


def test_every_part_that_can_be_repaired_is_a_word_of_the_question() -> None:
    assert set(by_key["repair"].words) == {"all", "none", *ImportGroup}


def test_the_table_and_the_answers_load_no_heavy_library() -> None:
    heavy = "pydantic yaml questionary prompt_toolkit rich boto3 pulumi httpx asyncio components.settings.settings"
    loaded = f"print([name for name in {heavy.split()} if name in sys.modules])"
    program = f"import sys, wizard.inputs.registry, wizard.inputs.answers;{loaded}"
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
