"""The application's variables as they stand and as they should be, target by target, and what is plainly wrong.

Pure: reads through the evidence.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from components.contract import SecretStore, Target
from wizard.doctor import remedies
from wizard.doctor.evidence import Evidence
from wizard.doctor.finding import Finding
from wizard.errors import SetupError
from wizard.escrow import region_of
from wizard.facts_symptoms import SeenVariable

THEN = "deploy anew: a variable takes effect only in what starts after it, and a failed key load is remembered"

AROUND = " \t\r\n\"'`"


@dataclass(frozen=True, kw_only=True)
class Expected:
    """One variable of one target."""

    name: str
    target: str
    place: str
    wanted: str | None = field(repr=False)
    """None where what it should be is not known."""
    value: str | None = field(repr=False)
    """None where it is not there, or not told."""
    is_there: bool = True
    seen: SeenVariable | None = None
    """As Vercel lists it."""
    outside: tuple[str, ...] = ()
    """Where Vercel has a variable of that name, if not for production."""


def expected(evidence: Evidence, name: str) -> Iterator[Expected]:
    """The variable of that name at each target that could be asked."""
    yield from on_vercel(evidence, name)
    yield from in_the_store(evidence, name)


def on_vercel(evidence: Evidence, name: str) -> Iterator[Expected]:
    """The variable in production of the project; each entry, where it is there twice."""
    found = evidence.on_vercel
    if found is None or isinstance(found, SetupError):
        return
    wanted = _wanted(evidence, name, evidence.key_arn)
    entries = [each for each in found if each.name == name]
    ours = [each for each in entries if each.in_production]
    for each in ours:
        yield Expected(name=name, target=Target.VERCEL, place=each.place, wanted=wanted, value=each.value, seen=each)
    if not ours:
        settings = evidence.settings
        yield Expected(
            name=name,
            target=Target.VERCEL,
            place=f"Vercel project {settings.vercel_team}/{settings.vercel_project}",
            wanted=wanted,
            value=None,
            is_there=False,
            outside=tuple(place for each in entries for place in each.elsewhere),
        )


def in_the_store(evidence: Evidence, name: str) -> Iterator[Expected]:
    """The parameter or secret in each Region of the key, where ECS or EKS reads it; the escrow is looked at apart."""
    targets = [each for each in evidence.settings.deploy_targets if each is not Target.VERCEL]
    if not targets:
        return
    arns = evidence.outputs.key_arns if evidence.outputs else tuple(filter(None, (evidence.key_arn,)))
    store = "Secrets Manager" if evidence.settings.secret_store is SecretStore.SECRETS_MANAGER else "Parameter Store"
    for arn in arns:
        found = evidence.stored(region_of(arn))
        if isinstance(found, SetupError):
            continue
        yield Expected(
            name=name,
            target=targets[0],
            place=f"{store} {evidence.settings.names.parameter_prefix}/{name} in {region_of(arn)}",
            wanted=_wanted(evidence, name, arn),
            value=found.get(name),
            is_there=name in found,
        )


def _wanted(evidence: Evidence, name: str, key_arn: str | None) -> str | None:
    if key_arn is None:
        return None
    return {"AWS_KMS_KEY_ID": key_arn, "AWS_REGION": region_of(key_arn)}.get(name)


def framed(evidence: Evidence, one: Expected, value: str) -> Finding | None:
    """What is wrong with a value that is empty, or right but for what stands around it."""
    bare = value.strip(AROUND)
    if not bare:
        return Finding(
            cause="variable-empty",
            what=f"{one.name} in {one.place} is empty",
            why=EMPTY,
            command=remedies.push(evidence),
            then=THEN,
        )
    if bare != value and bare == one.wanted:
        return Finding(
            cause="variable-quoted",
            what=f"{one.name} in {one.place} has quotation marks or white space around it",
            why="they are part of the value for the application, which cannot use it so",
            command=remedies.push(evidence),
            then=THEN,
        )
    return None


EMPTY = (
    "the application says “Encryption key not initialized”; with AWS_KMS_KEY_ID set and no ENCRYPTED_PHI_KEY "
    "it makes itself a new data key, which opens no record"
)
