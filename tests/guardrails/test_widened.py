"""Whoever widens a function that writes a policy is refused: the guardrails state what may be, and import nothing.

Each statement of every document that the program writes is widened in every element, on planned stacks.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import components
from guardrails.rules.settings import Settings
from tests.components.configurations import ACCOUNT, AS_TEXT, CONFIGURATIONS
from tests.components.conftest import Recording
from tests.components.conftest import run_program as run_program
from tests.guardrails.planned import Stack, planned, refusals_of

FOREIGN = "arn:aws:iam::999999999999:root"
Statement = dict[str, Any]
Widening = tuple[str, Statement | None]
"""What is widened, and the statement then; None where it is removed."""


def widenings(statement: Statement) -> Iterator[Widening]:
    """A statement widened in each of its elements, one at a time."""
    return _of_allow(statement) if statement["Effect"] == "Allow" else _of_deny(statement)


def _of_allow(statement: Statement) -> Iterator[Widening]:
    def changed(what: str, **elements: Any) -> Widening:
        return what, {**statement, **elements}

    actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
    service = actions[0].partition(":")[0]
    wide = f"{service}:*"
    if actions != [wide]:
        yield changed("action", Action=[*actions, wide])
        yield changed("action", Action=[*actions, f"{service}:{'Put' if service != 'sts' else 'Get'}*"])
    yield "action", {name: value for name, value in statement.items() if name != "Action"} | {"NotAction": "x:y"}
    if "Principal" in statement:
        principal = statement["Principal"]
        yield changed("principal", Principal={**principal, "AWS": [FOREIGN]})
        yield changed("principal", Principal={**principal, "Service": ["lambda.amazonaws.com"]})
        yield changed("principal", Principal="*")
        rest = {name: value for name, value in statement.items() if name != "Principal"}
        yield "principal", rest | {"NotPrincipal": {"AWS": FOREIGN}}
    if (resources := statement.get("Resource", "*")) != "*":
        first, *more = resources if isinstance(resources, list) else [resources]
        yield changed("resource", Resource="*")
        if not first.endswith("*"):
            yield changed("resource", Resource=[f"{first[:-1]}*", *more])
            yield changed("resource", Resource=[f"{first[:-1]}?", *more])
        yield changed("resource", Resource=[first, first.replace(ACCOUNT, "999999999999") + "x"])
    if conditions := statement.get("Condition"):
        yield "condition", {name: value for name, value in statement.items() if name != "Condition"}
        for operator, keys in conditions.items():
            for name, values in keys.items():
                others = {each: keys[each] for each in keys if each != name}
                rest = {each: conditions[each] for each in conditions if each != operator}
                yield changed("condition", Condition={**rest, operator: others})
                yield changed("condition", Condition={**rest, operator: others, f"{operator}IfExists": {name: values}})
                yield changed("condition", Condition={**rest, operator: others, "StringLike": {name: "*"}})
                several = values if isinstance(values, list) else [values]
                yield changed("condition", Condition={**rest, operator: {**others, name: [*several, "another"]}})


def _of_deny(statement: Statement) -> Iterator[Widening]:
    yield "denial", None
    yield "denial", {**statement, "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}
    conditions = statement.get("Condition", {})
    but = {"ArnNotLike": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/theirs*"}}
    for more in (
        but,
        {"StringEquals": {"aws:PrincipalOrgID": "o-1"}},
        {"Bool": {"aws:MultiFactorAuthPresent": "false"}},
    ):
        yield "denial", {**statement, "Condition": {**conditions, **more}}
    actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
    for action in actions:
        yield "denial", {**statement, "Action": [each for each in actions if each != action] or ["kms:Nothing"]}
    if isinstance(statement["Resource"], list):
        yield "denial", {**statement, "Resource": statement["Resource"][0]}


def is_no_wider(statement: Statement, widened: Statement | None, settings: Settings, name: str) -> bool:
    """Whether the document gives nothing more, because another statement gives or denies it already."""
    if widened == statement:
        return True
    if statement["Effect"] == "Allow":
        # The account's IAM may allow everything already: a condition on who of the account it is changes nothing.
        root = {"AWS": [f"arn:aws:iam::{ACCOUNT}:root"]}
        # The strict policy is that of the PHI key and its replicas alone.
        is_strict = settings.strict_key_policy and name.startswith("phi-key")
        is_left_to_iam = statement.get("Principal") == root and not is_strict
        return is_left_to_iam and widened is not None and widened.get("Principal") == root and "Action" in widened
    if statement["Action"] != "kms:ScheduleKeyDeletion":
        return False
    # Deletion is denied already, at any time and to everybody but those whom the settings name.
    named = ("theirs", f"{ACCOUNT}:root")
    return not settings.deletion_administrators or any(text in json.dumps(widened) for text in named)


DOCUMENTS = ("policy", "assumeRolePolicy")


def widened_stacks(stack: Stack) -> Iterator[tuple[str, Stack]]:
    """The stack with one statement of one document widened in one element."""
    for index, resource in enumerate(stack):
        for name in DOCUMENTS:
            text = resource.props.get(name, '{"Statement": []}')
            for position, statement in enumerate(json.loads(text)["Statement"]):
                for what, widened in widenings(statement):
                    assert resource.settings is not None
                    if is_no_wider(statement, widened, resource.settings, resource.name):
                        continue
                    parsed = json.loads(text)
                    parsed["Statement"][position : position + 1] = [] if widened is None else [widened]
                    changed = replace(resource, props={**resource.props, name: json.dumps(parsed)})
                    where = f"{what} of {statement.get('Sid')!r} in the {name} of {resource.type} {resource.name}"
                    yield f"{where}: {widened}", [*stack[:index], changed, *stack[index + 1 :]]


CONFIGURED = {
    **{
        name: CONFIGURATIONS[name]
        for name in (
            *("every-target", "guarded", "strict", "full-audit", "replicas", "documents", "vercel"),
            *("eks-irsa", "eks-pod-identity", "ecs-secrets-manager"),
        )
    },
    "strict, by pattern": {
        **CONFIGURATIONS["strict"],
        "administratorPatterns": CONFIGURATIONS["guarded"]["administratorPatterns"],
    },
}
"""Together they have every statement that `components.policies` and `components.targets` write."""


@pytest.mark.parametrize("configuration", CONFIGURED)
def test_every_statement_that_is_widened_is_refused(
    configuration: str, run_program: Callable[..., Recording], record_property: Callable[[str, object], None]
) -> None:
    stack = planned(run_program(**CONFIGURED[configuration]), **CONFIGURED[configuration])
    count, passed = 0, []
    for label, widened in widened_stacks(stack):
        count += 1
        [changed] = [each for each, before in zip(widened, stack, strict=True) if each is not before]
        # The other resources are as they were: all of them pass.
        if not list(refusals_of(changed)):
            passed.append(label)
    record_property("widened", count)
    assert count > 50 and passed == []


# --- what the guardrails are made of


ROOT = Path(components.__file__).parents[1]

ALONE = """
import sys
sys.path.insert(0, sys.argv[1])
import rules
from rules import settings, table
print(len(table.rows_of(settings.read(dict(each.split("=", 1) for each in sys.argv[2:])))))
print(*sorted({name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names)))
"""


def test_the_rules_are_loaded_and_used_where_there_is_nothing_but_them(tmp_path: Path) -> None:
    """No file outside of them is part of the verdict: neither the program's nor a library's."""
    configuration = [f"{key}={value}" for key, value in AS_TEXT.items()]
    command = [sys.executable, "-I", "-S", "-c", ALONE, str(ROOT / "guardrails"), *configuration]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    count, modules = done.stdout.splitlines()
    assert int(count) > 30 and modules.split() == ["__main__", "rules"]
