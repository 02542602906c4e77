"""Whether the application may use its key: its principal, what limits it, its policies and the key's own.

Pure: reads through the evidence. A key policy that names the application lets it in without IAM, but past no denial,
and past no limit of a role.
https://docs.aws.amazon.com/kms/latest/developerguide/policy-evaluation.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from components import policies
from components.contract import Part, SecretStore, Target
from components.stack_policies import key_policy_of
from wizard.access_review.statements import Asked, weigh
from wizard.doctor import remedies
from wizard.doctor.evidence import Evidence
from wizard.doctor.finding import Finding, Told, Unlooked, Well
from wizard.errors import SetupError
from wizard.facts import KeyFact
from wizard.facts_iam import IamPolicy, IamPrincipal
from wizard.facts_symptoms import Ruling, Weighed

ROLE = "aws:iam/role:Role::app-principal"
USER = "aws:iam/user:User::app-principal"
KEY = "aws:kms/key:Key::phi-key"
POLICY = "aws:iam/policy:Policy::app-access"
ATTACHMENTS = (
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment::app-access",
    "aws:iam/userPolicyAttachment:UserPolicyAttachment::app-access",
)

RESTART = "start the application anew: it remembers a load of its key that failed"

_REFUSED = "KMS answers AccessDeniedException"


def the_principals(evidence: Evidence) -> Iterator[Told]:
    """The application's users and roles: whether each is there, and what its own policies and its limits say."""
    for arn in evidence.principals:
        found = evidence.principal(arn)
        if isinstance(found, SetupError):
            yield Unlooked.of(f"the application's principal {arn}", found)
        elif found is None:
            yield _gone(evidence, arn)
        else:
            yield from _policies_of(evidence, found)
            yield from _limits_of(evidence, found)


def _gone(evidence: Evidence, arn: str) -> Finding:
    is_theirs = arn == evidence.settings.app_principal_arn
    # The key's policy names it by an id that is gone with it, so the policy is put again too.
    endings = (ROLE, USER, *ATTACHMENTS, KEY)
    return Finding(
        cause="principal-missing",
        what=f"the application's principal {arn} is gone",
        why="nobody can become it, so the application has no credentials; the key's policy names nobody in its place",
        command=remedies.aws(evidence, "iam", "list-roles", "--query", "Roles[].Arn")
        if is_theirs
        else remedies.by_the_stack(evidence, *endings),
        then="name another: pulumi config set appPrincipalArn ARN, then pulumi up" if is_theirs else RESTART,
    )


# --- what its policies say ----------------------------------------------------------------------------------------


def _policies_of(evidence: Evidence, found: IamPrincipal) -> Iterator[Told]:
    key = evidence.key_arn
    if key is None or Part.APPLICATION_POLICY in evidence.settings.kept_as_found:
        return
    denying = [policy for policy in found.policies if _says("denies", policy, found, key)]
    for policy in denying:
        yield _denying(evidence, found, policy)
    lacking = [action for action in policies.APPLICATION_ACTIONS if not _allowed(found, action, key)]
    if not lacking:
        if not denying:
            yield Well(what=f"the policies of {found.arn} allow it the use of the key")
        return
    unread = [policy.name for policy in found.policies if policy.document is None]
    if unread:
        yield Unlooked(what=f"the policies of {found.arn}", why=f"{', '.join(unread)} could not be read")
        return
    yield _lacking(evidence, found, lacking)


def _asked(found: IamPrincipal, action: str, key: str) -> Asked:
    return Asked(action=action, resource=key, known={"aws:principalarn": (found.arn,)})


def _says(what: str, policy: IamPolicy, found: IamPrincipal, key: str) -> bool:
    hits = (getattr(weigh((policy,), _asked(found, action, key)), what) for action in policies.APPLICATION_ACTIONS)
    return any(not hit.terms for hit in (one for each in hits for one in each))


def _allowed(found: IamPrincipal, action: str, key: str) -> bool:
    # Denials are told apart, each by its policy.
    return any(not hit.terms for hit in weigh(found.policies, _asked(found, action, key)).allows)


def _denying(evidence: Evidence, found: IamPrincipal, policy: IamPolicy) -> Finding:
    name, of = found.name, "role" if found.is_role else "user"
    own = evidence.outputs.app_policy_arn if evidence.outputs else None
    inline, _, holder = policy.name.partition(" of ")
    if policy.name == own:
        command = remedies.by_the_stack(evidence, POLICY)
    elif policy.name.startswith("arn:"):
        detach = ("iam", f"detach-{of}-policy", f"--{of}-name", name, "--policy-arn", policy.name)
        command = remedies.aws(evidence, *detach)
    elif holder.startswith("group/"):
        command = remedies.aws(
            evidence, "iam", "remove-user-from-group", "--user-name", name, "--group-name", holder.partition("/")[2]
        )
    else:
        command = remedies.aws(evidence, "iam", f"delete-{of}-policy", f"--{of}-name", name, "--policy-name", inline)
    return Finding(
        cause="explicit-deny",
        what=f"the policy {policy.name} denies {found.arn} the use of the key",
        why=f"{_REFUSED}, “with an explicit deny in an identity-based policy”: a denial wins over every permission",
        command=command,
        then=RESTART,
    )


def _lacking(evidence: Evidence, found: IamPrincipal, actions: list[str]) -> Finding:
    """Of the application's policy: gone, not attached, or another than the stack's."""
    names = evidence.settings.names
    arn = (
        evidence.outputs.app_policy_arn
        if evidence.outputs
        else f"arn:{evidence.settings.partition}:iam::{evidence.settings.account_id}:policy/{names.app_policy}"
    )
    versions = evidence.once(f"versions of {arn}", lambda: evidence.symptoms.policy_versions(arn))
    by_key = _by_key_policy(evidence, found.arn)
    why = (
        "today the key's own policy still lets it in by name; nothing else does"
        if by_key is policies.Grant.NAMED
        else f"{_REFUSED}, “because no identity-based policy allows” {', '.join(actions)}"
    )
    is_role = found.is_role
    if versions is None:
        return Finding(
            cause="policy-missing",
            what=f"the application's policy {arn} is gone",
            why=why,
            command=remedies.by_the_stack(evidence, POLICY, *ATTACHMENTS),
            then=RESTART,
        )
    if arn not in {policy.name for policy in found.policies}:
        of = "role" if is_role else "user"
        return Finding(
            cause="policy-detached",
            what=f"the application's policy {arn} is not attached to {found.arn}",
            why=why,
            command=remedies.aws(
                evidence, "iam", f"attach-{of}-policy", f"--{of}-name", found.name, "--policy-arn", arn
            ),
            then=RESTART,
        )
    return Finding(
        cause="policy-edited",
        what=f"the application's policy {arn} does not allow {', '.join(actions)} on {evidence.key_arn}",
        why=why,
        command=_former_version(evidence, arn, found, versions) or remedies.by_the_stack(evidence, POLICY),
        then=RESTART,
    )


def _former_version(
    evidence: Evidence, arn: str, found: IamPrincipal, versions: Mapping[str, Mapping[str, object]] | SetupError
) -> str | None:
    """The one call that makes a former version the default again, where one is what the stack means."""
    if isinstance(versions, SetupError) or evidence.outputs is None:
        return None
    wanted = policies.application_policy(key_arns=evidence.outputs.key_arns)
    name = next((name for name, document in versions.items() if document == wanted), None)
    if name is None:
        return None
    return remedies.aws(evidence, "iam", "set-default-policy-version", "--policy-arn", arn, "--version-id", name)


# --- what limits it -----------------------------------------------------------------------------------------------


def _limits_of(evidence: Evidence, found: IamPrincipal) -> Iterator[Told]:
    """The boundary and the organization, as IAM's simulator has them; the boundary by its document where it has not."""
    weighed = evidence.weighed(found.arn)
    if isinstance(weighed, SetupError):
        if evidence.key_arn is not None:
            yield Unlooked.of(f"what IAM's simulator says of {found.arn}", weighed)
        weighed = ()
    if any(each.by_organization is False for each in weighed):
        yield _organization(evidence, found, weighed)
    if found.boundary is not None and not _passes(evidence, found, found.boundary, weighed):
        yield _boundary(evidence, found, found.boundary)
    refused = [each for each in weighed if each.ruling is not Ruling.ALLOWED and not each.depends_on]
    if weighed and not refused:
        yield Well(what=f"IAM's simulator lets {found.arn} use the key")
    elif refused:
        # Told only where no cause above was found: the table has it follow from each of them.
        yield Finding(
            cause="identity-denied",
            what=f"the policies of {found.arn} do not allow it {', '.join(each.action for each in refused)}",
            why=f"IAM's policy simulator says {', '.join(sorted({each.ruling for each in refused}))}",
            command=remedies.by_the_stack(evidence, POLICY, *ATTACHMENTS),
            then=RESTART,
        )


def _passes(evidence: Evidence, found: IamPrincipal, boundary: IamPolicy, weighed: tuple[Weighed, ...]) -> bool:
    told = [each.by_boundary for each in weighed if each.by_boundary is not None]
    if told:
        return all(told)
    key = evidence.key_arn
    if boundary.document is None or key is None:
        return True
    says = [weigh((boundary,), _asked(found, action, key)) for action in policies.APPLICATION_ACTIONS]
    return all(each.is_allowed for each in says)


def _organization(evidence: Evidence, found: IamPrincipal, weighed: tuple[Weighed, ...]) -> Finding:
    actions = ", ".join(each.action for each in weighed if each.by_organization is False)
    account = evidence.settings.account_id
    return Finding(
        cause="service-control-policy",
        what=f"a service control policy of the organization does not let the account {account} do {actions}",
        why=f"{_REFUSED} to everybody, whatever IAM and the key allow; only the organization's administrators can "
        "change it, and this account may not see it",
        command=f"aws organizations list-policies-for-target --target-id {account} --filter SERVICE_CONTROL_POLICY",
        then="that command is for the organization's management account, whose administrators detach or amend the "
        f"policy; then {RESTART}",
    )


def _boundary(evidence: Evidence, found: IamPrincipal, boundary: IamPolicy) -> Finding:
    of = "role" if found.is_role else "user"
    wanted = evidence.settings.permissions_boundary_arn
    if wanted == boundary.name:
        command = remedies.aws(evidence, "iam", "list-policy-versions", "--policy-arn", boundary.name)
        then = "it is the boundary of the settings: have whoever keeps it allow the use of the key"
    elif wanted:
        put = ("iam", f"put-{of}-permissions-boundary", f"--{of}-name", found.name, "--permissions-boundary", wanted)
        command, then = remedies.aws(evidence, *put), RESTART
    else:
        command = remedies.aws(evidence, "iam", f"delete-{of}-permissions-boundary", f"--{of}-name", found.name)
        then = RESTART
    return Finding(
        cause="boundary-denies",
        what=f"the permissions boundary {boundary.name} of {found.arn} does not allow the use of the key",
        why=f"{_REFUSED}, “because no permissions boundary allows” it"
        + ("" if wanted else "; the settings give it no boundary"),
        command=command,
        then=then,
    )


# --- the key's own policy -----------------------------------------------------------------------------------------

_WEIGHT = {
    policies.Grant.DENIED: 0,
    policies.Grant.NONE: 1,
    policies.Grant.THROUGH_ROOT: 2,
    policies.Grant.NAMED: 3,
}


def the_key_policy_and_the_application(evidence: Evidence) -> Iterator[Told]:
    """Whether the key's policy gives the application what the settings mean it to have."""
    if not isinstance(evidence.key, KeyFact):
        return
    policy = evidence.key_policy
    if isinstance(policy, SetupError):
        return  # Told by the check of the key's policy.
    wanted: Mapping[str, Any] = key_policy_of(evidence.settings, evidence.principals)
    for arn in evidence.principals:
        yield _granted(evidence, arn, policy, wanted)


def _granted(evidence: Evidence, arn: str, policy: Mapping[str, Any], wanted: Mapping[str, Any]) -> Told:
    actions = policies.APPLICATION_ACTIONS
    found = {action: policies.grants(policy, arn, action) for action in actions}
    denied = [action for action, grant in found.items() if grant is policies.Grant.DENIED]
    if denied:
        return Finding(
            cause="key-policy-denies",
            what=f"the key's policy denies {arn} {', '.join(denied)}",
            why=f"{_REFUSED}, “with an explicit deny in a resource-based policy”, whatever IAM allows",
            command=remedies.by_the_stack(evidence, KEY),
            then=RESTART,
        )
    less = [action for action in actions if _WEIGHT[found[action]] < _WEIGHT[policies.grants(wanted, arn, action)]]
    # Left as it was found on purpose: then it is enough that IAM has the say.
    is_kept = Part.KEY in evidence.settings.kept_as_found
    if not less or (is_kept and all(grant is policies.Grant.THROUGH_ROOT for grant in found.values())):
        return Well(what=f"the key's policy lets {arn} use the key")
    through_iam = all(found[action] is policies.Grant.THROUGH_ROOT for action in less)
    return Finding(
        cause="key-policy-without-application",
        what=f"the key's policy no longer lets {arn} do {', '.join(less)}",
        why="now only IAM's policies let it in; one change there, and KMS answers AccessDeniedException"
        if through_iam
        else f"{_REFUSED}, “because no resource-based policy allows” it, whatever IAM allows",
        command=remedies.by_the_stack(evidence, KEY),
        then=RESTART,
    )


def _by_key_policy(evidence: Evidence, arn: str) -> policies.Grant:
    policy = evidence.key_policy
    if isinstance(policy, SetupError):
        return policies.Grant.NONE
    return policies.grants(policy, arn, "kms:Decrypt")


# --- who reads the variables for a task ---------------------------------------------------------------------------


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
