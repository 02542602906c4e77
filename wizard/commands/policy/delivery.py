"""The least IAM policy of who delivers the data key again and starts the application anew: CI, after a change.

Pure: a set-up in, documents out. It reads the escrow and cannot write it, so that whoever has it can deliver no other
data key than the escrowed one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from components.policies import parameter_arn, secret_arn
from components.settings import APPLICATION_VARIABLES, DATA_KEY_VARIABLE, SecretStore, Settings
from wizard.commands.policy.iam_resources import Setup
from wizard.commands.policy.operator import in_parts
from wizard.targets.port import deploy_targets

if TYPE_CHECKING:
    from components.policies.documents import Policy, Statement


def policies_of(setup: Setup) -> Mapping[str, Policy]:
    """The policy by its name."""
    return in_parts("EONPRODelivery", setup, _statements(setup.settings))


def _statements(settings: Settings) -> Iterator[Statement]:
    in_secrets = settings.secret_store is SecretStore.SECRETS_MANAGER
    yield _allow("TellTheAccount", ["iam:ListAccountAliases"], ["*"])
    read = (
        ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"]
        if in_secrets
        else ["ssm:GetParameters", "ssm:ListTagsForResource"]
    )
    yield _allow("ReadTheVariables", read, _variables(settings, APPLICATION_VARIABLES))
    if settings.uses_store:
        write = (
            ["secretsmanager:CreateSecret", "secretsmanager:PutSecretValue", "secretsmanager:TagResource"]
            if in_secrets
            else ["ssm:AddTagsToResource", "ssm:PutParameter"]
        )
        beside = [name for name in APPLICATION_VARIABLES if name != DATA_KEY_VARIABLE]
        # In its own Region the data key is the escrow itself; elsewhere it is a copy, to be delivered like the others.
        copies = [
            arn
            for region in settings.replica_regions
            for arn in _variables(settings, (DATA_KEY_VARIABLE,), regions=(region,))
        ]
        yield _allow("WriteTheVariables", write, [*_variables(settings, beside), *copies])
    for target in deploy_targets(settings.deploy_targets):
        yield from target.redeploy_statements(settings)


def _variables(
    settings: Settings, names: tuple[str, ...] | list[str], *, regions: tuple[str, ...] | None = None
) -> list[str]:
    in_secrets = settings.secret_store is SecretStore.SECRETS_MANAGER
    arn = secret_arn if in_secrets else parameter_arn
    found = [
        arn(
            account_id=settings.account_id,
            region=region,
            name=f"{settings.names.parameter_prefix}/{name}",
            partition=settings.partition,
        )
        for region in (settings.regions if regions is None else regions)
        for name in names
    ]
    # A secret's ARN ends in six characters of chance.
    return [f"{one}-??????" for one in found] if in_secrets else found


def _allow(sid: str, actions: list[str], resources: list[str]) -> Statement:
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Action": actions if len(actions) > 1 else actions[0],
        "Resource": resources if len(resources) > 1 else resources[0],
    }
