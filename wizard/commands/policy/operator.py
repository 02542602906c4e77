"""The least IAM policy for whoever runs the set-up: what was measured of it, and what the AWS provider reads besides.

Pure: answers in, documents out; asks AWS nothing. `wizard.commands.policy.operator_actions` is the measurement.

What is done with the keys themselves is left to their own policies wherever the operator is to be one of their
administrators, as it is unless others are named. Otherwise it is granted on keys that bear this stack's tags; whoever
may tag keys can then reach any key whose own policy leaves that to IAM.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Any

from wizard.core.errors import MissingAnswers
from wizard.core.models.account import Identity
from wizard.core.models.inputs import CALLER, CREATE
from wizard.inputs import answers
from wizard.inputs.registry import by_key

if TYPE_CHECKING:
    from components.policies import Policy, Statement
    from components.settings import Settings
    from wizard.commands.policy.iam_resources import Setup

LONGEST_POLICY = 6144
"""Characters of a managed policy, white space not counted.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
"""

_NO_MATTER = {"vercel_project": "any", "ecs_cluster": "any", "eks_cluster": "any"}
"""What no policy of the operator's speaks of, so that nobody needs to say it for this."""

_COMMAND = "python -m wizard policy operator"


def for_values(
    values: Mapping[str, Any],
    environ: Mapping[str, str],
    *,
    file: Mapping[str, Any] | None = None,
    file_name: str = "",
    saved: Settings | None = None,
    saved_name: str = "",
    adopt: bool = False,
    written: Callable[[Setup], Mapping[str, Policy]] | None = None,
    command: str = _COMMAND,
) -> dict[str, Any]:
    """The policy for the set-up of these answers; several by their names, where one is longer than IAM takes.

    `values` are flags by the key of their input, unparsed. `written` makes another policy of the same answers than the
    operator's, for another `command`. Raises UsageError for answers that do not fit together, MissingAnswers without
    the account's id, the Region or the target.
    """
    documents = (written or policies_of)(
        _setup(values, environ, file or {}, file_name, saved, saved_name, adopt, command)
    )
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
    from wizard.commands.policy.iam_resources import Setup

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
        settings = answers.to_settings(given, identity=identity, kept_targets=saved.deploy_targets if saved else ())
    except ContractError as error:
        raise answers.refused(error) from error
    return Setup(settings=settings, operator=operator, adopts=adopt or bool(saved and saved.adopted))


_EXAMPLES = {"account": "111122223333", "region": "us-east-1", "target": "vercel"}


def _as_usual(given: Mapping[str, Any]) -> dict[str, Any]:
    """What the set-up makes unless it is told otherwise, and what does not matter here."""
    usual: dict[str, Any] = {
        each.key: CREATE for each in by_key.values() if CREATE in each.words and not each.optional and not each.secret
    }
    return {**usual, "environment": "production", **_NO_MATTER}


# --- the documents ------------------------------------------------------------------------------------------------


def policies_of(setup: Setup) -> dict[str, Policy]:
    """The policy by its name; several where one is longer than IAM takes."""
    return in_parts("EONPROOperator", setup, statements_of(setup))


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
    wanting: Callable[[Setup, str], set[str]] | None = None,
) -> list[Statement]:
    """One statement for the things that need the same actions under the same condition.

    `known` are the things, the operator's unless given; `wanting` tells what is needed on each.
    """
    from wizard.commands.policy.iam_resources import things

    known = things(setup) if known is None else known
    needs = wanting or needed
    # Things by what is asked on them: those that need the same share a statement.
    alike: dict[tuple[str, str], list[str]] = {}
    for thing in known:
        wanted = sorted(needs(setup, thing))
        by_condition = sorted((json.dumps(condition_of(setup, thing, action)), action) for action in wanted)
        for condition, members in groupby(by_condition, key=lambda pair: pair[0]):
            actions = json.dumps([action for _, action in members])
            alike.setdefault((actions, condition), []).append(thing)
    used: dict[str, int] = {}
    return [
        _statement(_sid(group, used), json.loads(actions), [arn for one in group for arn in known[one]], condition)
        for (actions, condition), group in alike.items()
    ]


def needed(setup: Setup, thing: str) -> set[str]:
    """The actions that this set-up needs on a thing: measured, or read by the provider."""
    from wizard.commands.policy.iam_resources import FEATURES
    from wizard.commands.policy.operator_actions import MEASURED, PROVIDER_READS

    measured = {
        action
        for one, action, features in MEASURED
        if one == thing and (not features or any(FEATURES[feature](setup) for feature in features))
    }
    return measured | {action for one, action, _ in PROVIDER_READS if one == thing}


def condition_of(setup: Setup, thing: str, action: str) -> dict[str, Any]:
    """What narrows an action beyond its resource; empty where nothing does.

    https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
    """
    settings = setup.settings
    if action == "iam:PassRole":
        service = {"log role": "cloudtrail", "forwarding role": "events"}[thing]
        return {"StringEquals": {"iam:PassedToService": f"{service}.amazonaws.com"}}
    if action == "iam:CreateServiceLinkedRole":
        return {"StringEquals": {"iam:AWSServiceName": "mrk.kms.amazonaws.com"}}
    if action in ("iam:AttachRolePolicy", "iam:AttachUserPolicy"):
        return {"ArnEquals": {"iam:PolicyARN": _policy_arns(setup)}}
    if action in ("iam:CreateRole", "iam:CreateUser") and settings.permissions_boundary_arn:
        return {"StringEquals": {"iam:PermissionsBoundary": settings.permissions_boundary_arn}}
    if action == "kms:CreateKey":
        regions = {"aws:RequestedRegion": list(settings.regions)} if len(settings.regions) > 1 else {}
        return {
            "StringEquals": {**_tags(settings, "RequestTag"), **(regions or {"aws:RequestedRegion": settings.region})}
        }
    if thing == "new keys":
        return {"StringEquals": _tags(settings, "RequestTag")}
    if thing == "keys":
        return {"StringEquals": _tags(settings, "ResourceTag")}
    if action == "sns:Subscribe":
        return {"StringEquals": {"sns:Protocol": "email", "sns:Endpoint": list(settings.alert_emails)}}
    return {}


def _tags(settings: Settings, key: str) -> dict[str, str]:
    return {f"aws:{key}/{name}": value for name, value in settings.tags.items()}


def _policy_arns(setup: Setup) -> list[str]:
    from wizard.commands.policy.iam_resources import things

    known = things(setup)
    return [
        arn for thing in ("application's policy", "policy that reads the variables") for arn in known.get(thing, ())
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
