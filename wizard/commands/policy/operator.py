"""The least IAM policy for the operator: the measured permissions of setup, and what the AWS provider reads.

Pure: answers in, documents out; calls no AWS API. The permissions are in `wizard.core.required_permissions.table`.

An operator who is an administrator of the keys has the permissions on them from the key policies. Any other operator
gets them on keys with this stack's tags, and can tag a key only while it is made. What the operator makes has a
permissions boundary (`components.policies.boundary`), which the operator cannot change.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import groupby
from typing import Any

from components.policies import Policy, Statement
from components.policies.boundary import boundary_arn_of, boundary_of, bounded_arns, keeping_statements
from components.policies.documents import policy
from components.settings import ContractError, Settings, partition_of
from wizard.core.errors import MissingAnswers, UsageError
from wizard.core.models.account import Identity
from wizard.core.models.inputs import CALLER, CREATE
from wizard.core.next_command import Command, eonpro, shell
from wizard.core.required_permissions.resources import Setup, resources_of
from wizard.core.required_permissions.table import condition_of, later_actions, measured_actions, operator_actions
from wizard.inputs import answers
from wizard.inputs.registry import by_key
from wizard.targets.port import free_values

LONGEST_POLICY = 6144
"""Characters of a managed policy without white space.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
"""

_COMMAND = eonpro("policy", "operator")


def for_values(
    values: Mapping[str, Any],
    environ: Mapping[str, str],
    *,
    file: Mapping[str, Any] | None = None,
    file_name: str = "",
    saved: Settings | None = None,
    saved_name: str = "",
    adopt: bool = False,
    build: Callable[[Setup], Mapping[str, Policy]] | None = None,
    command: Command = _COMMAND,
) -> dict[str, Any]:
    """The policy for the setup of these answers; several by their names if one would be too long for IAM.

    `values` are the unparsed flags by the key of their input. `build` makes another policy than the operator's from the
    same answers, for another `command`. Raises UsageError for answers that contradict each other, MissingAnswers
    without the account's id, the Region or the target.
    """
    resolved = answers.resolve(
        flags=values,
        environ=environ,
        file=file or {},
        file_name=file_name,
        saved=answers.from_settings(saved) if saved else {},
        saved_name=saved_name,
        detected={},
    )
    answered = {key: answer.value for key, answer in resolved.items()}
    if answered.get("account") == CALLER:
        # Only AWS knows the caller's account, and no AWS API is called here; the settings name the stack's.
        del answered["account"]
        answered |= {"account": saved.account_id} if saved else {}
    if not answered.get("administrators") and not answered.get("administrator_patterns"):
        answered["administrators"] = (CALLER,)
    answered = {**_DEFAULTS, **answered}
    _require(answered, command)
    operator = f"arn:{partition_of(answered['region'])}:iam::{answered['account']}:user/operator"
    account = answered["account"]
    identity = Identity(
        account_id=account, arn=operator, principal_arn=operator, account_alias=None, source="not asked"
    )
    retained = saved.deploy_targets if saved else ()
    try:
        settings = answers.to_settings(answered, identity=identity, retained_targets=retained)
    except ContractError as error:
        raise answers.refused(error) from error
    setup = Setup(settings=settings, operator=operator, imports=adopt or bool(saved and saved.adopted))
    documents = (build or policies_of)(setup)
    return dict(next(iter(documents.values()))) if len(documents) == 1 else dict(documents)


def _require(answered: Mapping[str, Any], command: Command) -> None:
    """Raises MissingAnswers where an answer is missing that is no secret."""
    lacking = tuple(spec for spec in answers.missing(answered) if not spec.secret)
    if lacking:
        lines = "\n".join(f"  {spec.key}: {', or '.join(spec.sources)}" for spec in lacking)
        raise MissingAnswers(
            f"the policy contains names of the account, and AWS is not called to read them; missing:\n{lines}",
            command.plus(
                *(word for spec in lacking for word in (spec.flag, _EXAMPLES.get(spec.key, spec.metavar))),
            ),
            tuple(spec.key for spec in lacking),
        )


_EXAMPLES = {"account": "111122223333", "region": "us-east-1", "target": "vercel"}


_DEFAULTS: dict[str, Any] = {
    **{spec.key: CREATE for spec in by_key.values() if CREATE in spec.words and not spec.optional and not spec.secret},
    "environment": "production",
    **free_values(),
}


# --- the documents


def policies_of(setup: Setup, *, with_removal: bool = False) -> dict[str, Policy]:
    """The operator's policy by its name; several if one would be too long for IAM.

    Every role and user that it lets the operator make needs a permissions boundary: that of the settings, or the
    stack's own, which `policy boundary` prints. Where the settings name it, the stack's policies may change, too.
    """
    settings = setup.settings

    def actions_on(setup: Setup, resource: str) -> set[str]:
        return operator_actions(setup, resource) | later_actions(settings, resource)

    bounded = settings.model_copy(update={"permissions_boundary_arn": boundary_arn_of(settings)})
    setup = replace(setup, settings=bounded)
    allowed = statements_of(setup, actions_on=actions_on)
    removal = removal_statements(setup) if with_removal else []
    return in_parts("Operator", setup, [*allowed, *removal, *keeping_statements(bounded)])


_NO_ADMINISTRATOR = (
    "KMS makes a key only for somebody who may change its policy, and this policy leaves that to the administrators of "
    "the key: who runs the first set-up has to be one of them"
)


def remarks(setup: Setup) -> tuple[str, ...]:
    """What an administrator has to create before the operator can make anything, in words."""
    settings = setup.settings
    boundary = boundary_arn_of(settings)
    lines = () if setup.operator in settings.administrators else (_NO_ADMINISTRATOR,)
    if not bounded_arns(settings):
        return lines
    if settings.permissions_boundary_arn:
        return (*lines, f"what it makes needs the permissions boundary {boundary}, which the settings name")
    name = settings.names.boundary
    return (
        *lines,
        f"what it makes needs the permissions boundary {name}, which an administrator creates once: save what "
        f"`policy boundary` prints, with the same answers, as {name}.json, and then",
        shell("aws", "iam", "create-policy", "--policy-name", name, "--policy-document", f"file://{name}.json"),
        f"the operator names it in the set-up: --permissions-boundary {boundary}",
    )


def boundary_policies(setup: Setup) -> dict[str, Policy]:
    """The boundary of the stack's roles and user by its name. Raises UsageError for a stack that makes none."""
    if not bounded_arns(setup.settings):
        raise UsageError(
            "no boundary is needed: with these answers nothing is made that would have one, no role and no user",
            eonpro("policy", "operator", advice="with the same answers: it prints what the operator needs"),
        )
    return {setup.settings.names.boundary: boundary_of(setup.settings)}


def removal_statements(setup: Setup) -> list[Statement]:
    """What removing an e-mail address, deleting an old policy version and `destroy` need; keys are retained."""

    def actions_on(setup: Setup, resource: str) -> set[str]:
        return measured_actions(setup, "removal", resource)

    return [
        {**statement, "Sid": f"Remove{statement['Sid']}"} for statement in statements_of(setup, actions_on=actions_on)
    ]


def in_parts(role: str, setup: Setup, statements: Iterable[Statement]) -> dict[str, Policy]:
    """One policy of these statements, named after application and role; several if one would be too long for IAM."""
    environment = setup.settings.environment
    name = f"{setup.settings.names.label}{role}" + ("" if environment == "production" else f"-{environment}")
    parts = list(_parts(statements))
    if len(parts) == 1:
        return {name: parts[0]}
    return {f"{name}-{number}": part for number, part in enumerate(parts, 1)}


def _parts(statements: Iterable[Statement]) -> Iterator[Policy]:
    part: list[Statement] = []
    for statement in statements:
        if part and characters(policy([*part, statement])) > LONGEST_POLICY:
            yield policy(part)
            part = []
        part.append(statement)
    yield policy(part)


def characters(document: Policy) -> int:
    """The length of a document for IAM: without white space."""
    return len("".join(json.dumps(document).split()))


def statements_of(
    setup: Setup,
    *,
    known: Mapping[str, tuple[str, ...]] | None = None,
    actions_on: Callable[[Setup, str], set[str]] | None = None,
) -> list[Statement]:
    """One statement for the resources that need the same actions under the same condition.

    `known` has the ARNs of the resources, `actions_on` returns the actions on each; both default to the operator's.
    """
    known = resources_of(setup) if known is None else known
    needed_on = actions_on or operator_actions
    # Resources with the same actions share a statement.
    groups: dict[tuple[str, str], list[str]] = {}
    for resource in known:
        by_condition = sorted(
            (json.dumps(condition_of(setup, resource, action)), action) for action in needed_on(setup, resource)
        )
        for condition, members in groupby(by_condition, key=lambda pair: pair[0]):
            actions = json.dumps([action for _, action in members])
            groups.setdefault((actions, condition), []).append(resource)
    used: dict[str, int] = {}
    return [
        _statement(
            _sid(group, used), json.loads(actions), [arn for resource in group for arn in known[resource]], condition
        )
        for (actions, condition), group in groups.items()
    ]


def _statement(sid: str, actions: list[str], resources: list[str], condition: str) -> Statement:
    statement: Statement = {
        "Sid": sid,
        "Effect": "Allow",
        "Action": actions if len(actions) > 1 else actions[0],
        "Resource": resources if len(resources) > 1 else resources[0],
    }
    narrowed = json.loads(condition)
    return {**statement, "Condition": narrowed} if narrowed else statement


def _sid(group: list[str], used: dict[str, int]) -> str:
    words = " and ".join(group).replace("-", " ").replace("'", "").replace(",", "").split()
    sid = "".join(word[0].upper() + word[1:] for word in words)
    used[sid] = used.get(sid, 0) + 1
    return sid if used[sid] == 1 else f"{sid}{used[sid]}"
