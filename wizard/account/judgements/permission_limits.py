"""The checks of the limits on the principals' permissions: boundaries, and the policies of the organization.

Reads through the facts. A limit applies even where the key's policy names the application.
"""

from collections.abc import Iterator
from functools import partial

from components import policies
from components.policies.boundary import bounded_arns
from components.policies.evaluation.account import IamPolicy, IamPrincipal
from components.policies.evaluation.statements import evaluate_policies
from components.settings import ImportGroup
from wizard.account import fixes
from wizard.account.facts import StackFacts
from wizard.account.judgements.principal import ATTACHMENTS, POLICY, REFUSED, RESTART, organization_denies, request_of
from wizard.account.notices import Judgement, Notice, judgement
from wizard.core.errors import SetupError, known_or
from wizard.core.models.access import StatementEvaluation
from wizard.core.next_command import Command, Text
from wizard.core.retry import together


@judgement("application-tested")
def check_permission_limits(facts: StackFacts) -> Iterator[Notice]:
    """Whether boundary and organization allow the key: by IAM's simulator, or the boundary by its document."""
    for arn in facts.principals:
        # Neither needs the other's answer.
        principal, _ = together(partial(facts.principal, arn), partial(facts.simulate, arn))
        if isinstance(principal, IamPrincipal):
            yield from _limits_of(facts, principal)


def _limits_of(facts: StackFacts, principal: IamPrincipal) -> Iterator[Notice]:
    simulated = facts.simulate(principal.arn)
    if isinstance(simulated, SetupError) and facts.key_arn is not None:
        yield Notice.unread(f"IAM's policy simulation of {principal.arn}", simulated)
    simulation = known_or(simulated, None)
    evaluations = simulation.evaluations if simulation else ()
    refused = [evaluation for evaluation in evaluations if evaluation.allowed is False]
    if denied := [evaluation.action for evaluation in refused if evaluation.by_organization is False]:
        yield organization_denies(facts, "service", ", ".join(denied))
    if principal.boundary is not None and _boundary_denies(facts, principal, principal.boundary, evaluations):
        yield _boundary(facts, principal, principal.boundary)
    if simulation is None:
        return
    if simulation.allowed:
        yield Notice.good(f"IAM's simulator allows {principal.arn} to use the key")
    elif refused:
        # `codes.implied_by` hides it if one of the causes above was found.
        yield Notice.wrong(
            "identity-denied",
            what=f"the policies of {principal.arn} do not allow {', '.join(simulation.denied)}",
            why=f"IAM's policy simulator says {', '.join(sorted({str(entry.ruling) for entry in refused}))}",
            command=fixes.pulumi_up(facts, POLICY, *ATTACHMENTS),
            advice=RESTART,
        )
    else:
        yield Notice.unknown(f"IAM's policy simulation of {principal.arn}", why=simulation.detail)


def _boundary_denies(
    facts: StackFacts, principal: IamPrincipal, boundary: IamPolicy, evaluations: tuple[StatementEvaluation, ...]
) -> bool:
    """Whether the boundary denies: by the simulator, or by its document where the simulator evaluates no boundary."""
    if any(evaluation.by_boundary is not None for evaluation in evaluations):
        return any(evaluation.by_boundary is False and evaluation.allowed is False for evaluation in evaluations)
    key = facts.key_arn
    if boundary.document is None or key is None:
        return False
    says = [
        evaluate_policies((boundary,), request_of(principal, action, key)) for action in policies.APPLICATION_ACTIONS
    ]
    return not all(evaluation.is_allowed for evaluation in says)


def _boundary(facts: StackFacts, principal: IamPrincipal, boundary: IamPolicy) -> Notice:
    of = "role" if principal.is_role else "user"
    expected = facts.settings.permissions_boundary_arn
    if expected == boundary.name:
        command = fixes.aws(facts, "iam", "list-policy-versions", "--policy-arn", boundary.name)
        advice = "it is the boundary of the settings: its owner has to allow the use of the key"
    elif expected:
        command, advice = _put_boundary(facts, principal, expected), RESTART
    else:
        event = f"AttributeKey=EventName,AttributeValue=Put{of.title()}PermissionsBoundary"
        words = ("cloudtrail", "lookup-events", "--lookup-attributes", event)
        command = fixes.aws(facts, *words, region=facts.settings.iam_region)
        advice = Text(
            "shows who set it: ask them, for it may be a rule of your company. Either they allow the use of the key in "
            "it, or they name another that does: ",
            fixes.eonpro(facts, "setup", "--permissions-boundary", "ARN"),
        )
    return Notice.wrong(
        "boundary-denies",
        what=f"the permissions boundary {boundary.name} of {principal.arn} does not allow the use of the key",
        why=f"{REFUSED}, “because no permissions boundary allows” it"
        + ("" if expected else "; the settings have no boundary"),
        command=command,
        advice=advice,
    )


def _put_boundary(facts: StackFacts, principal: IamPrincipal, boundary: str) -> Command:
    of = "role" if principal.is_role else "user"
    put = ("iam", f"put-{of}-permissions-boundary", f"--{of}-name", principal.name, "--permissions-boundary", boundary)
    return fixes.aws(facts, *put)


@judgement("application-policy")
def check_boundaries(facts: StackFacts) -> Iterator[Notice]:
    """Whether the roles and the user of the stack have the permissions boundary that the settings name."""
    settings = facts.settings
    expected, iam = settings.permissions_boundary_arn, facts.iam
    if expected is None or isinstance(iam, SetupError):
        return  # check_others reports what could not be read.
    kept = {settings.arn("iam", f"role/{settings.names.app_role}")}
    kept = kept if ImportGroup.APPLICATION_ROLE in settings.kept_as_found else set()
    without = [
        principal
        for arn in bounded_arns(settings)
        if arn not in kept and (principal := iam.find(arn)) is not None
        if principal.boundary is None or principal.boundary.name != expected
    ]
    for principal in without:
        has = f"has the boundary {principal.boundary.name}" if principal.boundary else "has no permissions boundary"
        yield Notice.wrong(
            "boundary-missing",
            what=f"{principal.arn} {has}; the settings name {expected}",
            why="whoever may write its policies can give it any permission",
            command=_put_boundary(facts, principal, expected),
        )
    if not without:
        yield Notice.good(f"every role and user of the stack has the permissions boundary {expected}")


ACCESS_CHECKS: tuple[Judgement, ...] = (check_permission_limits,)
OTHER_CHECKS: tuple[Judgement, ...] = (check_boundaries,)
