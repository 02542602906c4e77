"""The least IAM policy for whoever runs the setup: the measured permissions, and what the AWS provider reads.

Pure: answers in, documents out; asks AWS nothing. The permissions are in `wizard.core.required_permissions.table`.

An operator who is an administrator of the keys has the permissions on them from the key policies. Any other operator
gets them on keys with this stack's tags: whoever can tag keys can then reach each key whose policy delegates to IAM.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Any

from wizard.core.errors import MissingAnswers
from wizard.core.models.account import Identity
from wizard.core.models.inputs import CALLER, CREATE
from wizard.core.next_command import wizard
from wizard.inputs import answers
from wizard.inputs.registry import by_key

if TYPE_CHECKING:
    from components.policies import Policy, Statement
    from components.settings import Settings
    from wizard.core.required_permissions.resources import Setup

LONGEST_POLICY = 6144
"""Characters of a managed policy, white space not counted.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
"""

_NO_MATTER = {"vercel_project": "any", "ecs_cluster": "any", "eks_cluster": "any"}
"""What no policy of the operator's speaks of, so that nobody needs to say it for this."""

_COMMAND = wizard("policy", "operator")


def for_values(
    values: Mapping[str, Any],
    environ: Mapping[str, str],
    *,
    file: Mapping[str, Any] | None = None,
    file_name: str = "",
    saved: Settings | None = None,
    saved_name: str = "",
    adopt: bool = False,
    with_removal: bool = False,
    written: Callable[[Setup], Mapping[str, Policy]] | None = None,
    command: str = _COMMAND,
) -> dict[str, Any]:
    """The policy for the setup of these answers; several by their names, where one is longer than IAM accepts.

    `values` are flags by the key of their input, unparsed. `written` makes another policy of the same answers than the
    operator's, for another `command`; `with_removal` adds what removes resources to the operator's. Raises UsageError for
    answers that do not fit together, MissingAnswers without the account's id, the Region or the target.
    """
    setup = _setup(values, environ, file or {}, file_name, saved, saved_name, adopt, command)
    documents = written(setup) if written else policies_of(setup, with_removal=with_removal)
    if len(documents) == 1:
        return dict(next(iter(documents.values())))
    return dict(documents)


def _setup(
    values: Mapping[str, Any],
    environ: Mapping[str, str],
    file: Mapping[str, Any],
    file_name: str,
    saved: Settings | None,
    saved_name: str,
    adopt: bool,
    command: str,
) -> Setup:
    from components.settings import ContractError, partition_of
    from wizard.core.required_permissions.resources import Setup

    resolved = answers.resolve(
        flags=values,
        environ=environ,
        file=file,
        file_name=file_name,
        saved=answers.from_settings(saved) if saved else {},
        saved_name=saved_name,
        detected={},
    )
    given = {key: answer.value for key, answer in resolved.items()}
    if given.get("account") == CALLER:
        # Whose account that is only AWS knows, which is not asked here.
        del given["account"]
    if not given.get("administrators") and not given.get("administrator_patterns"):
        given["administrators"] = (CALLER,)
    given = {**_as_usual(given), **given}
    lacking = tuple(each for each in answers.missing(given) if not each.secret)
    if lacking:
        told = "\n".join(f"  {each.key}: {', or '.join(each.sources)}" for each in lacking)
        raise MissingAnswers(
            f"the policy names the account's own things, and AWS is not asked for them; missing:\n{told}",
            " ".join([command, *(f"{each.flag} {_EXAMPLES.get(each.key, each.metavar)}" for each in lacking)]),
            tuple(each.key for each in lacking),
        )
    operator = f"arn:{partition_of(given['region'])}:iam::{given['account']}:user/operator"
    identity = Identity(
        account_id=given["account"], arn=operator, principal_arn=operator, account_alias=None, source="not asked"
    )
    try:
        settings = answers.to_settings(given, identity=identity, retained_targets=saved.deploy_targets if saved else ())
    except ContractError as error:
        raise answers.refused(error) from error
    return Setup(settings=settings, operator=operator, imports=adopt or bool(saved and saved.adopted))


_EXAMPLES = {"account": "111122223333", "region": "us-east-1", "target": "vercel"}


def _as_usual(given: Mapping[str, Any]) -> dict[str, Any]:
    """What the set-up makes unless it is told otherwise, and what does not matter here."""
    usual: dict[str, Any] = {
        each.key: CREATE for each in by_key.values() if CREATE in each.words and not each.optional and not each.secret
    }
    return {**usual, "environment": "production", **_NO_MATTER}


# --- the documents ------------------------------------------------------------------------------------------------


def policies_of(setup: Setup, *, with_removal: bool = False) -> dict[str, Policy]:
    """The policy by its name; several where one is longer than IAM accepts."""
    removal = removal_statements(setup) if with_removal else []
    return in_parts("EONPROOperator", setup, [*statements_of(setup), *removal])


def removal_statements(setup: Setup) -> list[Statement]:
    """What an e-mail address removed, a sixth version of a policy and `destroy` need; the keys and the trail are retained."""
    from wizard.core.required_permissions.table import measured_actions

    def actions_on(setup: Setup, resource: str) -> set[str]:
        return measured_actions(setup, "removal", resource)

    return [{**each, "Sid": f"Remove{each['Sid']}"} for each in statements_of(setup, actions_on=actions_on)]


def in_parts(role: str, setup: Setup, statements: Iterable[Statement]) -> dict[str, Policy]:
    """One policy of these statements, called after whose it is; several where it would be longer than IAM takes."""
    name = f"{role}{_suffix(setup.settings)}"
    parts = list(_parts(statements))
    if len(parts) == 1:
        return {name: parts[0]}
    return {f"{name}-{number}": part for number, part in enumerate(parts, 1)}


def _suffix(settings: Settings) -> str:
    return "" if settings.environment == "production" else f"-{settings.environment}"


def _parts(statements: Iterable[Statement]) -> Iterator[Policy]:
    from components.policies.documents import policy

    part: list[Statement] = []
    for statement in statements:
        if part and characters(policy([*part, statement])) > LONGEST_POLICY:
            yield policy(part)
            part = []
        part.append(statement)
    yield policy(part)


def characters(document: Policy) -> int:
    """How long IAM finds a document: without its white space."""
    return len("".join(json.dumps(document).split()))


def statements_of(
    setup: Setup,
    *,
    known: Mapping[str, tuple[str, ...]] | None = None,
    actions_on: Callable[[Setup, str], set[str]] | None = None,
) -> list[Statement]:
    """One statement for the resources that need the same actions under the same condition.

    `known` are the resources with their ARNs, `actions_on` returns what is needed on each; both default to the operator's.
    """
    from wizard.core.required_permissions.resources import resources_of
    from wizard.core.required_permissions.table import condition_of, operator_actions

    known = resources_of(setup) if known is None else known
    needed_on = actions_on or operator_actions
    # Resources with the same actions share a statement.
    alike: dict[tuple[str, str], list[str]] = {}
    for thing in known:
        by_condition = sorted(
            (json.dumps(condition_of(setup, thing, action)), action) for action in needed_on(setup, thing)
        )
        for condition, members in groupby(by_condition, key=lambda pair: pair[0]):
            actions = json.dumps([action for _, action in members])
            alike.setdefault((actions, condition), []).append(thing)
    used: dict[str, int] = {}
    return [
        _statement(_sid(group, used), json.loads(actions), [arn for one in group for arn in known[one]], condition)
        for (actions, condition), group in alike.items()
    ]


def _statement(sid: str, actions: list[str], resources: list[str], condition: str) -> Statement:
    made: Statement = {
        "Sid": sid,
        "Effect": "Allow",
        "Action": actions if len(actions) > 1 else actions[0],
        "Resource": resources if len(resources) > 1 else resources[0],
    }
    narrowed = json.loads(condition)
    return {**made, "Condition": narrowed} if narrowed else made


def _sid(group: list[str], used: dict[str, int]) -> str:
    words = " and ".join(group).replace("-", " ").replace("'", "").replace(",", "").split()
    made = "".join(word[0].upper() + word[1:] for word in words)
    used[made] = used.get(made, 0) + 1
    return made if used[made] == 1 else f"{made}{used[made]}"
