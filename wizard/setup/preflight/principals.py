"""The checks of the policies: principals exist, the caller is not locked out, IAM Access Analyzer finds no fault.

Reads AWS through its port.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from components.policies.evaluation import KeyPolicyDecision
from components.policies.stack import PolicyKind, StackPolicy, decide_by_key_policy_of, key_policy_of, policies_of
from components.settings import Settings
from components.settings.arn import Arn
from wizard.core.errors import PolicyRefusal, Problem
from wizard.core.models.access import PolicyFindingKind, PolicyJudgement
from wizard.core.models.account import Identity, Principal
from wizard.core.models.inputs import CALLER, Mark
from wizard.core.next_command import shell
from wizard.inputs.answers import sso_pattern
from wizard.inputs.registry import by_key
from wizard.setup.preflight.services import attempt, problem
from wizard.targets.port import all_targets

if TYPE_CHECKING:
    from wizard.aws.client import AwsClient

ROLES = {
    "incident_responders": "incident responder",
    "deletion_administrators": "deletion administrator",
    "administrators": "administrator",
    "app_principal": "application principal",
    **{entry.key: entry.principal for target in all_targets() for entry in target.inputs if entry.principal},
}
"""The role of a principal, by the input that names it; the last one counts."""


def principals(settings: Settings, identity: Identity, aws: AwsClient) -> list[Problem]:
    """The principals of the settings that do not exist; the caller itself is not checked."""
    named = {key: getattr(settings, by_key[key].field or key) or () for key in ROLES}
    inputs = {arn: key for key, arns in named.items() for arn in ((arns,) if isinstance(arns, str) else arns)}
    return _missing({arn: key for arn, key in inputs.items() if _needs_check(arn, key, identity)}, aws)


def named(values: Mapping[str, Any], faults: str, identity: Identity, aws: AwsClient) -> list[Problem]:
    """The principals of answers that make no valid settings; without those that the faults name."""
    own_account = f":iam::{identity.account_id}:"
    inputs = {}
    for key in ROLES:
        value = values.get(key) or ()
        for arn in (value,) if isinstance(value, str) else value:
            if own_account in arn and arn not in faults and _needs_check(arn, key, identity):
                inputs[arn] = key
    return _missing(inputs, aws)


def _needs_check(arn: str, key: str, identity: Identity) -> bool:
    return arn != identity.principal_arn or CALLER not in by_key[key].words


def _missing(inputs: Mapping[str, str], aws: AwsClient) -> list[Problem]:
    problems = []
    for arn, key in inputs.items():
        role = ROLES[key]
        principal, error = attempt(aws.iam.find_principal, arn)
        if error is not None:
            problems.append(problem(error, f"the {role} {arn} could not be checked"))
        elif principal is None:
            kind = Principal(arn=arn).kind
            problems.append(
                Problem(
                    what=f"the {role} {arn} does not exist",
                    why="KMS refuses a key policy that names a missing principal"
                    if not by_key[key].principal
                    else "nothing can be attached to it",
                    next=shell(
                        *("aws", "iam", f"get-{kind}", f"--{kind}-name", Principal(arn=arn).name),
                        advice=f"then the right ARN: {by_key[key].flag}",
                    ),
                )
            )
    return problems


def lockout(settings: Settings, identity: Identity, aws: AwsClient) -> list[Problem]:
    """Whether the key policy allows the caller to change it later; otherwise KMS refuses it, half-way.

    https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html#prevent-unmanageable-key
    """
    action = "kms:PutKeyPolicy"
    caller = identity.principal_arn
    grant = decide_by_key_policy_of(settings, key_policy_of(settings), caller, action)
    if grant is KeyPolicyDecision.NAMED or (caller.endswith(":root") and not settings.strict_key_policy):
        return []
    if settings.strict_key_policy:
        return [
            Problem(
                what=f"the strict key policy would lock {caller} out of the key it creates",
                why="it has no delegation to IAM, so only its administrators can change it: at least two, one is you",
                next=f"add yourself: --administrators {','.join(dict.fromkeys((*settings.administrators, caller)))}"
                "   or allow the delegation: --strict-key-policy no",
            )
        ]
    named = (*settings.administrators, *settings.administrator_patterns)
    why = f"the new key policy names {', '.join(named)}, not you"
    if grant is KeyPolicyDecision.THROUGH_IAM:
        key = settings.arn("kms", "key/*")
        simulation, error = attempt(partial(aws.permissions.simulate, tags=settings.tags), caller, (action,), key)
        if simulation is not None and simulation.allowed:
            return []
        detail = simulation.detail if simulation else error.message if error else ""
        if sso_pattern(caller):
            # A role by pattern administers the key only if its permission set allows it, too.
            return [
                Problem(
                    what=f"the key policy would lock {caller} out of the key it creates",
                    why="roles of IAM Identity Center manage the key through IAM, which is not known to allow it "
                    f"({detail})",
                    next=f"allow {action} on {key} in the permission set   "
                    "or name yourself and another administrator, without IAM: --strict-key-policy yes",
                )
            ]
        why += f", and IAM is not known to allow it ({detail})"
    return [
        Problem(
            what=f"the key policy would lock {caller} out of the key it creates",
            why=why,
            next=f"add yourself: --administrators {','.join((*settings.administrators, caller))}",
        )
    ]


_NO_KEY_YET = "00000000-0000-0000-0000-000000000000"


def judge(
    settings: Settings, saved: Settings | None, key_arn: str | None, aws: AwsClient
) -> tuple[PolicyJudgement, tuple[Problem, ...], tuple[tuple[str, Mark], ...]]:
    """What IAM Access Analyzer says about every policy of the plan, why it is refused, and the lines to show.

    `saved`: the settings of the stack as it is, if any.

    Only a PHI key that everybody may use is a problem: of others AWS may call public what an AWS service needs.
    """

    def policies(of: Settings) -> tuple[StackPolicy, ...]:
        key = Arn.parse(key_arn).name if key_arn else _NO_KEY_YET
        arns = [of.arn("kms", f"key/{key}", region=region) for region in of.regions]
        return tuple(policies_of(of, key_arns=arns))

    planned = policies(settings)
    judgement = aws.policy_analyzer.judge(planned, policies(saved) if saved else ())
    lines = [
        (f"IAM Access Analyzer, {_SAYS[each.kind]} of {each.policy}: {each.text}", Mark.WARN)
        for each in judgement.findings
    ]
    if judgement.not_asked:
        lines.append((f"IAM Access Analyzer was not asked about every policy: {judgement.not_asked}", Mark.INFO))
    problems = [
        Problem(
            what=f"IAM Access Analyzer: the policy of {each.policy} is public: {each.text}",
            why="whoever is let in can decrypt the records of the patients; nothing was changed",
            next="name the administrators and the application, each by its ARN: --administrators, --app-principal",
            exit_code=PolicyRefusal.exit_code,
        )
        for each in judgement.findings
        if each.kind is PolicyFindingKind.PUBLIC
        and each.policy == planned[0].name
        and planned[0].kind is PolicyKind.KEY
    ]
    return judgement, tuple(problems), tuple(lines)


_SAYS = {
    PolicyFindingKind.ERROR: "an error in the policy",
    PolicyFindingKind.SECURITY_WARNING: "a warning about the policy",
    PolicyFindingKind.PUBLIC: "public access by the policy",
    PolicyFindingKind.NEW: "new access by the policy",
}
