"""IAM's policies: what one says, and what the simulator says they allow, where it is to be had.

Asks IAM; changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from components.settings import Settings
from wizard.aws import kms
from wizard.aws.auth.session import Session
from wizard.aws.iam import identify
from wizard.core.errors import PermissionDenied, ResourceError, Unsupported
from wizard.core.models.account import Identity, Principal
from wizard.core.models.delivery import Simulation
from wizard.core.models.discovery import PermissionsFact
from wizard.core.required_permissions.table import RequiredPermission, required


class Permissions:
    """What a principal may do: a `wizard.core.ports.aws.Permissions`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def simulate(self, principal_arn: str, actions: Sequence[str], resource: str) -> Simulation:
        """Whether the principal's own policies, boundary included, allow all the actions on the resource.

        A key policy is no part of what the simulator weighs
        (https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_testing-policies.html).
        """
        try:
            weighed = _weigh(self._session, principal_arn, actions, resource)
        except (Unsupported, PermissionDenied, ResourceError) as error:
            return Simulation(allowed=None, detail=f"the policy simulator could not be asked: {error.message}")
        if weighed.denied:
            denied = ", ".join(weighed.denied)
            return Simulation(
                allowed=False, detail=f"the policies of {principal_arn} do not allow {denied} on {resource}"
            )
        if weighed.unclear:
            unclear = ", ".join(weighed.unclear)
            return Simulation(
                allowed=None, detail=f"whether {principal_arn} may do {unclear} depends on {', '.join(weighed.context)}"
            )
        return Simulation(
            allowed=True, detail=f"the policies of {principal_arn} allow {', '.join(actions)} on {resource}"
        )

    def check_permissions(self, settings: Settings) -> PermissionsFact:
        """What the caller may do of the set-up: by IAM's simulator, and by a dry run where the stack's key is there.

        Each action is weighed on the resource it is for, so that a caller with narrow policies is not found wanting.
        """
        if Principal(arn=identify(self._session).principal_arn).kind == "root":
            return PermissionsFact()
        needs = required(settings, identify(self._session).principal_arn)
        weighed, tried = self._session.together(
            lambda: _weigh_all(self._session, identify(self._session), needs),
            lambda: kms.weigh_data_key(self._session, settings.names.alias),
        )
        denied, unknown, why = weighed
        if tried is kms.DryRun.ALLOWED:
            # KMS weighs the key's own policy too, so that its word goes before the simulator's.
            denied, unknown = denied - {MAKE_DATA_KEY}, unknown - {MAKE_DATA_KEY}
            why = why if unknown else []
        elif tried is kms.DryRun.FORBIDDEN:
            denied, unknown = denied | {MAKE_DATA_KEY}, unknown - {MAKE_DATA_KEY}
        elif tried is kms.DryRun.REFUSED and MAKE_DATA_KEY not in denied:
            # The policy of a key that was created manually says so; the set-up puts another on it.
            unknown = unknown | {MAKE_DATA_KEY}
            why = [*why, f"the policy of the key behind {settings.names.alias} refuses it as it is today"]
        return PermissionsFact(denied=tuple(sorted(denied)), unknown=tuple(sorted(unknown)), why_unknown="; ".join(why))


@dataclass(frozen=True, kw_only=True)
class _Weighed:
    denied: tuple[str, ...]
    unclear: tuple[str, ...]
    """Not allowed as asked, but a condition's key was unknown: with MFA, from another network, it may be."""
    context: tuple[str, ...]


def _weigh(
    session: Session,
    principal_arn: str,
    actions: Sequence[str],
    resource: str,
    context: Mapping[str, str] = MappingProxyType({}),
) -> _Weighed:
    entries = [
        {"ContextKeyName": key, "ContextKeyType": "string", "ContextKeyValues": [value]}
        for key, value in context.items()
    ]
    results = {
        str(result["EvalActionName"]).lower(): result
        for result in session.pages(
            "iam",
            "SimulatePrincipalPolicy",
            "EvaluationResults",
            PolicySourceArn=principal_arn,
            ActionNames=list(actions),
            ResourceArns=[resource],
            **({"ContextEntries": entries} if entries else {}),
        )
    }
    refused = {
        action: tuple(results.get(action.lower(), {}).get("MissingContextValues", ()))
        for action in actions
        if results.get(action.lower(), {}).get("EvalDecision") != "allowed"
    }
    return _Weighed(
        denied=tuple(action for action, missing in refused.items() if not missing),
        unclear=tuple(action for action, missing in refused.items() if missing),
        context=tuple(sorted({key for missing in refused.values() for key in missing})),
    )


MAKE_DATA_KEY = "kms:GenerateDataKeyWithoutPlaintext"


def _weigh_all(
    session: Session, caller: Identity, needs: Sequence[RequiredPermission]
) -> tuple[frozenset[str], frozenset[str], list[str]]:
    """What is denied, what is not known, and why not."""

    def weigh(need: RequiredPermission) -> _Weighed:
        context = {"aws:RequestedRegion": need.region, **need.context}
        return _weigh(session, caller.principal_arn, need.actions, need.resource, context)

    try:
        found = session.together(*(lambda need=need: weigh(need) for need in needs))
    except (Unsupported, PermissionDenied, ResourceError) as error:
        everything = frozenset(action for need in needs for action in need.actions)
        return frozenset(), everything, [f"IAM's policy simulator could not be asked: {error.message}"]
    denied = frozenset(action for weighed in found for action in weighed.denied)
    unclear = frozenset(action for weighed in found for action in weighed.unclear) - denied
    context = sorted({key for weighed in found for key in weighed.context})
    return denied, unclear, [f"it depends on {', '.join(context)}"] if unclear else []
