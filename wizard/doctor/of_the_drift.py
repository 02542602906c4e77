"""Settings, state and account against each other, resource by resource, as Pulumi sees them.

Pure: reads through the evidence. The comparison is a preview that reads the account anew and keeps nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wizard.doctor import remedies
from wizard.doctor.evidence import Evidence
from wizard.doctor.finding import Finding, Told, Unlooked, Well
from wizard.errors import SetupError
from wizard.existing import taken, with_existing_provider
from wizard.facts_drift import Drift, DriftKind

COMPARISON = "settings, state and account against each other (pulumi preview --refresh)"

_TOLD = 6
"""Resources that are told by name."""


def of_the_drift(evidence: Evidence) -> Iterator[Told]:
    """What an update would not leave as it is."""
    if evidence.outputs is None:
        return  # Told by the check of the stack.
    compared = evidence.once("comparison", lambda: evidence.found.engine.compare(evidence.stack))
    if isinstance(compared, SetupError):
        yield Unlooked.of(COMPARISON, compared)
        return
    drifted = [each for each in compared if each.kind in (DriftKind.GONE, DriftKind.CHANGED)]
    wanted = [each for each in compared if each.kind is DriftKind.WANTED]
    unknown = [each for each in compared if each.kind is DriftKind.UNKNOWN]
    if drifted:
        yield Finding(
            cause="stack-drifted",
            what=f"changed beside the stack: {_in_words(drifted)}",
            why="the account is not as Pulumi's state has it; `pulumi preview --refresh --diff` tells each value",
            command=remedies.by_urn(evidence, [each.urn for each in drifted]),
        )
    lost = [*_lost(evidence)] if unknown else []
    if lost:
        yield Finding(
            cause="stack-state-lost",
            what=f"the state of {evidence.stack} has lost what the account has: {', '.join(lost)}",
            why="an update would try to make it a second time, and fail",
            command=remedies.wizard(evidence, "setup", "--adopt", "--repair", "all", "--yes"),
        )
    behind = [*wanted, *(() if lost else unknown)]
    if behind:
        yield Finding(
            cause="stack-behind",
            what=f"the settings were changed and not applied: {_in_words(behind)}",
            why="the account is as it was before the change; `pulumi preview --diff` tells each value",
            command=remedies.by_urn(evidence, ()),
        )
    if not compared:
        yield Well(what="settings, state and account agree in every resource")


def _lost(evidence: Evidence) -> Iterator[str]:
    """What has the stack's names in the account and is not in its state; nothing where the account cannot be asked."""
    existing = evidence.once("existing", lambda: evidence.cloud.find_existing(evidence.settings))
    if isinstance(existing, SetupError) or isinstance(evidence.state, SetupError):
        return
    for problem in taken(evidence.settings, existing, evidence.state, {}):
        yield problem.what.partition(" exists already")[0].removeprefix("the ")
    # An account takes one provider of a URL: the set-up uses one that is there, and an update alone would fail.
    provider = existing.oidc_provider_arn
    if with_existing_provider(evidence.settings, existing, evidence.state, {}) != evidence.settings and provider:
        yield f"OIDC provider {provider}"


def _in_words(drifts: Sequence[Drift]) -> str:
    words = [f"{each.type.rpartition(':')[2]} {each.name} ({_how(each)})" for each in drifts]
    more = [f"and {len(words) - _TOLD} more"] if len(words) > _TOLD else []
    return ", ".join([*words[:_TOLD], *more])


def _how(drift: Drift) -> str:
    if drift.kind is DriftKind.GONE:
        return "gone"
    if drift.kind is DriftKind.UNKNOWN:
        return "not in the state"
    return ", ".join(drift.properties) or "changed"
