"""Whether whom the key's policy names is there, and whether it would lock out who makes the key.

Pure: asks the cloud through its Protocol, reads only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components import policies
from components.policies.evaluation import KeyPolicyDecision, decide_by_key_policy
from components.policies.stack import key_policy_of
from components.settings import Settings
from wizard.core.errors import Problem
from wizard.core.models.account import Identity, Principal
from wizard.core.ports.run import AwsClient
from wizard.inputs.answers import sso_pattern
from wizard.inputs.registry import by_key
from wizard.setup.preflight.services import attempt, problem

ROLES = {
    "deletion_administrators": "deletion administrator",
    "administrators": "administrator",
    "app_principal": "application principal",
    "ecs_execution_role": "execution role",
}
"""What a principal would be, by the input that names it; the last word counts."""


def principals(settings: Settings, identity: Identity, aws: AwsClient) -> list[Problem]:
    """Those that the settings name and that are not there. Whom the credentials belong to is there."""
    named = {
        "deletion_administrators": settings.deletion_administrators,
        "administrators": settings.administrators,
        "app_principal": (settings.app_principal_arn,),
        "ecs_execution_role": (settings.ecs_execution_role_arn,),
    }
    wanted = {arn: key for key in ROLES for arn in named[key] if arn}
    return _absent({arn: key for arn, key in wanted.items() if _other(arn, key, identity)}, aws)


def named(values: Mapping[str, Any], faults: str, identity: Identity, aws: AwsClient) -> list[Problem]:
    """Those that answers name which make no settings, less whom the faults are about."""
    mine = f":iam::{identity.account_id}:"
    wanted = {}
    for key in ROLES:
        given = values.get(key) or ()
        for arn in (given,) if isinstance(given, str) else given:
            if mine in arn and arn not in faults and _other(arn, key, identity):
                wanted[arn] = key
    return _absent(wanted, aws)


def _other(arn: str, key: str, identity: Identity) -> bool:
    return arn != identity.principal_arn or key not in ("administrators", "deletion_administrators")


def _absent(wanted: Mapping[str, str], aws: AwsClient) -> list[Problem]:
    problems = []
    for arn, key in wanted.items():
        role = ROLES[key]
        principal, error = attempt(aws.iam.find_principal, arn)
        if error is not None:
            problems.append(problem(error, f"the {role} {arn} could not be looked up"))
        elif principal is None:
            kind = Principal(arn=arn).kind
            problems.append(
                Problem(
                    what=f"the {role} {arn} does not exist",
                    why="KMS refuses a key policy that names a principal that is not there"
                    if key != "ecs_execution_role"
                    else "nothing can be attached to it",
                    next=f"aws iam get-{kind} --{kind}-name {Principal(arn=arn).name}   "
                    f"then the right ARN: {by_key[key].flag}",
                )
            )
    return problems


def lockout(settings: Settings, identity: Identity, aws: AwsClient) -> list[Problem]:
    """Would the key's policy let the caller change the key's policy afterwards? KMS refuses it otherwise, too late.

    https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html#prevent-unmanageable-key
    """
    action = "kms:PutKeyPolicy"
    caller = identity.principal_arn
    grant = decide_by_key_policy(future_key_policy(settings), caller, action)
    if grant is KeyPolicyDecision.NAMED or (caller.endswith(":root") and not settings.strict_key_policy):
        return []
    if settings.strict_key_policy:
        return [
            Problem(
                what=f"the strict key policy would lock {caller} out of the key it makes",
                why="it has no delegation to IAM, so only who is named in it may ever change it: two at least, you one",
                next=f"add yourself: --administrators {','.join(dict.fromkeys((*settings.administrators, caller)))}"
                "   or leave the delegation in: --strict-key-policy no",
            )
        ]
    named = (*settings.administrators, *settings.administrator_patterns)
    why = f"the new key policy names {', '.join(named)}, not you"
    if grant is KeyPolicyDecision.THROUGH_IAM:
        key = f"arn:{settings.partition}:kms:{settings.region}:{settings.account_id}:key/*"
        simulation, error = attempt(aws.permissions.simulate, caller, (action,), key)
        if simulation is not None and simulation.allowed:
            return []
        detail = simulation.detail if simulation else error.message if error else ""
        if sso_pattern(caller):
            # A role by pattern is the administrator only where its permission set allows it too.
            return [
                Problem(
                    what=f"the key policy would lock {caller} out of the key it makes",
                    why="roles of IAM Identity Center manage the key through IAM, which is not seen to let you "
                    f"({detail})",
                    next=f"have the permission set allow {action} on {key}   "
                    "or name yourself and another, without IAM: --strict-key-policy yes",
                )
            ]
        why += f", and IAM is not seen to let you manage it either ({detail})"
    return [
        Problem(
            what=f"the key policy would lock {caller} out of the key it makes",
            why=why,
            next=f"add yourself: --administrators {','.join((*settings.administrators, caller))}",
        )
    ]


def future_key_policy(settings: Settings) -> policies.Policy:
    """The key policy that an update with these settings puts on the key."""
    return key_policy_of(settings)
