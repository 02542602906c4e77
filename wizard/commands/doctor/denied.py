"""`doctor --explain-denied`: the layer and the statement that denied each request of the run, by AWS's own evaluation.

Asks through the port; changes nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from wizard.core import json_documents
from wizard.core.errors import SetupError, attempted
from wizard.core.models.access import DenyingCheck
from wizard.core.models.account import Refusal
from wizard.core.models.inputs import Mark
from wizard.core.ports.run import AwsClient, UserInterface
from wizard.core.retry import together

MOST = 20
"""The most requests that are explained in one run; a caller who may read nothing is denied each of them."""

NO_ID = "AWS gave no authorization ID for it: few services besides IAM do"

_LAYERS = {
    "SERVICE_CONTROL_POLICY": "the organization's service control policies",
    "RESOURCE_CONTROL_POLICY": "the organization's resource control policies",
    "VPC_ENDPOINT": "the policy of the VPC endpoint",
    "RESOURCE": "the resource's own policy",
    "PRINCIPAL": "the caller's identity-based policies",
    "PERMISSIONS_BOUNDARY": "the caller's permissions boundary",
    "SESSION": "the policy of the caller's session",
    # The types of policies, where AWS names no check.
    "IDENTITY_BASED_POLICY": "the caller's identity-based policies",
    "RESOURCE_BASED_POLICY": "the resource's own policy",
    "SESSION_POLICY": "the policy of the caller's session",
    "VPC_ENDPOINT_POLICY": "the policy of the VPC endpoint",
}


@dataclass(frozen=True, kw_only=True)
class Explained:
    """A denied request, and the layers that denied it or why they are not known."""

    refusal: Refusal
    checks: tuple[DenyingCheck, ...] = ()
    why_not: str = ""
    """Empty where AWS named a layer."""


def explain(aws: AwsClient) -> tuple[Explained, ...]:
    """The requests of this run that AWS denied, each explained as far as the caller may know it."""
    refusals = aws.access_diagnostics.refusals()
    known = [refusal for refusal in refusals if refusal.authorization_id][:MOST]
    answers = dict(zip(known, together(*(lambda one=one: _explain(aws, one) for one in known)), strict=True))
    return tuple(
        answers.get(refusal)
        or Explained(
            refusal=refusal,
            why_not=f"only {MOST} requests are explained in a run" if refusal.authorization_id else NO_ID,
        )
        for refusal in refusals
    )


def _explain(aws: AwsClient, refusal: Refusal) -> Explained:
    checks = attempted(lambda: aws.access_diagnostics.denying_checks(refusal))
    if isinstance(checks, SetupError):
        return Explained(refusal=refusal, why_not=checks.message)
    if not checks:
        return Explained(refusal=refusal, why_not="AWS does not name the layer to a caller of another organization")
    return Explained(refusal=refusal, checks=checks)


def show(ui: UserInterface, explained: tuple[Explained, ...]) -> None:
    ui.section("Why AWS denied it", "by the IAM Access Troubleshooter (preview)")
    if not explained:
        ui.line("AWS denied no request of this run", mark=Mark.OK)
    for each in explained:
        if each.why_not:
            ui.line(f"{each.refusal.action}: {each.why_not}", mark=Mark.INFO)
        for line in _lines(each):
            ui.line(line, mark=Mark.FAIL)


def _lines(explained: Explained) -> Iterator[str]:
    for check in explained.checks:
        what = check.action + (f" on {check.resource}" if check.resource else "")
        layer = _LAYERS.get(check.layer, check.layer)
        where = f", attached to {check.target}" if check.target else ""
        if not check.is_explicit:
            yield f"{what}: nothing in {layer}{where} allows it"
        elif not check.statements:
            yield f"{what}: {layer}{where} deny it; AWS does not show the statement to this caller"
        for statement in check.statements:
            sid = statement.sid or "without Sid"
            yield f"{what}: the statement {sid} of {statement.policy} denies it ({layer}{where})"


def documents(explained: Sequence[Explained]) -> list[json_documents.Document]:
    """The entries of `denied` in the document of `doctor`."""
    return [entry for each in explained for entry in _documents(each)]


def _documents(explained: Explained) -> Iterator[json_documents.Document]:
    if explained.why_not:
        yield {"action": explained.refusal.action, "why": explained.why_not}
    for check in explained.checks:
        yield {
            "action": check.action,
            "resource": check.resource,
            "layer": check.layer.lower().replace("_", "-"),
            "explicit": check.is_explicit,
            "attachedTo": check.target,
            "statements": [{"policy": each.policy, "sid": each.sid} for each in check.statements],
        }
