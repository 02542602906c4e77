"""The refusal of key policies that their caller could never change again.

Touches the Pulumi engine only: it registers hooks, which ask AWS for the caller.
"""

from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_aws as aws

from components.policies.evaluation import KeyPolicyDecision
from components.policies.evaluation.principals import role_of_session
from components.policies.stack import decide_by_key_policy_of, key_policy_of, other_keys_of
from components.settings import PROJECT, Settings


def no_lockout(name: str, settings: Settings) -> pulumi.ResourceOptions:
    """Options of each key: no policy of any of the stack's keys is written, nor previewed, that locks its caller out.

    `name` is the key's. KMS refuses such a policy as well, but in the middle of an update, when the other resources
    exist already, and other keys have their new policies:
    https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html#prevent-unmanageable-key
    """

    def check(args: pulumi.ResourceHookArgs) -> None:
        if (args.old_inputs or {}).get("policy") == (args.new_inputs or {}).get("policy"):
            return
        caller = aws.get_caller_identity().arn
        arns = _principals(caller, settings)
        if not all(_can_change(policy, arns, settings) for policy in _policies(settings)):
            add = f"--path '{PROJECT}:administrators[{len(settings.administrators)}]' {arns[0]}"
            raise pulumi.RunError(
                f"The key policy would lock {caller} out of the key: only its administrators can change it later. "
                f"Add yourself:\n  pulumi config set --stack {pulumi.get_stack()} {add}"
            )

    hook = pulumi.ResourceHook(f"{name}-lockout", check, pulumi.ResourceHookOptions(on_dry_run=True))
    return pulumi.ResourceOptions(hooks=pulumi.ResourceHookBinding(before_create=[hook], before_update=[hook]))


def _policies(settings: Settings) -> list[Mapping[str, Any]]:
    return [key_policy_of(settings), *(other.policy for other in other_keys_of(settings))]


def _can_change(policy: Mapping[str, Any], arns: list[str], settings: Settings) -> bool:
    decisions = {decide_by_key_policy_of(settings, policy, arn, "kms:PutKeyPolicy") for arn in arns}
    return not decisions.isdisjoint({KeyPolicyDecision.NAMED, KeyPolicyDecision.THROUGH_IAM})


def _principals(caller: str, settings: Settings) -> list[str]:
    """The ARNs that the IAM user or role of a caller may have: a session's ARN lacks the path of its role."""
    session = role_of_session(caller)
    if session is None:
        return [caller]
    account, name = session
    named = [arn for arn in settings.administrators if arn.startswith(account) and arn.endswith(f"/{name}")]
    sso = "aws-reserved/sso.amazonaws.com"
    return [*named, f"{account}/{name}", f"{account}/{sso}/{name}", f"{account}/{sso}/{settings.region}/{name}"]
