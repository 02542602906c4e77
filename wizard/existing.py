"""What the account has already under the names the stack would take: somebody else's, or a crashed run's own.

Pure: facts in, problems and ids out; asks the cloud only which keys carry the stack's tags.
"""

from __future__ import annotations

from collections.abc import Mapping

from components.contract import Settings, Target
from wizard.errors import Problem
from wizard.facts import Existing, StackState
from wizard.protocols import Cloud


def taken(settings: Settings, existing: Existing, state: StackState, left_behind: Mapping[str, str]) -> list[Problem]:
    """Names the stack would take that something else has already. Nothing of it is touched."""
    problems = []
    names = settings.names
    ours = {*state.owned, *left_behind.values()}
    another = "or set up another environment beside it: --environment NAME --stack NAME"
    target = existing.alias_target
    if target is not None and names.alias not in ours:
        about = ", ".join(
            filter(
                None,
                (target.state, target.description, *(f"{k}={v}" for k, v in sorted(target.tags.items()))),
            )
        )
        problems.append(
            Problem(
                what=f"{names.alias} already points to the key {target.arn} ({about})",
                why="that key is not in this stack; it was not touched, and neither was its alias",
                next=f"whose is it: aws kms describe-key --key-id {names.alias} --region {settings.region}   {another}",
            )
        )
    for what, arn in (
        ("role", None if settings.app_principal_arn else existing.role_arn),
        (
            "role",
            None
            if settings.ecs_execution_role_arn or Target.ECS not in settings.deploy_targets
            else existing.execution_role_arn,
        ),
        ("policy", existing.app_policy_arn),
        ("policy", existing.parameter_policy_arn if Target.ECS in settings.deploy_targets else None),
        ("trail", existing.trail.arn if existing.trail and not settings.existing_trail_arn else None),
    ):
        # The engine knows a role by its name, everything else here by its ARN.
        if arn and arn not in ours and not (what == "role" and arn.rsplit("/", 1)[-1] in left_behind.values()):
            problems.append(
                Problem(
                    what=f"the {what} {arn} exists already and is not in this stack",
                    why="the stack would make one of that name; it was not touched",
                    next=f"remove or rename it if nobody needs it, {another}"
                    + (f"   or use that trail: --trail {arn} --trail-bucket NAME" if what == "trail" else ""),
                )
            )
    if existing.bucket and not settings.existing_trail_arn and names.trail_bucket not in ours:
        owner = "another account" if existing.bucket == "foreign" else "this account, outside this stack"
        problems.append(
            Problem(
                what=f"the bucket {names.trail_bucket} exists already ({owner})",
                why="bucket names are global, and the audit trail needs one of its own",
                next="name another: --trail-bucket NAME",
            )
        )
    return problems


def with_existing_provider(settings: Settings, existing: Existing, state: StackState) -> Settings:
    """An account takes one OIDC provider per URL: one that is there, and not this stack's, is used, not made again."""
    arn = existing.oidc_provider_arn
    if (
        arn
        and arn not in state.owned
        and Target.VERCEL in settings.deploy_targets
        and not settings.vercel_oidc_provider_arn
    ):
        return settings.model_copy(update={"vercel_oidc_provider_arn": arn})
    return settings


def crashed(settings: Settings, existing: Existing, state: StackState, cloud: Cloud) -> dict[str, str]:
    """URN → id of the creations that a crashed run began, that happened, and that its state does not know by id.

    Only what has one home by name, and the key, known by the stack's own tags, is looked for: making any of the rest a
    second time changes nothing (they are settings of the bucket, attachments, inline policies).
    """
    by_type = {
        "aws:kms/alias:Alias": settings.names.alias if existing.alias_target else None,
        "aws:iam/openIdConnectProvider:OpenIdConnectProvider": existing.oidc_provider_arn,
        "aws:s3/bucket:Bucket": settings.names.trail_bucket if existing.bucket == "ours" else None,
        "aws:cloudtrail/trail:Trail": existing.trail.arn if existing.trail else None,
    }
    by_name = {
        settings.names.app_role: existing.role_arn,
        settings.names.execution_role: existing.execution_role_arn,
        settings.names.app_policy: existing.app_policy_arn,
        settings.names.parameter_policy: existing.parameter_policy_arn,
    }
    found = {}
    for step in state.pending:
        id_ = None
        if step.op != "creating":
            continue
        if step.type == "aws:kms/key:Key":
            keys = [
                key for key in cloud.find_keys(settings.tags) if key.arn not in state.owned and key.state == "Enabled"
            ]
            # Two such keys: which of them is ours cannot be told, so neither is taken.
            id_ = keys[0].arn.rsplit("/", 1)[-1] if len(keys) == 1 else None
        elif step.type in ("aws:iam/role:Role", "aws:iam/policy:Policy"):
            arn = by_name.get(step.physical_name)
            id_ = arn if arn is None or step.type.endswith("Policy") else step.physical_name
        else:
            id_ = by_type.get(step.type)
        if id_:
            found[step.urn] = id_
    return found
