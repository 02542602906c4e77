"""Whatever one line of `components/` is changed to: what the program then plans is refused, or gives nobody more.

Mocked: the engine, as in `planned`. A mutant is a module of `components` with one changed expression; with each of
them the program runs twice, as it is and with a harmful change in it. Whether a plan that passes is harmless is judged
here, by another way than the pack's.
"""

from __future__ import annotations

import ast
import contextvars
import importlib.abc
import importlib.util
import json
import random
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path
from typing import Any

import pytest

import components
from guardrails.rules.resource import Resource, plain
from tests.components import conftest
from tests.components.configurations import BOUNDARY, CONFIG, CONFIGURATIONS
from tests.components.conftest import Recording
from tests.guardrails.harms_by_meaning import ALL
from tests.guardrails.planned import COMPONENTS, Stack, planned, refusals
from tests.guardrails.test_harms import run_changed

ROOT = Path(components.__file__).parent
SEED, FEW, MANY = 20261201, 6, 500

RICH: dict[str, Any] = {
    **CONFIGURATIONS["every-target"],
    **CONFIGURATIONS["guarded"],
    **CONFIGURATIONS["full-audit"],
    "vercelAccess": "oidc",
    "multiRegion": True,
    "replicaRegions": ["eu-west-1"],
    "permissionsBoundaryArn": BOUNDARY,
    "documentBuckets": ["clinic-documents"],
    "documentsKey": True,
}
"""A stack with a resource of every kind."""


# --- mutants

_OPPOSITES: Mapping[type[ast.AST], type[ast.AST]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Lt: ast.GtE,
    ast.And: ast.Or,
    ast.Or: ast.And,
}


def _changes(node: ast.AST) -> Iterator[Any]:
    """Changes of a node, each a function without arguments that makes it."""
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield lambda: setattr(node, "value", not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        yield lambda: setattr(node, "value", node.value + 1)
        yield lambda: setattr(node, "value", 0)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        service = node.value.partition(":")[0]
        for text in ("*", f"{service}:*", f"{node.value}x", node.value.replace("Not", "").replace("Deny", "Allow"), ""):
            if text != node.value:
                yield lambda text=text: setattr(node, "value", text)
    elif isinstance(node, ast.Compare | ast.BoolOp):
        ops = node.ops if isinstance(node, ast.Compare) else [node.op]
        if opposite := _OPPOSITES.get(type(ops[0])):
            value = opposite()
            yield lambda: setattr(node, *(("ops", [value]) if isinstance(node, ast.Compare) else ("op", value)))
    elif isinstance(node, ast.IfExp | ast.If):
        yield lambda: setattr(node, "test", ast.UnaryOp(op=ast.Not(), operand=node.test))
    elif isinstance(node, ast.List | ast.Tuple) and isinstance(node.ctx, ast.Load) and len(node.elts) > 1:
        yield from ((lambda index=index: node.elts.pop(index)) for index in range(len(node.elts)))
    elif isinstance(node, ast.Dict):
        for index in range(len(node.keys)):
            yield lambda index=index: (node.keys.pop(index), node.values.pop(index))
    elif isinstance(node, ast.keyword) and node.arg is not None:
        yield lambda: setattr(node, "value", ast.Constant(value=None))
    elif isinstance(node, ast.Return) and node.value is not None:
        yield lambda: setattr(node, "value", ast.List(elts=[], ctx=ast.Load()))


def _sites(tree: ast.Module) -> Iterator[tuple[int, Any]]:
    """Line and change of every mutation: not of docstrings, nor of texts that are only printed."""
    printed = {id(each) for node in ast.walk(tree) if isinstance(node, ast.Expr | ast.Raise) for each in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) not in printed or isinstance(node, ast.Call):
            for change in _changes(node):
                yield getattr(node, "lineno", 0), change


def sites() -> list[tuple[str, int]]:
    """Module and number of every mutation of `components/`."""
    found = []
    for file in sorted(ROOT.rglob("*.py")):
        name = ".".join((ROOT.name, *file.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")
        found += [(name, index) for index, _ in enumerate(_sites(ast.parse(file.read_text("utf-8"))))]
    return found


SITES = sites()
SAMPLE = random.Random(SEED).sample(SITES, MANY)


class _Mutated(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds one module with one of its expressions changed."""

    def __init__(self, module: str, index: int) -> None:
        self.module = module
        spec = importlib.util.find_spec(module)
        assert spec is not None and spec.origin is not None
        self.spec, self.tree = spec, ast.parse(Path(spec.origin).read_text("utf-8"))
        self.line, change = list(_sites(self.tree))[index]
        change()
        ast.fix_missing_locations(self.tree)

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        if name != self.module:
            return None
        is_package = self.spec.submodule_search_locations is not None
        spec = importlib.util.spec_from_loader(name, self, is_package=is_package)
        assert spec is not None
        spec.submodule_search_locations = self.spec.submodule_search_locations
        return spec

    def exec_module(self, module: Any) -> None:
        exec(compile(self.tree, f"mutant of {self.module}", "exec"), module.__dict__)


@contextmanager
def mutated(module: str, index: int) -> Iterator[_Mutated]:
    """`components` as a fresh import, with a mutant in the place of one module."""
    finder = _Mutated(module, index)
    before = {name: each for name, each in sys.modules.items() if name.partition(".")[0] == "components"}
    for name in before:
        del sys.modules[name]
    sys.meta_path.insert(0, finder)
    try:
        yield finder
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if name.partition(".")[0] == "components"]:
            del sys.modules[name]
        sys.modules.update(before)


def rich() -> Stack:
    """What the program plans for the rich stack."""
    recording = Recording()
    config = {**CONFIG, **{f"eonpro-kms:{name}": value for name, value in RICH.items()}}
    contextvars.copy_context().run(
        conftest._run, {key: each for key, each in config.items() if each is not None}, recording
    )
    return planned(recording, **RICH)


# --- what a plan says, by another way than the pack's

FREE = {"description", "alarmDescription", "arn", "keyId"}
DEFAULTS: Mapping[str, Any] = {
    "customerMasterKeySpec": "SYMMETRIC_DEFAULT",
    "keyUsage": "ENCRYPT_DECRYPT",
    "enableLogging": True,
    "includeGlobalServiceEvents": True,
    "forceDestroy": False,
    "state": "ENABLED",
}


Line = tuple[tuple[str, str, str, str], dict[tuple[str, str], frozenset[str]]]
"""Principal, action, resource and the elements that invert; the values of each condition."""


def says(text: str) -> dict[str, list[Line]]:
    """What a policy document allows and denies, a line for each principal, action and resource."""

    def several(value: Any) -> list[Any]:
        return value if isinstance(value, list) else [value]

    found: dict[str, list[Line]] = {"Allow": [], "Deny": []}
    for each in several(json.loads(text)["Statement"]):
        principal = each.get("Principal", "")
        named = principal if isinstance(principal, dict) else {"AWS": principal}
        who = [f"{kind} {name}" for kind, names in named.items() for name in several(names)]
        where = {
            (operator, key): frozenset(map(str, several(values)))
            for operator, keys in each.get("Condition", {}).items()
            for key, values in keys.items()
        }
        rest = json.dumps({name: each[name] for name in each if name.startswith("Not")})
        for line in product(who, several(each["Action"]), several(each.get("Resource", "")), [rest]):
            found[each["Effect"]].append((line, where))
    return found


def gives_no_more(line: Line, before: list[Line]) -> bool:
    """Whether an Allow was there before, or one of the whole service, with no more conditions and no fewer values."""
    who, action, *on = line[0]
    service = f"{action.partition(':')[0]}:*"
    return any(
        what in ((who, action, *on), (who, service, *on))
        and all(fits(test, line[1].get(test), values) for test, values in where.items())
        for what, where in before
    )


def fits(test: tuple[str, str], now: frozenset[str] | None, was: frozenset[str]) -> bool:
    """Whether a condition is still there, with no other values; of patterns, with none that reach further."""
    if now is None:
        return False
    is_pattern = test[0].endswith("Like")
    return all(value in was or (is_pattern and any(fnmatchcase(value, each) for each in was)) for value in now)


_DAYS, _BUT = ("NumericLessThan", "kms:TrailingDaysWithoutKeyUsage"), ("ArnNotEquals", "aws:PrincipalArn")
_BY_NOBODY = ("kms:ScheduleKeyDeletion", "kms:DisableKey")
"""What may be denied to those, too, whom the settings exempt: the key stays."""


def denies_no_less(line: Line, after: list[Line]) -> bool:
    """Whether a Deny is still there, as it was, for more days of use, or without an exemption that can be missed."""
    what, where = line
    days = [max(map(float, values)) for test, values in where.items() if test == _DAYS]
    rest = {test: values for test, values in where.items() if test != _DAYS}
    return any(
        what == other
        and (
            rest == (others := {test: values for test, values in conditions.items() if test != _DAYS})
            or (what[1] in _BY_NOBODY and others == {test: rest[test] for test in rest if test != _BUT})
        )
        and days <= [max(map(float, values)) for test, values in conditions.items() if test == _DAYS]
        for other, conditions in after
    )


def leaves(value: Any, path: str = "") -> set[str]:
    if isinstance(value, Mapping):
        return {leaf for name, each in value.items() for leaf in leaves(each, f"{path}.{name}")}
    if isinstance(value, list):
        return {leaf for each in value for leaf in leaves(each, path)}
    return {f"{path} {value!r}"}


def shortest(rules: Any) -> float:
    """The days after which a lifecycle deletes a record."""
    texts = json.dumps(rules)
    days = [
        float(rule.get(kind, {}).get(name) or 1e9)
        for rule in rules
        for kind, name in (("expiration", "days"), ("noncurrentVersionExpiration", "noncurrentDays"))
    ]
    return 0 if "DEEP" in texts or '"date"' in texts else min(days, default=1e9)


def _or_default(properties: Mapping[str, Any], name: str) -> Any:
    """The value of a property; an empty text is none to the provider, and to the pack."""
    value = properties.get(name)
    return DEFAULTS.get(name) if value in (None, "") else value


def gives_more(resource: Resource, before: Resource) -> str:
    """The property by which a planned resource gives more, or keeps less, than before; empty for none."""
    old, new = plain(before.props), plain(resource.props)
    for name in sorted((set(old) | set(new)) - FREE):
        # An empty text is no value to the provider, and none to the pack.
        was, value = _or_default(old, name), _or_default(new, name)
        if value == was:
            continue
        if name in ("policy", "assumeRolePolicy"):
            new_lines, old_lines = says(value), says(was)
            is_more = not all(gives_no_more(line, old_lines["Allow"]) for line in new_lines["Allow"]) or not all(
                denies_no_less(line, new_lines["Deny"]) for line in old_lines["Deny"]
            )
        elif name == "eventPattern":
            is_more = not leaves(json.loads(was)) <= leaves(json.loads(value))
        elif name == "tags":
            is_more = not was.items() <= (value or {}).items()
        elif resource.type.endswith(":BucketLifecycleConfiguration") and name == "rules":
            is_more = shortest(value) < shortest(was)
        elif resource.type.endswith(":BucketObjectLockConfiguration") and name == "rule":
            lock, longer = was["defaultRetention"], value["defaultRetention"]
            is_more = lock["mode"] != longer["mode"] or not longer["days"] >= lock["days"]
        elif name == "threshold":
            is_more = not 1 <= value <= was
        elif name == "retentionInDays":
            is_more = value != 0 and not value >= was
        else:
            is_more = True
        if is_more:
            return f"{resource.type} {resource.name}: its {name} is {value}, and was {was}"
    return ""


def harm_in(stack: Stack, before: Stack) -> str:
    """What a plan does that the program's own does not; empty for none."""
    own = {(each.type, each.name): each for each in before if not each.type.startswith(COMPONENTS)}
    planned_ = {(each.type, each.name): each for each in stack if not each.type.startswith(COMPONENTS)}
    if set(planned_) != set(own):
        return f"other resources: {set(planned_) ^ set(own)}"
    for key, each in planned_.items():
        if own[key].protected > each.protected or each.ignored - own[key].ignored:
            return f"{key} has other options"
        if set(each.aliases) - set(own[key].aliases):
            return f"{key} takes the place of another"
        if more := gives_more(each, own[key]):
            return more
    return ""


@pytest.fixture(scope="module")
def before() -> Stack:
    return rich()


def test_the_program_itself_passes_and_is_judged_harmless(before: Stack) -> None:
    assert list(refusals(before)) == [] and harm_in(before, before) == ""
    assert len(SITES) > 3000


@pytest.mark.parametrize(
    ("module", "index"),
    [
        pytest.param(*site, id=f"{site[0]}-{site[1]}", marks=() if number < FEW else pytest.mark.thorough)
        for number, site in enumerate(SAMPLE)
    ],
)
def test_no_change_of_a_line_of_the_components_lets_anybody_in(module: str, index: int, before: Stack) -> None:
    harm = random.Random(f"{module}{index}").choice(ALL)
    with mutated(module, index) as mutant:
        where = f"line {mutant.line} of {module}"
        try:
            stack = rich()
        except Exception:  # noqa: BLE001  # A program that fails plans nothing.
            stack = []
        if stack and not list(refusals(stack)):
            assert harm_in(stack, before) == "", where
        try:
            harmed = run_changed(harm)
        except Exception:  # noqa: BLE001
            harmed = []
        assert not harmed or list(refusals(harmed)), f"{harm.name} passes with {where}"
