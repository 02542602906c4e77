"""What limits the application whatever its policies allow: its permissions boundary, and the organization.

Pure: reads through the evidence.
"""

from __future__ import annotations

from collections.abc import Iterator

from components import policies
from wizard.access_review.statements import weigh
from wizard.doctor import remedies
from wizard.doctor.evidence import Evidence
from wizard.doctor.finding import Finding, Told, Unlooked, Well
from wizard.doctor.of_the_access import ATTACHMENTS, POLICY, REFUSED, RESTART, asked
from wizard.errors import SetupError
from wizard.facts_iam import IamPolicy, IamPrincipal
from wizard.facts_symptoms import Ruling, Weighed


def the_limits_of_the_principals(evidence: Evidence) -> Iterator[Told]:
    """The boundary and the organization, as IAM's simulator has them; the boundary by its document where it has not."""
    for arn in evidence.principals:
        found = evidence.principal(arn)
        if isinstance(found, IamPrincipal):
            yield from _limits_of(evidence, found)


def _limits_of(evidence: Evidence, found: IamPrincipal) -> Iterator[Told]:
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
    says = [weigh((boundary,), asked(found, action, key)) for action in policies.APPLICATION_ACTIONS]
    return all(each.is_allowed for each in says)


def _organization(evidence: Evidence, found: IamPrincipal, weighed: tuple[Weighed, ...]) -> Finding:
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
        why=f"{REFUSED}, “because no permissions boundary allows” it"
        + ("" if wanted else "; the settings give it no boundary"),
        command=command,
        then=then,
    )
