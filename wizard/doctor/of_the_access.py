"""Whether the application may use its key: its principals, and what their policies say.

Pure: reads through the evidence. A key policy that names the application lets it in without IAM, but past no denial,
and past no limit of a role.
https://docs.aws.amazon.com/kms/latest/developerguide/policy-evaluation.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from components import policies
from components.contract import Part
from wizard.access_review.statements import Asked, weigh
from wizard.doctor import remedies
from wizard.doctor.evidence import Evidence
from wizard.doctor.finding import Finding, Told, Unlooked, Well
from wizard.errors import SetupError
from wizard.facts_iam import IamPolicy, IamPrincipal

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


def the_principals(evidence: Evidence) -> Iterator[Told]:
    """The application's users and roles: whether each is there, and what its own policies say."""
    for arn in evidence.principals:
        found = evidence.principal(arn)
        if isinstance(found, SetupError):
            yield Unlooked.of(f"the application's principal {arn}", found)
        elif found is None:
            yield _gone(evidence, arn)
        else:
            yield from _policies_of(evidence, found)


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


def asked(found: IamPrincipal, action: str, key: str) -> Asked:
    return Asked(action=action, resource=key, known={"aws:principalarn": (found.arn,)})


def _says(what: str, policy: IamPolicy, found: IamPrincipal, key: str) -> bool:
    hits = (getattr(weigh((policy,), asked(found, action, key)), what) for action in policies.APPLICATION_ACTIONS)
    return any(not hit.terms for hit in (one for each in hits for one in each))


def _allowed(found: IamPrincipal, action: str, key: str) -> bool:
    # Denials are told apart, each by its policy.
    return any(not hit.terms for hit in weigh(found.policies, asked(found, action, key)).allows)


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
        why=f"{REFUSED}, “with an explicit deny in an identity-based policy”: a denial wins over every permission",
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
        else f"{REFUSED}, “because no identity-based policy allows” {', '.join(actions)}"
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


def _by_key_policy(evidence: Evidence, arn: str) -> policies.Grant:
    policy = evidence.key_policy
    if isinstance(policy, SetupError):
        return policies.Grant.NONE
    return policies.grants(policy, arn, "kms:Decrypt")
