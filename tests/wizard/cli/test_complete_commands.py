"""Every command of another program that is printed is complete as it is typed, by that program's own tables.

Reads the source tree for the commands that the product makes; the AWS CLI's required arguments are those of botocore's
models, Pulumi's and Vercel's are written here.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import botocore.session
from botocore import xform_name

from wizard.core.next_command import AWS_VERSION_2

ROOT = Path(__file__).resolve().parents[3]
VALUE = "X"
UNKNOWN = "*"
"""In the place of words that only a run knows."""

KIND = "role"
"""In the place of a part of a word: `put-{kind}-policy --{kind}-name`."""

OF_THE_CLI = {
    "cloudtrail validate-logs": ("--trail-arn", "--start-time"),
    "s3 cp": (),
    "s3 ls": (),
    # All of its arguments are in a file that the shell writes.
    "ssm put-parameter": ("--overwrite",),
}
"""Commands that are the AWS CLI's own, and what takes its arguments otherwise."""

REQUIRED = {
    "pulumi up": (),
    "pulumi preview": (),
    "pulumi refresh": (),
    "pulumi cancel": (),
    "pulumi login": (),
    "pulumi whoami": (),
    "pulumi config set": (VALUE, VALUE),
    "pulumi config rm": (VALUE,),
    "pulumi config refresh": (),
    "pulumi stack ls": (),
    "pulumi stack rm": (),
    "pulumi stack output": (),
    "pulumi stack export": (),
    "pulumi stack import": ("--file",),
    "vercel login": (),
    "vercel whoami": (),
    "vercel tokens add": (VALUE,),
    "vercel api": (VALUE,),
    "vercel project add": (VALUE,),
    "vercel project ls": (),
    "vercel env ls": (),
    "vercel env rm": (VALUE,),
    "vercel env update": (VALUE,),
    "vercel rolling-release configure": ("--project",),
    "vercel rolling-release fetch": ("--project",),
    "vercel rolling-release approve": ("--project", "--dpl", "--currentStageIndex"),
    "vercel rolling-release start": ("--project", "--dpl"),
    "vercel rolling-release X": ("--project",),
    "gh auth status": (),
    "gh api": (VALUE,),
    "kubectl rollout restart": (VALUE,),
    "kubectl annotate serviceaccount": (VALUE, VALUE),
}
"""The required flags and words of each command of the other programs; X stands for a word."""


@dataclass(frozen=True)
class Printed:
    """A command that the product makes."""

    place: str
    words: tuple[str, ...]

    def lacks(self, flag: str) -> bool:
        return UNKNOWN not in self.words and not any(word.partition("=")[0] == flag for word in self.words)


@cache
def printed() -> tuple[Printed, ...]:
    return tuple(
        Printed(f"{file.relative_to(ROOT)}:{call.lineno}", words)
        for file in sorted((ROOT / "wizard").rglob("*.py"))
        for scope, call in _calls(ast.parse(file.read_text(encoding="utf-8")))
        for words in [tuple(_words(call, scope))]
        if words and words[0] in ("aws", "pulumi", "vercel", "gh", "kubectl")
    )


def _calls(tree: ast.Module) -> Iterator[tuple[ast.AST, ast.Call]]:
    """Every call that makes a command, with the function or the module that it is in."""

    def walk(node: ast.AST, scope: ast.AST) -> Iterator[tuple[ast.AST, ast.Call]]:
        for child in ast.iter_child_nodes(node):
            inner = child if isinstance(child, ast.FunctionDef) else scope
            if isinstance(child, ast.Call) and _is_command(child):
                yield scope, child
            yield from walk(child, inner)

    yield from walk(tree, tree)


def _is_command(call: ast.Call) -> bool:
    name = call.func
    return getattr(name, "id", "") == "shell" or ast.unparse(name) in ("fixes.aws", "fixes.shell")


def _words(call: ast.Call, scope: ast.AST) -> Iterator[str]:
    arguments = call.args
    if ast.unparse(call.func) == "fixes.aws":
        yield "aws"
        arguments = arguments[1:]
    yield from _flat(arguments, scope)
    if any(keyword.arg is None for keyword in call.keywords):
        yield UNKNOWN


def _flat(nodes: Sequence[ast.expr], scope: ast.AST) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Starred):
            yield from _several(node.value, scope)
        elif isinstance(node, ast.Constant):
            yield str(node.value)
        elif isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else KIND for part in node.values)
        else:
            yield VALUE


def _several(node: ast.expr, scope: ast.AST) -> Iterator[str]:
    match node:
        case ast.Tuple() | ast.List():
            yield from _flat(node.elts, scope)
        case ast.IfExp():
            # The longer one: what it lacks, the other lacks, too.
            yield from max((list(_several(each, scope)) for each in (node.body, node.orelse)), key=len)
        case ast.Name():
            assigned = [
                each.value
                for each in ast.walk(scope)
                if isinstance(each, ast.Assign)
                for target in each.targets
                if isinstance(target, ast.Name) and target.id == node.id
            ]
            yield from _several(assigned[0], scope) if assigned else (UNKNOWN,)
        case _:
            yield UNKNOWN


_SESSION = botocore.session.get_session()


def required_of_aws(words: Sequence[str]) -> tuple[str, ...] | None:
    """The flags that a command of the AWS CLI has to have; None for a command that there is not."""
    service, operation = words[1:3]
    if (own := OF_THE_CLI.get(f"{service} {operation}")) is not None:
        return own
    if "--cli-input-json" in words:
        return ()
    model = _SESSION.get_service_model({"s3api": "s3"}.get(service, service))
    names = {xform_name(name, "-"): name for name in model.operation_names}
    if operation not in names:
        return None
    shape = model.operation_model(names[operation]).input_shape
    # The CLI makes a token by itself.
    return tuple(
        f"--{xform_name(name, '-')}"
        for name in (shape.required_members if shape else ())
        if not shape.members[name].metadata.get("idempotencyToken")
    )


def test_every_command_of_the_aws_cli_has_its_required_arguments() -> None:
    known = [each for each in printed() if each.words[0] == "aws" and each.words[1] not in (*AWS_VERSION_2, UNKNOWN)]
    assert len(known) > 100
    incomplete = []
    for each in known:
        if {UNKNOWN, VALUE} & {*each.words[1:3]}:
            continue
        required = required_of_aws(each.words)
        if required is None:
            incomplete.append(f"{each.place}: there is no {' '.join(each.words[:3])}")
        elif missing := [flag for flag in required if each.lacks(flag)]:
            incomplete.append(f"{each.place}: {' '.join(each.words[:3])} lacks {', '.join(missing)}")
    assert incomplete == []


def test_every_other_command_has_its_required_words() -> None:
    others = [each for each in printed() if each.words[0] != "aws"]
    assert len(others) > 40
    incomplete = []
    for each in others:
        name = next((name for name in sorted(REQUIRED, key=len, reverse=True) if _begins(each.words, name)), None)
        if name is None:
            incomplete.append(f"{each.place}: {' '.join(each.words)} is in no table")
            continue
        flags = [flag for flag in REQUIRED[name] if flag != VALUE and each.lacks(flag)]
        rest = each.words[len(name.split()) :]
        lacks = REQUIRED[name].count(VALUE) - sum(not word.startswith("-") for word in rest)
        if flags or (lacks > 0 and UNKNOWN not in rest):
            incomplete.append(f"{each.place}: {' '.join(each.words)} lacks {', '.join(flags) or f'{lacks} words'}")
    assert incomplete == []


def _begins(words: Sequence[str], name: str) -> bool:
    return list(words[: len(name.split())]) == name.split()
