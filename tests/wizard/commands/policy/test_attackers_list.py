"""The attacker's list: what the holder of a printed policy cannot come to, and the few things that it can by design."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

from components import policies
from components.policies import ci, stack
from components.policies.boundary import application_statement, boundary_arn_of
from components.policies.evaluation.statements import Request, match_statement
from components.policies.named_resources import ROLE, USER, named_resources
from components.policies.statements import statements_of
from components.settings import Settings
from tests.linters.configurations import configurations
from tests.onboarding.deployment import CALLER
from tests.wizard.commands.policy import attacker, attacks
from tests.wizard.commands.policy.attacker import Answer, Holder
from tests.wizard.commands.policy.attacks import BECOME, DESTROY, END, READ, RULE
from wizard.commands.policy import command, operator
from wizard.core.required_permissions.resources import Setup

ACCOUNT = "123456789012"
OPERATOR = f"arn:aws:iam::{ACCOUNT}:user/operator"
OFFICER = f"arn:aws:iam::{ACCOUNT}:user/officer"
READER = f"arn:aws:iam::{ACCOUNT}:role/{ci.roles_of('eonpro')[0]}"
APPLIER = f"arn:aws:iam::{ACCOUNT}:role/{ci.roles_of('eonpro')[1]}"


@dataclass(frozen=True, kw_only=True)
class Limit:
    """What cannot be kept from some holders, by design. docs/threat-model.md has the reason under the same name."""

    name: str
    of: Callable[[Holding], bool]
    permits: Mapping[str, tuple[str, ...]]
    """By the goal: the attacks."""


@dataclass(frozen=True, kw_only=True)
class Holding:
    """A printed policy, whose it is, and the account it is used in."""

    name: str
    settings: Settings
    who: str
    documents: tuple[Any, ...]
    is_deployed: bool = True
    kind: str = "operator"
    removes: bool = False
    imports: bool = False

    @property
    def administers(self) -> bool:
        return self.who in self.settings.administrators


REMAKES = (
    "ecr:BatchGetImage",
    "logs:PutLogEvents",
)
"""What the role that starts ECS tasks needs, and a role made under its name can have."""

LIMITS: tuple[Limit, ...] = (
    Limit(
        name="what is set up can be set up differently",
        of=lambda held: held.kind == "operator" and held.is_deployed,
        permits={
            END: (
                "s3:PutBucketPolicy",
                "s3:PutLifecycleConfiguration",
                "s3:PutBucketVersioning",
                "s3:PutBucketObjectLockConfiguration",
                "s3:PutBucketPublicAccessBlock",
                "s3:PutEncryptionConfiguration",
                "logs:PutRetentionPolicy",
                "events:PutRule",
                "events:PutTargets",
                "events:PutEvents",
                "sns:SetTopicAttributes",
                "cloudwatch:PutMetricAlarm",
            )
        },
    ),
    Limit(
        name="the first set-up writes the trusts",
        of=lambda held: held.kind == "operator" and not held.is_deployed,
        permits={RULE: REMAKES},
    ),
    Limit(
        name="an administrator of the keys administers them",
        of=lambda held: held.kind == "operator" and held.administers,
        permits={
            READ: (
                "kms:PutKeyPolicy of key",
                "kms:PutKeyPolicy of logs' key",
                *(f"{action} with logs' key {how}" for action in attacks.READING for how in attacks.LOGS),
                "kms:CreateGrant of key",
                "kms:CreateGrant of logs' key",
            ),
            END: (
                *(
                    f"kms:{action} of {key}"
                    for action in ("DisableKey", "ScheduleKeyDeletion")
                    for key in ("key", "logs' key")
                ),
                "kms:PutKeyPolicy of logs' key",
            ),
        },
    ),
    Limit(
        name="who removes the stack can make it again",
        of=lambda held: held.removes,
        permits={
            BECOME: ("act as it",),
            RULE: REMAKES,
            END: (
                "logs:DeleteLogGroup",
                "logs:PutLogEvents",
                "events:DeleteRule",
                "events:RemoveTargets",
                "sns:DeleteTopic",
                "sns:Unsubscribe",
                "cloudwatch:DeleteAlarms",
            ),
        },
    ),
    Limit(
        name="the access key of the application's user is made by the wizard",
        of=lambda held: held.kind == "operator" and held.settings.makes_user,
        permits={BECOME: ("act as it",)},
    ),
    Limit(
        name="an import and another target change what exists",
        of=lambda held: held.imports or (held.kind == "operator" and len(held.settings.deploy_targets) > 1),
        permits={BECOME: ("act as it",), END: ("cloudtrail:UpdateTrail",)},
    ),
    Limit(
        name="a promotion replaces the stored key",
        of=lambda held: held.kind == "promotion",
        permits={
            DESTROY: ("ssm:PutParameter of the stored key", "secretsmanager:PutSecretValue of the stored key"),
        },
    ),
    Limit(
        name="who deploys the application runs as it",
        of=lambda held: held.kind in ("delivery", "promotion"),
        permits={BECOME: ("act as it",), RULE: REMAKES},
    ),
)


@cache
def every_settings() -> dict[str, Settings]:
    """The examples, and what no example has."""
    examples = configurations()
    changes: dict[str, tuple[str, dict[str, Any]]] = {
        "several targets": ("vercel", {"deploy_targets": ("vercel", "ecs"), "cloudwatch_logs": True}),
        "roles of others": (
            "ecs",
            {
                "app_principal_arn": f"arn:aws:iam::{ACCOUNT}:role/their-task",
                "ecs_execution_role_arn": f"arn:aws:iam::{ACCOUNT}:role/their-execution",
            },
        ),
        "an ECS service": ("ecs", {"ecs_cluster": "clinic", "ecs_service": "portal"}),
        "e-mails": ("vercel", {"alert_emails": ("security@clinic.example",)}),
        "a hash key": ("ecs-secrets-manager", {"hash_key": True}),
        "a boundary": ("ecs", {"permissions_boundary_arn": f"arn:aws:iam::{ACCOUNT}:policy/Boundary"}),
        "a boundary, roles of others": (
            "ecs",
            {
                "permissions_boundary_arn": f"arn:aws:iam::{ACCOUNT}:policy/Boundary",
                "app_principal_arn": f"arn:aws:iam::{ACCOUNT}:role/their-task",
                "ecs_execution_role_arn": f"arn:aws:iam::{ACCOUNT}:role/their-execution",
            },
        ),
    }
    return examples | {
        name: Settings.read({**examples[example].model_dump(), **change}) for name, (example, change) in changes.items()
    }


def holdings() -> Iterator[Holding]:
    """Every policy that `policy` prints, for each settings, in an account with the stack and in an empty one."""
    for name, settings in every_settings().items():
        others = settings.model_copy(update={"administrators": (OFFICER,)})
        applier = ((APPLIER, others),) if name == "vercel" else ()
        for who, of in ((CALLER, settings), (OPERATOR, others), *applier):
            for removes in (False, True):
                for imports in {False, bool(of.adopted)} | ({True} if name == "vercel" else set()):
                    setup = Setup(settings=of, operator=who, imports=imports)
                    documents = tuple(operator.policies_of(setup, with_removal=removes).values())
                    for is_deployed in (True, False):
                        yield Holding(
                            name=f"{name}, {'an administrator' if who == CALLER else who.rpartition('/')[2]}"
                            f"{', with removal' * removes}{', importing' * imports}{', before' * (not is_deployed)}",
                            settings=of,
                            who=who,
                            documents=documents,
                            is_deployed=is_deployed,
                            removes=removes,
                            imports=imports,
                        )
        setup = Setup(settings=others, operator=OPERATOR)
        documents = (*operator.policies_of(setup).values(), more_for(others))
        yield Holding(name=f"{name}, operator with more", settings=others, who=OPERATOR, documents=documents)
        setup = Setup(settings=others, operator=READER)
        for kind, printed in PRINTED.items():
            documents = tuple(printed(setup).values())
            yield Holding(name=f"{name}, {kind}", settings=others, who=READER, documents=documents, kind=kind)
        documents = (*command.promotion_policies(setup).values(), policies.policy(more_on_copies(others)))
        yield Holding(
            name=f"{name}, promotion with more", settings=others, who=READER, documents=documents, kind="promotion"
        )


PRINTED: Mapping[str, Callable[[Setup], Mapping[str, Any]]] = {
    "auditor": command.auditor_policies,
    "delivery": command.delivery_policies,
    "promotion": command.promotion_policies,
}
"""Every policy besides the operator's. `boundary` and `organization` give nothing, `ci` prints trusts, and who has
`documents` opens the documents (`test_documents.py`).
"""


def more_for(settings: Settings) -> Any:
    """What another policy may allow by mistake: to change boundaries, to use the key, to end what is kept of it."""
    made = [row.arn for row in named_resources(settings) if row.is_made and row.type in (ROLE, USER)]
    return policies.policy(
        [
            {"Effect": "Allow", "Action": "iam:*PolicyVersion", "Resource": boundary_arn_of(settings)},
            {"Effect": "Allow", "Action": "iam:*PermissionsBoundary", "Resource": made},
            {**application_statement(settings), "Action": "kms:Decrypt"},
            *more_on_copies(settings),
        ]
    )


def more_on_copies(settings: Settings) -> list[Any]:
    """The end of everything that is kept of the wrapped keys, but for another value of the stored ones."""
    stored, versions = stack.stored_key_arns_of(settings), stack.version_arns_of(settings)
    store = "secretsmanager" if ":secretsmanager:" in stored[0] else "ssm"
    return [
        {"Effect": "Allow", "Action": f"{store}:Delete*", "Resource": stored},
        {"Effect": "Allow", "Action": f"{store}:*", "Resource": versions},
    ]


HOLDINGS = {holding.name: holding for holding in holdings()}


def answers_of(held: Holding) -> tuple[Answer, ...]:
    """All that the attacker reaches."""
    account = attacker.deployed_account if held.is_deployed else attacker.empty_account
    return account(held.settings, Holder(arn=held.who, inline=held.documents)).attack(held.who)


def permitted(held: Holding) -> set[tuple[str, str]]:
    return {
        (goal, attack)
        for limit in LIMITS
        if limit.of(held)
        for goal, names in limit.permits.items()
        for attack in names
    }


AT_ONCE = ("vercel", "vercel-user", "ecs")
"""The settings whose holdings are attacked in every run of the tests."""


@pytest.mark.parametrize(
    "name",
    [
        name if name.partition(",")[0] in AT_ONCE else pytest.param(name, marks=pytest.mark.thorough)
        for name in HOLDINGS
    ],
)
def test_the_answer_to_every_attack_is_no(name: str) -> None:
    held = HOLDINGS[name]
    allowed = permitted(held)
    assert [str(each) for each in answers_of(held) if (each.goal, each.attack) not in allowed] == []


@pytest.mark.parametrize("with_pull_requests", [False, True])
@pytest.mark.parametrize(
    "subject", ["pull_request", "ref:refs/heads/feature", "environment:staging", "ref:refs/pull/7/merge"]
)
def test_code_that_nobody_has_read_takes_no_role(subject: str, with_pull_requests: bool) -> None:
    trusts = command.for_repository("clinic/eonpro", account_id=ACCOUNT, with_pull_requests=with_pull_requests)
    context = {
        f"{ci.GITHUB_ISSUER}:aud": (ci.GITHUB_AUDIENCE,),
        f"{ci.GITHUB_ISSUER}:sub": (f"repo:clinic/eonpro:{subject}",),
    }
    request = Request(action="sts:AssumeRoleWithWebIdentity", resource="*", context=context)
    for role, trust in trusts.items():
        assert [match_statement(each, request, source=role) for each in statements_of(trust)] == [None]
