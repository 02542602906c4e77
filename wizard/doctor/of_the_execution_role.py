"""Whether ECS may read the variables for a task that starts.

Pure: reads through the evidence.
"""

from __future__ import annotations

from collections.abc import Iterator

from components import policies
from components.contract import SecretStore, Target
from wizard.access_review.statements import Asked, weigh
from wizard.doctor import remedies
from wizard.doctor.evidence import Evidence
from wizard.doctor.finding import Finding, Told, Unlooked, Well
from wizard.errors import SetupError


def the_execution_role(evidence: Evidence) -> Iterator[Told]:
    """Whether the role that ECS reads the variables with may read them."""
    settings, names = evidence.settings, evidence.settings.names
    if Target.ECS not in settings.deploy_targets:
        return
    iam = f"arn:{settings.partition}:iam::{settings.account_id}"
    arn = settings.ecs_execution_role_arn or f"{iam}:role/{names.execution_role}"
    found = evidence.principal(arn)
    if isinstance(found, SetupError):
        yield Unlooked.of(f"the execution role {arn}", found)
        return
    is_secret = settings.secret_store is SecretStore.SECRETS_MANAGER
    logical = "delivery-secrets" if is_secret else "delivery-parameters"
    endings = (
        "aws:iam/role:Role::delivery-execution",
        "aws:iam/rolePolicy:RolePolicy::delivery-execution",
        f"aws:iam/policy:Policy::{logical}",
        f"aws:iam/rolePolicyAttachment:RolePolicyAttachment::{logical}",
    )
    why = "ECS starts no task whose secrets it cannot read: ResourceInitializationError, AccessDeniedException"
    if found is None:
        yield Finding(
            cause="execution-role-denied",
            what=f"the execution role {arn} is gone",
            why=why,
            command=remedies.by_the_stack(evidence, *endings),
        )
        return
    policy = f"{iam}:policy/{names.secret_policy if is_secret else names.parameter_policy}"
    action = "secretsmanager:GetSecretValue" if is_secret else "ssm:GetParameters"
    make = policies.secret_arn if is_secret else policies.parameter_arn
    resource = make(
        account_id=settings.account_id, region=settings.region, name=names.escrow, partition=settings.partition
    ) + ("-AbCdEf" if is_secret else "")
    says = weigh(found.policies, Asked(action=action, resource=resource, known={"aws:principalarn": (arn,)}))
    if says.is_allowed:
        yield Well(what=f"the execution role {arn} may read the variables")
    elif says.unread:
        yield Unlooked(what=f"the policies of {arn}", why=f"{', '.join(says.unread)} could not be read")
    else:
        is_detached = policy not in {each.name for each in found.policies}
        there = evidence.once(f"versions of {policy}", lambda: evidence.symptoms.policy_versions(policy))
        attach = ("iam", "attach-role-policy", "--role-name", found.name, "--policy-arn", policy)
        yield Finding(
            cause="execution-role-denied",
            what=f"the execution role {arn} may not read {names.escrow}",
            why=why,
            command=remedies.aws(evidence, *attach)
            if is_detached and not says.denies and there is not None
            else remedies.by_the_stack(evidence, *endings),
        )
