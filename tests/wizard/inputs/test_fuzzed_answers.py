"""A thousand wrong answers, at every channel: each is refused in the tree's own words, or taken; nothing else happens.

Touches nothing. The answers are made up from a seed, so that a failure can be repeated.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from typing import Any, NamedTuple

import pytest
import yaml

from components.settings import ContractError
from tests.wizard.inputs.values import ACCOUNT, IAM, resolved
from wizard.core.errors import SetupError, UsageError
from wizard.core.models.account import Identity
from wizard.core.models.inputs import Input
from wizard.inputs.answers import missing, missing_error, refused, to_settings
from wizard.inputs.registry import INPUTS, by_key

SECRET = "hunter2hunter2"
ME = Identity(
    account_id=ACCOUNT, arn=f"{IAM}:user/me", principal_arn=f"{IAM}:user/me", account_alias=None, source="a test"
)
GOOD = {
    "account": ACCOUNT,
    "region": "us-east-1",
    "environment": "production",
    "administrators": "caller",
    "app_principal": "create",
    "target": "ecs",
    "trail": "create",
}
"""Answers that would do."""

TEXTS = (
    "", " ", "\t\n", "\u00a0", "\u200b", "\ufeff", "\u202eabc", "é", "日本語", "🔑", "ｖｅｒｃｅｌ", "\x00",
    "\x1b[31mred", "\x07", "\r\n", "a\u2028b", "\ud800", "a" * 20_000, "," * 3_000, "-", "--", "--yes", "-1", "=",
    ":", "{}", "[]", "null", "~", "yes", "No", "TRUE", "maybe", "on", "0", "00", "-0", "1e9", "0x1F", "0b1",
    "٣٦٥", "nan", ".inf", "1.5", "365 days", "89", "2561", "99999999999999999999999", "2026-11-24",
    "2026-11-24T20:00:00Z", "12:30:00", "1_000", "$(rm -rf /)", "`id`", "; ls", "| cat", "&& true", "%s%n",
    "{0.__class__}", "${HOME}", "../../etc/passwd", "~root", "'; DROP TABLE keys;--", "<script>",
    "!!python/object/apply:os.system ['id']", "*anchor", "&anchor", "# comment", '"quoted"', "'quoted'",
    "us-east-1 ", "US-EAST-1", "us east 1", "us-east-99", "moon-base-1", "cn-north-1", "us-gov-west-1",
    "11112222333", "1111222233334", "1111-2222-3333", "０１２３４５６７８９０１", "production!", "Production",
    "a-name-of-far-more-than-sixteen-letters", "-staging", "vercel,fargate", "vercel;ecs", "lambda", "ecs ecs",
    "arn:", "arn:aws:iam::111122223333:role/", "arn:aws:iam::111122223333:role/*",
    "arn:aws:iam::999988887777:role/admin", "arn:aws-cn:iam::111122223333:role/admin",
    "arn:aws-us-gov:iam::111122223333:user/a", "arn:aws:iam:us-east-1:111122223333:role/a",
    "arn:aws:sts::111122223333:assumed-role/admin/ada", "arn:aws:kms:us-east-1:111122223333:key/1234",
    "arn:aws:iam::111122223333:root", "arn:aws:cloudtrail:us-east-1:999988887777:trail/other",
    "arn:aws:s3:::bucket", "arn:aws:iam::111122223333:role/a,arn:aws:iam::111122223333:role/b",
    "arn:aws:iam::11112222333:role/a", "ARN:AWS:IAM", "Not_A_Bucket", "a", "a" * 64, "192.168.0.1",
    "bucket..name", "xn--bucket", "nobody@", "@clinic.example", "a@b", "a b@clinic.example", "name", "name=",
    "=value", "name=a*", "kms.amazonaws.com", "s3://", "https://user:pw@state", "awskms://", "file://~/../..",
    "caller,caller", "create,create", "none,all", "everything",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    True, False, None, 0, -1, 365, 10**40, 1.5, float("nan"), float("inf"), [], [""], [None], [[]], [1], [True],
    {}, {"a": 1}, {"caller": None}, [{"a": "b"}], ["caller", 5], ["\x1b[31m"],
)  # fmt: skip
"""Of an answers file, where a value can be more than text."""

RAW = (
    "{key}: !!python/object/apply:os.system ['id']", "{key}: !secret x", "{key}: &a [*a]", "{key}: *nowhere",
    "{key}:\n  - a\n b", "{key}: 'open", "{key}: [open", "{key}: {{open", "? [{key}]\n: x",
    "{key}: |\n  many\n  lines", "{key}: >\n folded\n", "{key}: 2026-11-24", "{key}: 12:30:00", "{key}: 0o17",
    "{key}: <<", "<<: {{{key}: x}}", "- {key}", "{key}", "{key} x", "{key}: a: b", "{key}:\tx",
    "{key}: x\n{key}: y", "{key}: x\n---\n{key}: y", "%YAML 9.9\n---\n{key}: x", "{key}: \"\\x00\"", "{key}: @x",
    "{key}: `x`", "\ufeff{key}: x", "{key}: x\x07", "[1, 2]", "7", "null", "\"{key}\"", "{{\"{key}\": \"x\"",
    "{{\"{key}\": NaN}}", "{{\"{key}\": 1e999}}", "{{{key}: x}}",
)  # fmt: skip
"""Whole answers files that no tool would write."""

CHANNELS = ("flag", "flag in two words", "variable", "yaml", "json", "raw")


class Wrong(NamedTuple):
    """A wrong answer at one channel."""

    number: int
    each: Input
    channel: str
    value: Any

    def __repr__(self) -> str:
        return f"{self.each.key} at {self.channel}: {str(self.value)[:60]!r}"

    def given(self) -> dict[str, Any]:
        """As the wizard would get it, beside answers that would do."""
        each, value, files = self.each, self.value, {}
        rest = {key: text for key, text in GOOD.items() if key != each.key}
        if each.secret and self.channel in ("flag", "flag in two words", "yaml", "json") and isinstance(value, str):
            files, value = {"a.secret": SECRET[:7] + value}, "a.secret"
        variables = {by_key[key].variable: text for key, text in rest.items()}
        more: dict[str, Any] = {"environ": variables, "files": files}
        match self.channel:
            case "flag":
                return {**more, "argv": (f"{each.flag}={value}",)}
            case "flag in two words":
                return {**more, "argv": (each.flag, str(value))}
            case "variable":
                secret = SECRET[:7] if each.secret and value else ""
                return {**more, "environ": {**variables, each.variable: f"{secret}{value}"}}
            case "yaml":
                return {**more, "text": yaml.safe_dump({each.file_key: value}, allow_unicode=True)}
            case "json":
                return {**more, "text": json.dumps({each.file_key: value}), "file_name": "answers.json"}
            case _:
                return {**more, "text": str(value).format(key=each.file_key)}


def wrong_answers(count: int) -> list[Wrong]:
    """So many answers, from one seed: every channel and every value is among them, every input with several."""
    chance = random.Random(20261124)
    made = []
    for number in range(count):
        channel = CHANNELS[number % len(CHANNELS)]
        values: tuple[Any, ...] = (
            RAW if channel == "raw" else (*TEXTS, *VALUES) if channel in ("yaml", "json") else TEXTS
        )
        each = INPUTS[number % len(INPUTS)] if number < 5 * len(INPUTS) else chance.choice(INPUTS)
        made.append(Wrong(number, each, channel, values[chance.randrange(len(values))]))
    return made


def taken(wrong: Wrong) -> None:
    """All the way from the channels to the settings. Raises SetupError for what cannot be used."""
    answers = resolved(**wrong.given())
    values = {key: answer.value for key, answer in answers.items()}
    if lacking := missing(values):
        raise missing_error(lacking, values)
    try:
        to_settings(values, identity=ME)
    except ContractError as error:
        raise refused(error) from error


def refusal_of(wrong: Wrong) -> SetupError | None:
    try:
        taken(wrong)
    except SetupError as error:
        return error
    return None


COMMAND = re.compile(r"python -m wizard|run (the same command|it) again|examples/|vercel login")


def told(error: BaseException | None) -> str:
    return "" if error is None else f"{error!r}{error.args}{told(error.__cause__)}"


def test_a_thousand_wrong_answers_end_in_no_traceback_and_each_refusal_has_its_way_out_and_no_secret() -> None:
    # Any other exception than the tree's fails here, as a traceback.
    ended = [(wrong, refusal_of(wrong)) for wrong in wrong_answers(1000)]
    refused_at = Counter(wrong.channel for wrong, error in ended if error)
    assert {wrong.each.key for wrong, _ in ended} == set(by_key)
    # Some are no wrong answers for the input they meet; most are.
    assert sum(refused_at.values()) > 600 and all(refused_at[channel] > 80 for channel in CHANNELS)
    refusals = [(wrong, error) for wrong, error in ended if error]
    assert [(wrong, error.hint) for wrong, error in refusals if not COMMAND.search(error.hint)] == []
    assert [wrong for wrong, error in refusals if SECRET[:7] in f"{told(error)}{error.hint}"] == []
    texts = [f"{error.message} {error.hint}".replace("\n", " ") for _, error in refusals]
    assert [text for text in texts if not text.isprintable()] == []


@pytest.mark.parametrize("seed", range(20))
def test_several_wrong_answers_are_all_told_at_once(seed: int) -> None:
    chance = random.Random(seed)
    wrong = {each.key: "\x07" for each in chance.sample([each for each in INPUTS if each.accepts is None], 5)}
    environ = {by_key[key].variable: text for key, text in wrong.items()}
    with pytest.raises(UsageError) as refusal:
        resolved(environ=environ)
    assert [key for key in wrong if f"{by_key[key].variable}: " not in refusal.value.message] == []
