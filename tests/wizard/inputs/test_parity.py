"""Every input has its four channels, each takes the same values, and the stronger one wins.

Touches nothing.
"""

from __future__ import annotations

from itertools import permutations, product
from typing import Any

import pytest

from tests.wizard.inputs.values import CHANNELS, by_flag, by_json, by_variable, by_yaml, good, resolved, together
from tools.documents.inputs import members
from wizard.core.clients import Source
from wizard.core.errors import UsageError
from wizard.core.models.inputs import Input, InputType
from wizard.inputs.registry import INPUTS

SECRETS = tuple(each for each in INPUTS if each.secret)
every_input = pytest.mark.parametrize("each", INPUTS, ids=lambda each: each.key)
every_secret = pytest.mark.parametrize("each", SECRETS, ids=lambda each: each.key)


@every_input
def test_a_prompt_takes_what_the_input_takes(each: Input) -> None:
    question = each.question()
    for value in good(each):
        assert question.check(value) is None
        assert question.parse(value) == each.parse(value)
    assert (question.key, question.kind, question.prompt, question.why) == (each.key, each.kind, each.prompt, each.why)


@every_input
def test_a_prompt_explains_itself_and_names_the_other_doors(each: Input) -> None:
    told = each.question().explanation
    assert each.prompt.strip() and each.why.strip() and each.safeguard in told and each.safeguard and each.help in told
    assert [channel for channel in (each.flag, each.variable, f"`{each.file_key}`") if channel not in told] == []


@every_input
def test_every_choice_of_a_prompt_is_a_value(each: Input) -> None:
    question = each.question()
    assert [choice.value for choice in question.choices if question.check(choice.value)] == []


@every_input
def test_a_prompt_to_choose_at_offers_all_that_is_known(each: Input) -> None:
    known = members(each) if each.kind in (InputType.SELECT, InputType.CHECKBOX) and each.field else ()
    assert sorted(choice.value for choice in each.question().choices) == sorted(known) or not known


@every_input
def test_a_door_takes_what_the_input_takes(each: Input) -> None:
    names = {"flag": each.flag, "variable": each.variable, "yaml": "answers.yaml", "json": "answers.json"}
    assert names.keys() == CHANNELS.keys()
    for channel, text in product(CHANNELS, good(each)):
        answer = resolved(**CHANNELS[channel](each, text))[each.key]
        source = {"flag": Source.FLAG, "variable": Source.ENVIRONMENT}.get(channel, Source.FILE)
        assert answer.value == each.parse(text), channel
        assert (answer.source, answer.where, answer.secret) == (source, names[channel], each.secret)


@every_input
@pytest.mark.parametrize(
    ("stronger", "weaker"), [(by_flag, by_variable), (by_flag, by_yaml), (by_variable, by_yaml), (by_variable, by_json)]
)
def test_the_flag_wins_over_the_variable_and_that_over_the_file(each: Input, stronger: Any, weaker: Any) -> None:
    for first, second in permutations(good(each)):
        answer = resolved(**together(weaker(each, second), stronger(each, first)))[each.key]
        assert answer.value == each.parse(first)


@every_input
def test_an_empty_variable_is_none_and_leaves_the_file_its_say(each: Input) -> None:
    text = good(each)[0]
    answers = resolved(**together(by_variable(each, ""), by_yaml(each, text)))
    assert answers[each.key].value == each.parse(text)
    assert answers[each.key].source is Source.FILE


@pytest.mark.parametrize("channel", CHANNELS)
def test_whoever_left_is_taken_off_every_list_that_the_stack_has_saved(channel: str) -> None:
    """`none`, as the interview shows an empty list; else the name stays until somebody edits the settings file."""
    for each in (each for each in INPUTS if each.many and each.optional and each.key != "repair"):
        saved = {each.key: each.parse(good(each)[0])}
        assert resolved(**CHANNELS[channel](each, "none"), saved=saved)[each.key].value is None, each.key
        with pytest.raises(UsageError, match="cannot be given with other values"):
            resolved(**CHANNELS[channel](each, f"{good(each)[0]},none"))
        assert "`none` empties the list" in each.explanation


# --- secrets ---------------------------------------------------------------------------------------------------------


@every_secret
@pytest.mark.parametrize("name", ["a.yaml", "a.json"])
def test_a_secret_itself_is_refused_in_the_answers_file_and_not_repeated(each: Input, name: str) -> None:
    secret = good(each)[0]
    text = f'{{"{each.key}": "{secret}"}}' if name == "a.json" else f"{each.key}: {secret}\n"
    with pytest.raises(UsageError) as refusal:
        resolved(text=text, file_name=name)
    assert each.file_key in refusal.value.message and each.variable in refusal.value.message
    assert secret not in f"{refusal.value.message}{refusal.value.hint}{refusal.value.__cause__!r}"


@every_secret
@pytest.mark.parametrize("form", ["{flag} {secret}", "{flag}={secret}"])
def test_a_secret_itself_is_refused_on_the_command_line_and_not_repeated(each: Input, form: str) -> None:
    secret = good(each)[0]
    argv = form.format(flag="--" + each.key.replace("_", "-"), secret=secret).split()
    with pytest.raises(UsageError) as refusal:
        resolved(argv=tuple(argv))
    assert secret not in f"{refusal.value.message}{refusal.value.hint}{refusal.value.__cause__!r}"


@every_secret
@pytest.mark.parametrize("form", [by_flag, by_yaml, by_json])
def test_a_secrets_file_that_is_not_there_is_named(each: Input, form: Any) -> None:
    given = {**form(each, "x"), "files": {}}
    with pytest.raises(UsageError, match=r"(flag|file)\.secret"):
        resolved(**given)


@every_secret
@pytest.mark.parametrize("form", [by_flag, by_variable, by_yaml])
def test_a_secrets_answer_has_no_repr(each: Input, form: Any) -> None:
    secret = good(each)[0]
    assert secret not in repr(resolved(**form(each, secret)))
