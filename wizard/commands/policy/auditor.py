"""The least IAM policy of who only reads the stack: an auditor, or CI at night.

Pure: a setup in, documents out; asks AWS nothing. `wizard.core.required_permissions` has the measured permissions: what
status, verify, doctor, review, report and cost ask, and nothing that changes anything.

A key whose policy leaves nothing to IAM can be read by its administrators alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from wizard.commands.policy.operator import in_parts, statements_of
from wizard.core.required_permissions.resources import Setup, resources_of
from wizard.core.required_permissions.table import load, measured_actions
from wizard.targets.port import deploy_targets

if TYPE_CHECKING:
    from components.policies.documents import Policy

_NO_READERS = ("new keys",)
WHERE_IT_IS_SPOILT = (("parameters", "ssm:GetParameterHistory"),)
"""What no healthy stack is asked: the doctor looks for the former value where the escrow was written over. In Secrets
Manager the right that reads the value reads the former one too."""
_APPLICATION = ("application's role", "application's user", "existing application role", "existing application user")


def policies_of(setup: Setup) -> dict[str, Policy]:
    """The reader's policy by its name; several where one is longer than IAM takes."""
    return in_parts("EONPROAuditor", setup, statements_of(setup, known=things_read(setup), actions_on=_read))


def things_read(setup: Setup) -> dict[str, tuple[str, ...]]:
    """The ARNs of everything that a reader looks at, by the name of the thing."""
    settings = setup.settings
    iam = f"arn:{settings.partition}:iam::{settings.account_id}"
    found = {name: arns for name, arns in resources_of(setup).items() if name not in _NO_READERS}
    # A reader administers no key, so that the key policies leave it to IAM.
    found["keys"] = resources_of(replace(setup, operator=""))["keys"]
    # Of whom the simulator is asked: as whom the application runs, and nobody else.
    found["callers"] = tuple(arn for name in _APPLICATION for arn in found.get(name, ()))
    # The review tells the age of the access keys of every user that has a right on the key.
    return {**found, "users": (f"{iam}:user/*",), **_services(setup)}


def _services(setup: Setup) -> dict[str, tuple[str, ...]]:
    targets = deploy_targets(setup.settings.deploy_targets)
    return {name: arns for target in targets for name, arns in target.resources(setup.settings).items()}


def _read(setup: Setup, thing: str) -> set[str]:
    also = {action for name, action in (*refreshed(), *WHERE_IT_IS_SPOILT) if name == thing}
    return measured_actions(setup, "auditor", thing) | also


def refreshed() -> set[tuple[str, str]]:
    """What the real provider reads of a thing when the doctor has Pulumi compare: more than the stand-in, and no more
    than that; before an update it reads other things besides."""
    return {
        (thing, action)
        for thing, actions in load("provider reads").items()
        for action in actions
        if action != "iam:ListPolicyVersions"
    }


def remarks(setup: Setup) -> tuple[str, ...]:
    """What no policy of IAM can give, in words."""
    told = []
    if setup.settings.strict_key_policy:
        told.append(
            "the key's policy leaves nothing to IAM (strictKeyPolicy): only its administrators can read the key, so "
            "that for anybody else doctor, review and report tell what hangs on it as unknown"
        )
    if setup.settings.kept_as_found:
        tags = " and ".join(f"{name}={value}" for name, value in setup.settings.tags.items())
        told.append(f"keys are known to it by their tags, {tags}: one that was kept as it was found has to bear them")
    told.append(
        "not in it: where the state is in a bucket, s3:ListBucket on it and s3:GetObject on what it holds, and "
        "kms:Decrypt on the key that seals the stack's secrets"
    )
    return tuple(told)
