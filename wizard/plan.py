"""The joint plan: what the engine would do, and what the wizard does beside it, in one text.

Pure. The words are pinned by golden files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from components.contract import APPLICATION_VARIABLES, Settings, Target
from wizard.facts import Escrow, Identity, Principal, Step

SIGNS = {
    "create": "+",
    "update": "~",
    "delete": "-",
    "replace": "±",
    "import": "=",
    "same": " ",
}
"""What a step of the engine does, as a sign and a word: never as a colour alone."""

WORDS = {"create-replacement": "replace", "delete-replaced": "replace"}
"""Halves of a replacement, by the word for the whole. The engine tells the halves too, and which comes last varies."""

QUIET = ("same", "read", "refresh")

PARTS = {
    "eonpro:kms:PhiKey": "The key",
    "eonpro:kms:AppPrincipal": "The application's identity",
    "eonpro:kms:AppAccess": "Its access to the key",
    "eonpro:kms:AuditTrail": "The audit trail",
    "eonpro:kms:Delivery": "The delivery",
}
"""What each component is for, in the order in which a reader wants them."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything a run is going to do."""

    stack: str
    settings: Settings
    identity: Identity
    steps: tuple[Step, ...]
    escrow: Escrow | None
    targets: tuple[Target, ...]
    """Where this run delivers to; the settings may hold more, set up earlier."""

    @property
    def changes(self) -> tuple[Step, ...]:
        """The steps that change something in the account."""
        return tuple(step for step in self.steps if step.op not in QUIET and step.type.startswith("aws:"))

    @property
    def losses(self) -> tuple[Step, ...]:
        """The steps that delete or replace something."""
        return tuple(step for step in self.changes if "delete" in step.op or "replace" in step.op)


def review(
    settings: Settings, identity: Identity, stack: str, targets: Iterable[Target]
) -> tuple[tuple[str, str], ...]:
    """The answers, as (what, value), for the page before the plan."""
    names = settings.names
    alias = f" ({identity.account_alias})" if identity.account_alias else ""
    app = settings.app_principal_arn or f"role {names.app_role}, made here"
    asked = tuple(targets)
    rows = [
        ("account", f"{settings.account_id}{alias}"),
        ("you", f"{identity.arn}, by {identity.source}"),
        ("region", settings.region),
        ("environment", settings.environment + ("" if stack == settings.environment else f" (stack {stack})")),
        ("key", f"{names.alias}, rotated every {settings.rotation_period_days} days"),
        ("administrators", ", ".join(_short(arn, identity) for arn in settings.administrators)),
        ("application", app),
    ]
    if Target.VERCEL in settings.deploy_targets:
        rows.append(
            (
                "Vercel",
                f"team {settings.vercel_team}, project {settings.vercel_project}, production"
                + _kept(Target.VERCEL, asked),
            )
        )
    if Target.ECS in settings.deploy_targets:
        service = "/".join(filter(None, (settings.ecs_cluster, settings.ecs_service)))
        rows.append(
            (
                "ECS",
                f"{names.parameter_prefix}/*" + (f", for {service}" if service else "") + _kept(Target.ECS, asked),
            )
        )
    if settings.existing_trail_arn:
        rows.append(("audit trail", f"{settings.existing_trail_arn}, as it is"))
    else:
        rows.append(("audit trail", f"{names.trail}, kept {settings.trail_retention_days} days"))
        rows.append(("its bucket", names.trail_bucket))
    return tuple(rows)


def lines(plan: Plan) -> tuple[str, ...]:
    """The plan as text, one line each, in the order in which it is carried out."""
    settings = plan.settings
    text = [f"In the account {settings.account_id}, {settings.region}, by Pulumi (stack {plan.stack}):"]
    width = max((len(_type(step)) for step in plan.changes), default=0)
    for part, steps in _by_part(plan.changes):
        text.append(f"  {part}")
        text += [
            f"    {SIGNS.get(word(step), '?')} {word(step):<8} {_type(step):<{width}}  {step.name}" + _changed(step)
            for step in steps
        ]
    text.append(f"  {_counts(plan)}")
    text += ["", "Outside Pulumi, so that no later update can touch it:"]
    if plan.escrow is None:
        text.append(
            "  + make the data key: KMS returns only its wrapped form (GenerateDataKeyWithoutPlaintext, AES-256)"
        )
        text.append(f"  + keep it in Parameter Store, written once: {settings.names.escrow}")
    else:
        text.append(f"  = keep the data key {plan.escrow.wrapped.fingerprint} that is in {plan.escrow.parameter}")
    variables = ", ".join(APPLICATION_VARIABLES)
    if Target.VERCEL in plan.targets:
        text.append(f"  > deliver {variables}")
        text.append(f"    to the Vercel project {settings.vercel_team}/{settings.vercel_project}, production only")
    if Target.ECS in plan.targets:
        text.append(f"  > deliver {variables}")
        text.append(
            f"    to Parameter Store under {settings.names.parameter_prefix}, for the task definition's `secrets`"
        )
    text.append("  > prove it: as the application, unwrap the key and carry one made-up record there and back")
    text += ["", "What it costs:", *(f"  {part}" for part in cost(settings))]
    return tuple(text)


def cost(settings: Settings) -> tuple[str, ...]:
    """Cost in US dollars, a line for each driver.

    https://aws.amazon.com/kms/pricing/ and https://aws.amazon.com/cloudtrail/pricing/
    """
    parts = [
        "$1 a month for the key (+$1 after each of its first two rotations)",
        "$0.03 per 10,000 KMS requests after 20,000 free ones",
    ]
    if settings.existing_trail_arn is None:
        parts.append("the trail's logs in S3, by size")
        parts.append("$2 per 100,000 management events, only if the account has another trail")
    return tuple(parts)


def _by_part(steps: Iterable[Step]) -> list[tuple[str, list[Step]]]:
    """The steps under what they are for: the engine's own order mixes them, for it works on all parts at once."""
    found: dict[str, list[Step]] = {part: [] for part in PARTS.values()}
    for step in steps:
        # A URN names the types of a resource's parents: urn:pulumi:<stack>::<project>::<parent>$<type>::<name>.
        parent = step.urn.rsplit("::", 2)[-2].partition("$")[0]
        found.setdefault(PARTS.get(parent, "Beside these"), []).append(step)
    return [(part, members) for part, members in found.items() if members]


def _counts(plan: Plan) -> str:
    counts = Counter(word(step) for step in plan.changes)
    same = sum(1 for step in plan.steps if step.op == "same" and step.type.startswith("aws:"))
    told = [f"{number} to {op}" for op, number in sorted(counts.items())]
    if same:
        told.append(f"{same} unchanged")
    return ", ".join(told) or "nothing to do"


def _type(step: Step) -> str:
    return step.type.rsplit(":", 1)[-1]


def word(step: Step) -> str:
    """The engine's word for a step, one for all parts of a replacement."""
    return WORDS.get(step.op, step.op)


def _changed(step: Step) -> str:
    return f"  ({', '.join(step.changed)})" if step.changed and word(step) in ("update", "replace") else ""


def _short(arn: str, identity: Identity) -> str:
    principal = Principal(arn=arn)
    you = " (you)" if arn == identity.principal_arn else ""
    return f"{principal.kind} {principal.name}{you}"


def _kept(target: Target, asked: tuple[Target, ...]) -> str:
    return "" if target in asked else " (set up earlier; kept as it is)"
