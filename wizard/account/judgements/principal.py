"""The checks of the application's principals: their policies and their access key.

Reads through the facts. A key policy that names the application allows it without IAM, but a denial or a limit of
the role still applies.
https://docs.aws.amazon.com/kms/latest/developerguide/policy-evaluation.html
"""

from collections.abc import Iterator, Mapping

from components import policies
from components.policies.evaluation import KeyPolicyDecision
from components.policies.evaluation.account import IamPolicy, IamPrincipal
from components.policies.evaluation.statements import Request, evaluate_policies
from components.policies.stack import decide_by_key_policy_of
from components.settings import ImportGroup
from wizard.account import fixes
from wizard.account.comparison.policies import (
    OwnPrincipal,
    is_foreign,
    own_principals,
    own_readers,
    surplus_policies,
    uses_documents_alone,
)
from wizard.account.facts import StackFacts
from wizard.account.notices import Judgement, Notice, judgement
from wizard.core.errors import SetupError
from wizard.core.models.vercel import VercelProject
from wizard.core.next_command import Command, Text, chain, eonpro, shell

ROLE = "aws:iam/role:Role::app-principal"
USER = "aws:iam/user:User::app-principal"
KEY = "aws:kms/key:Key::phi-key"
POLICY = "aws:iam/policy:Policy::app-access"
ATTACHMENTS = (
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment::app-access",
    "aws:iam/userPolicyAttachment:UserPolicyAttachment::app-access",
)

RESTART = Text(
    "restart the application, which caches a failed load of its key: ", eonpro("push", "--redeploy", "--yes")
)

REFUSED = "KMS returns AccessDeniedException"


@judgement("application-policy")
def check_principals(facts: StackFacts) -> Iterator[Notice]:
    """Whether each user and role of the application exists, and whether its policies allow the key."""
    for arn in facts.principals:
        principal = facts.principal(arn)
        if isinstance(principal, SetupError):
            yield Notice.unread(f"the application's principal {arn}", principal)
        elif principal is None:
            yield _missing(facts, arn)
        else:
            yield from _policies_of(facts, principal)


def _missing(facts: StackFacts, arn: str) -> Notice:
    is_theirs = arn == facts.settings.app_principal_arn
    # The key's policy contains the id of the deleted principal, so the policy has to be written again, too.
    endings = (ROLE, USER, *ATTACHMENTS, KEY)
    return Notice.wrong(
        "principal-missing",
        what=f"the application's principal {arn} does not exist",
        why="the application has no credentials, and the key's policy allows no other principal",
        command=fixes.aws(facts, "iam", "list-roles", "--query", "Roles[].Arn")
        if is_theirs
        else fixes.pulumi_up(facts, *endings, is_missing=True),
        advice=Text(
            "choose another: ",
            shell("pulumi", "config", "set", "appPrincipalArn", "ARN"),
            ", then ",
            shell("pulumi", "up"),
        )
        if is_theirs
        else RESTART,
    )


# --- its policies


def _policies_of(facts: StackFacts, principal: IamPrincipal) -> Iterator[Notice]:
    key = facts.key_arn
    if key is None or ImportGroup.APPLICATION_POLICY in facts.settings.kept_as_found:
        return
    denying = [policy for policy in principal.policies if _says("denies", policy, principal, key)]
    for policy in denying:
        yield _denying(facts, principal, policy)
    by_key = {
        arn: [action for action in policies.APPLICATION_ACTIONS if not _allowed(principal, action, arn)]
        for arn in facts.key_arns
    }
    # The key comes first, then its replicas.
    key, lacking = next(((arn, actions) for arn, actions in by_key.items() if actions), (key, []))
    if not lacking:
        if not denying:
            yield Notice.good(f"the policies of {principal.arn} allow the use of the key")
        return
    unread = [policy.name for policy in principal.policies if policy.document is None]
    if unread:
        yield Notice.unknown(f"the policies of {principal.arn}", why=f"{', '.join(unread)} could not be read")
        return
    yield _lacking(facts, principal, lacking, key)


@judgement("application-policy", opens="account")
def check_surplus(facts: StackFacts) -> Iterator[Notice]:
    """Whether a policy gives the stack's own role or user more than the use of the key."""
    if ImportGroup.APPLICATION_POLICY in facts.settings.kept_as_found:
        return
    readers = {own.arn for own in own_readers(facts.settings)}  # Judged by check_reader_surplus.
    for own in own_principals(facts.settings, facts.outputs) if facts.outputs else ():
        if own.arn in readers:
            continue
        principal = facts.principal(own.arn)
        if isinstance(principal, SetupError):
            yield Notice.unread(f"the application's principal {own.arn}", principal)
        elif principal is not None:
            yield from surplus_of(facts, principal, own)


def surplus_of(facts: StackFacts, principal: IamPrincipal, own: OwnPrincipal, *endings: str) -> Iterator[Notice]:
    """The policies that give a principal of the stack more than the settings; `endings` of what updates its own."""
    arn = facts.settings.arn
    for policy in surplus_policies(principal, own):
        if policy.document is None:
            yield Notice.unknown(f"the policies of {principal.arn}", why=f"{policy.name} could not be read")
            continue
        foreign = is_foreign(policy, own)
        if foreign and uses_documents_alone(policy, [arn("s3", name) for name in facts.settings.document_buckets]):
            yield Notice.good(f"the policy {policy.name} of {principal.arn} is about the documents in S3 alone")
            continue
        yield Notice.wrong(
            "policy-foreign" if foreign else "policy-widened",
            what=f"{principal.arn} also has the policy {policy.name}, which the settings do not give it"
            if foreign
            else f"the policy {policy.name} allows {principal.arn} more than the settings give it",
            why="an attacker who is this principal has these permissions, too",
            command=_removal(facts, principal, policy) if foreign else fixes.pulumi_up(facts, *endings),
        )


def request_of(principal: IamPrincipal, action: str, key: str) -> Request:
    return Request(action=action, resource=key, context={"aws:principalarn": (principal.arn,)})


def _says(effect: str, policy: IamPolicy, principal: IamPrincipal, key: str) -> bool:
    evaluations = (
        getattr(evaluate_policies((policy,), request_of(principal, action, key)), effect)
        for action in policies.APPLICATION_ACTIONS
    )
    return any(not match.terms for matches in evaluations for match in matches)


def _allowed(principal: IamPrincipal, action: str, key: str) -> bool:
    # Denials are reported separately, one for each policy.
    return any(
        not match.terms for match in evaluate_policies(principal.policies, request_of(principal, action, key)).allows
    )


def _denying(facts: StackFacts, principal: IamPrincipal, policy: IamPolicy) -> Notice:
    own = facts.outputs.app_policy_arn if facts.outputs else None
    command = fixes.pulumi_up(facts, POLICY) if policy.name == own else _removal(facts, principal, policy)
    return Notice.wrong(
        "explicit-deny",
        what=f"the policy {policy.name} denies {principal.arn} the use of the key",
        why=f"{REFUSED}, “with an explicit deny in an identity-based policy”: a denial overrides every permission",
        command=command,
        advice=RESTART,
    )


def _removal(facts: StackFacts, principal: IamPrincipal, policy: IamPolicy) -> Command:
    """The command that takes a policy from a role or a user."""
    name, of = principal.name, "role" if principal.is_role else "user"
    inline, _, holder = policy.name.partition(" of ")
    if policy.name.startswith("arn:"):
        return fixes.aws(facts, "iam", f"detach-{of}-policy", f"--{of}-name", name, "--policy-arn", policy.name)
    if holder.startswith("group/"):
        group = holder.partition("/")[2]
        return fixes.aws(facts, "iam", "remove-user-from-group", "--user-name", name, "--group-name", group)
    return fixes.aws(facts, "iam", f"delete-{of}-policy", f"--{of}-name", name, "--policy-name", inline)


def _lacking(facts: StackFacts, principal: IamPrincipal, actions: list[str], key: str) -> Notice:
    """The finding about the application's policy: it does not exist, is not attached, or was edited."""
    names = facts.settings.names
    arn = facts.outputs.app_policy_arn if facts.outputs else facts.settings.arn("iam", f"policy/{names.app_policy}")
    versions = facts.once(f"versions of {arn}", lambda: facts.access_diagnostics.policy_versions(arn))
    by_key = _key_policy_decision(facts, principal.arn)
    why = (
        "now only the key's own policy allows it, by its ARN"
        if by_key is KeyPolicyDecision.NAMED
        else f"{REFUSED}, “because no identity-based policy allows” {', '.join(actions)}"
    )
    is_role = principal.is_role
    if versions is None:
        return Notice.wrong(
            "policy-missing",
            what=f"the application's policy {arn} does not exist",
            why=why,
            command=fixes.pulumi_up(facts, POLICY, *ATTACHMENTS, is_missing=True),
            advice=RESTART,
        )
    if arn not in {policy.name for policy in principal.policies}:
        of = "role" if is_role else "user"
        return Notice.wrong(
            "policy-detached",
            what=f"the application's policy {arn} is not attached to {principal.arn}",
            why=why,
            command=fixes.aws(facts, "iam", f"attach-{of}-policy", f"--{of}-name", principal.name, "--policy-arn", arn),
            advice=RESTART,
        )
    return Notice.wrong(
        "policy-edited",
        what=f"the application's policy {arn} does not allow {', '.join(actions)} on {key}",
        why=why,
        command=_former_version(facts, arn, principal, versions) or fixes.pulumi_up(facts, POLICY),
        advice=RESTART,
    )


def _former_version(
    facts: StackFacts, arn: str, principal: IamPrincipal, versions: Mapping[str, Mapping[str, object]] | SetupError
) -> Command | None:
    """The command that makes the stack's policy version the default again; None if there is no such version."""
    if isinstance(versions, SetupError) or facts.outputs is None:
        return None
    expected = policies.application_policy(key_arns=facts.outputs.key_arns)
    name = next((name for name, document in versions.items() if document == expected), None)
    if name is None:
        return None
    return fixes.aws(facts, "iam", "set-default-policy-version", "--policy-arn", arn, "--version-id", name)


def _key_policy_decision(facts: StackFacts, arn: str) -> KeyPolicyDecision:
    policy = facts.key_policy
    if isinstance(policy, SetupError):
        return KeyPolicyDecision.NONE
    return decide_by_key_policy_of(facts.settings, policy, arn, "kms:Decrypt")


def organization_denies(facts: StackFacts, kind: str, actions: str) -> Notice:
    """A policy of the organization, of the kind `service` or `resource`, that denies the actions."""
    account = facts.settings.account_id
    return Notice.wrong(
        f"{kind}-control-policy",
        what=f"a {kind} control policy of the organization does not allow the account {account} {actions}",
        why=f"{REFUSED} to everybody, whatever IAM and the key allow; only the organization's administrators can "
        "read and change it",
        command=shell(
            *("aws", "organizations", "list-policies-for-target", "--target-id", account),
            *("--filter", f"{kind.upper()}_CONTROL_POLICY"),
        ),
        advice=Text(
            "run the command in the organization's management account, whose administrators detach or change the "
            "policy; then ",
            RESTART,
        ),
    )


@judgement("application-tested")
def check_access_key(facts: StackFacts) -> Iterator[Notice]:
    """Whether the user still has the access key of the environment, and whether it is active."""
    settings, vercel, project = facts.settings, facts.vercel, facts.project
    if not settings.makes_user or vercel is None or not isinstance(project, VercelProject):
        return
    user, place = settings.names.app_user, f"{project.scope.words} on Vercel"
    keys = facts.once("access keys", lambda: facts.aws.iam.list_access_keys(user))
    pushed = facts.once("access key on Vercel", lambda: vercel.access_key_id(project))
    for what, answer in ((f"the access keys of {user}", keys), ("the access key on Vercel", pushed)):
        if isinstance(answer, SetupError):
            yield Notice.unread(what, answer)
    if isinstance(keys, SetupError) or isinstance(pushed, SetupError):
        return
    mine = next((key for key in keys if key.id == pushed), None)
    if pushed is None:
        yield Notice.wrong(
            "access-key-missing",
            what=f"{place} has no access key of {user}",
            why="the application has no credentials: it could not load them from any provider",
            command=fixes.push(facts),
        )
    elif mine is None:
        yield Notice.wrong(
            "access-key-deleted",
            what=f"{place} has the access key {pushed}, but {user} has no such key",
            why="AWS returns UnrecognizedClientException or InvalidClientTokenId: it was deleted, or is another user's",
            command=chain(fixes.eonpro(facts, "access-key", action="rotate"), fixes.push(facts)),
        )
    elif not mine.active:
        arguments = ("--user-name", user, "--access-key-id", mine.id, "--status", "Active")
        yield Notice.wrong(
            "access-key-inactive",
            what=f"the access key {mine.id} of {user}, which {place} has, is inactive",
            why="AWS returns UnrecognizedClientException or InvalidClientTokenId for each call with it",
            command=fixes.aws(facts, "iam", "update-access-key", *arguments),
            advice=RESTART,
        )
    else:
        yield Notice.good(f"the access key {mine.id}, which {place} has, is an active key of {user}")


ACCESS_CHECKS: tuple[Judgement, ...] = (check_principals, check_surplus, check_access_key)
