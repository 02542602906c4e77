"""Whether the key's own policy lets the application in, as the settings mean it to.

Pure: reads through the evidence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from components import policies
from components.contract import Part
from components.stack_policies import key_policy_of
from wizard.doctor import remedies
from wizard.doctor.evidence import Evidence
from wizard.doctor.finding import Finding, Told, Well
from wizard.doctor.of_the_access import KEY, REFUSED, RESTART
from wizard.errors import SetupError
from wizard.facts import KeyFact

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
            why=f"{REFUSED}, “with an explicit deny in a resource-based policy”, whatever IAM allows",
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
        else f"{REFUSED}, “because no resource-based policy allows” it, whatever IAM allows",
        command=remedies.by_the_stack(evidence, KEY),
        then=RESTART,
    )
