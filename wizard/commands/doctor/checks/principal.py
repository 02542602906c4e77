"""Whether the application may use its key: its principals, and what their policies say.

Pure: reads through the evidence. A key policy that names the application lets it in without IAM, but past no denial,
and past no limit of a role.
https://docs.aws.amazon.com/kms/latest/developerguide/policy-evaluation.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from components import policies
from components.policies.evaluation import KeyPolicyDecision, decide_by_key_policy
from components.policies.evaluation.account import IamPolicy, IamPrincipal
from components.policies.evaluation.statements import Request, evaluate_policies
from components.settings import ImportGroup
from wizard.commands.doctor import fixes
from wizard.commands.doctor.context import CheckContext
from wizard.commands.doctor.diagnosis import Check, Finding, NotChecked, Passed, Told
from wizard.core.errors import SetupError
from wizard.core.models.delivery import VercelProject
from wizard.core.models.diagnostics import Ruling, StatementEvaluation

ROLE = "aws:iam/role:Role::app-principal"
USER = "aws:iam/user:User::app-principal"
KEY = "aws:kms/key:Key::phi-key"
POLICY = "aws:iam/policy:Policy::app-access"
ATTACHMENTS = (
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment::app-access",
    "aws:iam/userPolicyAttachment:UserPolicyAttachment::app-access",
)

RESTART = "start the application anew: it remembers a load of its key that failed"

REFUSED = "KMS answers AccessDeniedException"


def the_principals(evidence: CheckContext) -> Iterator[Told]:
    """The application's users and roles: whether each is there, and what its own policies say."""
    for arn in evidence.principals:
        found = evidence.principal(arn)
        if isinstance(found, SetupError):
            yield NotChecked.of(f"the application's principal {arn}", found)
        elif found is None:
            yield _gone(evidence, arn)
        else:
            yield from _policies_of(evidence, found)


def _gone(evidence: CheckContext, arn: str) -> Finding:
    is_theirs = arn == evidence.settings.app_principal_arn
    # The key's policy names it by an id that is gone with it, so the policy is put again too.
    endings = (ROLE, USER, *ATTACHMENTS, KEY)
    return Finding(
        cause="principal-missing",
        what=f"the application's principal {arn} is gone",
        why="nobody can become it, so the application has no credentials; the key's policy names nobody in its place",
        command=fixes.aws(evidence, "iam", "list-roles", "--query", "Roles[].Arn")
        if is_theirs
        else fixes.by_the_stack(evidence, *endings),
        then="name another: pulumi config set appPrincipalArn ARN, then pulumi up" if is_theirs else RESTART,
    )


# --- what its policies say ----------------------------------------------------------------------------------------


def _policies_of(evidence: CheckContext, found: IamPrincipal) -> Iterator[Told]:
    key = evidence.key_arn
    if key is None or ImportGroup.APPLICATION_POLICY in evidence.settings.kept_as_found:
        return
    denying = [policy for policy in found.policies if _says("denies", policy, found, key)]
    for policy in denying:
        yield _denying(evidence, found, policy)
    lacking = [action for action in policies.APPLICATION_ACTIONS if not _allowed(found, action, key)]
    if not lacking:
        if not denying:
            yield Passed(what=f"the policies of {found.arn} allow it the use of the key")
        return
    unread = [policy.name for policy in found.policies if policy.document is None]
    if unread:
        yield NotChecked(what=f"the policies of {found.arn}", why=f"{', '.join(unread)} could not be read")
        return
    yield _lacking(evidence, found, lacking)


def asked(found: IamPrincipal, action: str, key: str) -> Request:
    return Request(action=action, resource=key, context={"aws:principalarn": (found.arn,)})


def _says(what: str, policy: IamPolicy, found: IamPrincipal, key: str) -> bool:
    hits = (
        getattr(evaluate_policies((policy,), asked(found, action, key)), what)
        for action in policies.APPLICATION_ACTIONS
    )
    return any(not hit.terms for hit in (one for each in hits for one in each))


def _allowed(found: IamPrincipal, action: str, key: str) -> bool:
    # Denials are told apart, each by its policy.
    return any(not hit.terms for hit in evaluate_policies(found.policies, asked(found, action, key)).allows)


def _denying(evidence: CheckContext, found: IamPrincipal, policy: IamPolicy) -> Finding:
    name, of = found.name, "role" if found.is_role else "user"
    own = evidence.outputs.app_policy_arn if evidence.outputs else None
    inline, _, holder = policy.name.partition(" of ")
    if policy.name == own:
        command = fixes.by_the_stack(evidence, POLICY)
    elif policy.name.startswith("arn:"):
        detach = ("iam", f"detach-{of}-policy", f"--{of}-name", name, "--policy-arn", policy.name)
        command = fixes.aws(evidence, *detach)
    elif holder.startswith("group/"):
        command = fixes.aws(
            evidence, "iam", "remove-user-from-group", "--user-name", name, "--group-name", holder.partition("/")[2]
        )
    else:
        command = fixes.aws(evidence, "iam", f"delete-{of}-policy", f"--{of}-name", name, "--policy-name", inline)
    return Finding(
        cause="explicit-deny",
        what=f"the policy {policy.name} denies {found.arn} the use of the key",
        why=f"{REFUSED}, “with an explicit deny in an identity-based policy”: a denial wins over every permission",
        command=command,
        then=RESTART,
    )


def _lacking(evidence: CheckContext, found: IamPrincipal, actions: list[str]) -> Finding:
    """Of the application's policy: gone, not attached, or another than the stack's."""
    names = evidence.settings.names
    arn = (
        evidence.outputs.app_policy_arn
        if evidence.outputs
        else f"arn:{evidence.settings.partition}:iam::{evidence.settings.account_id}:policy/{names.app_policy}"
    )
    versions = evidence.once(f"versions of {arn}", lambda: evidence.access_diagnostics.policy_versions(arn))
    by_key = _by_key_policy(evidence, found.arn)
    why = (
        "today the key's own policy still lets it in by name; nothing else does"
        if by_key is KeyPolicyDecision.NAMED
        else f"{REFUSED}, “because no identity-based policy allows” {', '.join(actions)}"
    )
    is_role = found.is_role
    if versions is None:
        return Finding(
            cause="policy-missing",
            what=f"the application's policy {arn} is gone",
            why=why,
            command=fixes.by_the_stack(evidence, POLICY, *ATTACHMENTS),
            then=RESTART,
        )
    if arn not in {policy.name for policy in found.policies}:
        of = "role" if is_role else "user"
        return Finding(
            cause="policy-detached",
            what=f"the application's policy {arn} is not attached to {found.arn}",
            why=why,
            command=fixes.aws(evidence, "iam", f"attach-{of}-policy", f"--{of}-name", found.name, "--policy-arn", arn),
            then=RESTART,
        )
    return Finding(
        cause="policy-edited",
        what=f"the application's policy {arn} does not allow {', '.join(actions)} on {evidence.key_arn}",
        why=why,
        command=_former_version(evidence, arn, found, versions) or fixes.by_the_stack(evidence, POLICY),
        then=RESTART,
    )


def _former_version(
    evidence: CheckContext, arn: str, found: IamPrincipal, versions: Mapping[str, Mapping[str, object]] | SetupError
) -> str | None:
    """The one call that makes a former version the default again, where one is what the stack means."""
    if isinstance(versions, SetupError) or evidence.outputs is None:
        return None
    wanted = policies.application_policy(key_arns=evidence.outputs.key_arns)
    name = next((name for name, document in versions.items() if document == wanted), None)
    if name is None:
        return None
    return fixes.aws(evidence, "iam", "set-default-policy-version", "--policy-arn", arn, "--version-id", name)


def _by_key_policy(evidence: CheckContext, arn: str) -> KeyPolicyDecision:
    policy = evidence.key_policy
    if isinstance(policy, SetupError):
        return KeyPolicyDecision.NONE
    return decide_by_key_policy(policy, arn, "kms:Decrypt")


def the_limits_of_the_principals(evidence: CheckContext) -> Iterator[Told]:
    """The boundary and the organization, as IAM's simulator has them; the boundary by its document where it has not."""
    for arn in evidence.principals:
        found = evidence.principal(arn)
        if isinstance(found, IamPrincipal):
            yield from _limits_of(evidence, found)


def _limits_of(evidence: CheckContext, found: IamPrincipal) -> Iterator[Told]:
    weighed = evidence.weighed(found.arn)
    if isinstance(weighed, SetupError):
        if evidence.key_arn is not None:
            yield NotChecked.of(f"what IAM's simulator says of {found.arn}", weighed)
        weighed = ()
    if any(each.by_organization is False for each in weighed):
        yield _organization(evidence, found, weighed)
    if found.boundary is not None and not _passes(evidence, found, found.boundary, weighed):
        yield _boundary(evidence, found, found.boundary)
    refused = [each for each in weighed if each.ruling is not Ruling.ALLOWED and not each.depends_on]
    if weighed and not refused:
        yield Passed(what=f"IAM's simulator lets {found.arn} use the key")
    elif refused:
        # Told only where no cause above was found: the table has it follow from each of them.
        yield Finding(
            cause="identity-denied",
            what=f"the policies of {found.arn} do not allow it {', '.join(each.action for each in refused)}",
            why=f"IAM's policy simulator says {', '.join(sorted({each.ruling for each in refused}))}",
            command=fixes.by_the_stack(evidence, POLICY, *ATTACHMENTS),
            then=RESTART,
        )


def _passes(
    evidence: CheckContext, found: IamPrincipal, boundary: IamPolicy, weighed: tuple[StatementEvaluation, ...]
) -> bool:
    told = [each.by_boundary for each in weighed if each.by_boundary is not None]
    if told:
        return all(told)
    key = evidence.key_arn
    if boundary.document is None or key is None:
        return True
    says = [evaluate_policies((boundary,), asked(found, action, key)) for action in policies.APPLICATION_ACTIONS]
    return all(each.is_allowed for each in says)


def _organization(evidence: CheckContext, found: IamPrincipal, weighed: tuple[StatementEvaluation, ...]) -> Finding:
    actions = ", ".join(each.action for each in weighed if each.by_organization is False)
    account = evidence.settings.account_id
    return Finding(
        cause="service-control-policy",
        what=f"a service control policy of the organization does not let the account {account} do {actions}",
        why=f"{REFUSED} to everybody, whatever IAM and the key allow; only the organization's administrators can "
        "change it, and this account may not see it",
        command=f"aws organizations list-policies-for-target --target-id {account} --filter SERVICE_CONTROL_POLICY",
        then="that command is for the organization's management account, whose administrators detach or amend the "
        f"policy; then {RESTART}",
    )


def _boundary(evidence: CheckContext, found: IamPrincipal, boundary: IamPolicy) -> Finding:
    of = "role" if found.is_role else "user"
    wanted = evidence.settings.permissions_boundary_arn
    if wanted == boundary.name:
        command = fixes.aws(evidence, "iam", "list-policy-versions", "--policy-arn", boundary.name)
        then = "it is the boundary of the settings: have whoever keeps it allow the use of the key"
    elif wanted:
        put = ("iam", f"put-{of}-permissions-boundary", f"--{of}-name", found.name, "--permissions-boundary", wanted)
        command, then = fixes.aws(evidence, *put), RESTART
    else:
        command = fixes.aws(evidence, "iam", f"delete-{of}-permissions-boundary", f"--{of}-name", found.name)
        then = RESTART
    return Finding(
        cause="boundary-denies",
        what=f"the permissions boundary {boundary.name} of {found.arn} does not allow the use of the key",
        why=f"{REFUSED}, “because no permissions boundary allows” it"
        + ("" if wanted else "; the settings give it no boundary"),
        command=command,
        then=then,
    )


def the_access_key_on_vercel(evidence: CheckContext) -> Iterator[Told]:
    """Whether the user still has the access key that production signs with."""
    settings, vercel, project = evidence.settings, evidence.found.vercel, evidence.found.project
    if not settings.makes_user or vercel is None or not isinstance(project, VercelProject):
        return
    user = settings.names.app_user
    keys = evidence.once("access keys", lambda: evidence.aws.iam.list_access_keys(user))
    pushed = evidence.once("access key on Vercel", lambda: vercel.access_key_id(project))
    for what, told in ((f"the access keys of {user}", keys), ("the access key on Vercel", pushed)):
        if isinstance(told, SetupError):
            yield NotChecked.of(what, told)
    if isinstance(keys, SetupError) or isinstance(pushed, SetupError):
        return
    mine = next((key for key in keys if key.id == pushed), None)
    if pushed is None:
        yield Finding(
            cause="access-key-missing",
            what=f"production on Vercel has no access key of {user}",
            why="the application has no credentials: it says that it could not load them from any provider",
            command=fixes.push(evidence),
        )
    elif mine is None:
        yield Finding(
            cause="access-key-gone",
            what=f"production on Vercel has the access key {pushed}, and {user} has none of that id",
            why="AWS answers UnrecognizedClientException or InvalidClientTokenId: it was deleted, or is another user's",
            command=fixes.wizard(evidence, "access-key rotate"),
            then="redeploy: `python -m wizard push --redeploy --yes`",
        )
    elif not mine.active:
        given = ("--user-name", user, "--access-key-id", mine.id, "--status", "Active")
        yield Finding(
            cause="access-key-inactive",
            what=f"the access key {mine.id} of {user}, which production on Vercel has, is switched off",
            why="AWS answers UnrecognizedClientException or InvalidClientTokenId to whoever signs with it",
            command=fixes.aws(evidence, "iam", "update-access-key", *given),
            then="start the application anew: it remembers a load of its key that failed",
        )
    else:
        yield Passed(what=f"the access key {mine.id}, which production on Vercel has, is {user}'s and switched on")


ACCESS_CHECKS: tuple[Check, ...] = (
    the_principals,
    the_limits_of_the_principals,
    the_access_key_on_vercel,
)
