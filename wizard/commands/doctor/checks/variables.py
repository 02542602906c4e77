"""The application's variables as they stand and as they should be, target by target, and what is plainly wrong.

Pure: reads through the evidence.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from components.settings import DATA_KEY_VARIABLE, SecretStore
from wizard.commands.doctor import fixes
from wizard.commands.doctor.context import CheckContext
from wizard.commands.doctor.diagnosis import Check, Finding, NotChecked, Passed, Told
from wizard.core.data_key import Damage, WrappedDataKey, damage, is_remnant
from wizard.core.errors import CredentialsError, MissingAnswers, SetupError
from wizard.core.models.delivery import StoredDataKey
from wizard.core.models.diagnostics import VariableEntry
from wizard.data_key.storage import region_of
from wizard.targets.port import deploy_targets

THEN = "deploy anew: a variable takes effect only in what starts after it, and a failed key load is remembered"

AROUND = " \t\r\n\"'`"


@dataclass(frozen=True, kw_only=True)
class Expected:
    """One variable of one target."""

    name: str
    place: str
    wanted: str | None = field(repr=False)
    """None where what it should be is not known."""
    value: str | None = field(repr=False)
    """None where it is not there, or not told."""
    is_there: bool = True
    in_store: bool = False
    """Whether it is in Parameter Store or Secrets Manager."""
    seen: VariableEntry | None = None
    """As Vercel lists it."""
    outside: tuple[str, ...] = ()
    """Where Vercel has a variable of that name, if not for production."""


def expected(evidence: CheckContext, name: str) -> Iterator[Expected]:
    """The variable of that name at each target that could be asked."""
    yield from on_vercel(evidence, name)
    yield from in_the_store(evidence, name)


def on_vercel(evidence: CheckContext, name: str) -> Iterator[Expected]:
    """The variable in production of the project; each entry, where it is there twice."""
    found = evidence.on_vercel
    if found is None or isinstance(found, SetupError):
        return
    wanted = _wanted(evidence, name, evidence.key_arn)
    entries = [each for each in found if each.name == name]
    ours = [each for each in entries if each.in_production]
    for each in ours:
        yield Expected(name=name, place=each.place, wanted=wanted, value=each.value, seen=each)
    if not ours:
        settings = evidence.settings
        yield Expected(
            name=name,
            place=f"Vercel project {settings.vercel_team}/{settings.vercel_project}",
            wanted=wanted,
            value=None,
            is_there=False,
            outside=tuple(place for each in entries for place in each.elsewhere),
        )


def in_the_store(evidence: CheckContext, name: str) -> Iterator[Expected]:
    """The parameter or secret in each Region of the key, where ECS or EKS reads it; the escrow is looked at apart."""
    if not evidence.settings.uses_store:
        return
    arns = evidence.outputs.key_arns if evidence.outputs else tuple(filter(None, (evidence.key_arn,)))
    store = "Secrets Manager" if evidence.settings.secret_store is SecretStore.SECRETS_MANAGER else "Parameter Store"
    for arn in arns:
        found = evidence.stored(region_of(arn))
        if isinstance(found, SetupError):
            continue
        yield Expected(
            name=name,
            in_store=True,
            place=f"{store} {evidence.settings.names.parameter_prefix}/{name} in {region_of(arn)}",
            wanted=_wanted(evidence, name, arn),
            value=found.get(name),
            is_there=name in found,
        )


def _wanted(evidence: CheckContext, name: str, key_arn: str | None) -> str | None:
    if key_arn is None:
        return None
    return {"AWS_KMS_KEY_ID": key_arn, "AWS_REGION": region_of(key_arn)}.get(name)


def framed(evidence: CheckContext, one: Expected, value: str) -> Finding | None:
    """What is wrong with a value that is empty, or right but for what stands around it."""
    bare = value.strip(AROUND)
    if not bare:
        return Finding(
            cause="variable-empty",
            what=f"{one.name} in {one.place} is empty",
            why=EMPTY,
            command=fixes.push(evidence),
            then=THEN,
        )
    if bare != value and bare == one.wanted:
        return Finding(
            cause="variable-quoted",
            what=f"{one.name} in {one.place} has quotation marks or white space around it",
            why="they are part of the value for the application, which cannot use it so",
            command=fixes.push(evidence),
            then=THEN,
        )
    return None


EMPTY = (
    "the application says “Encryption key not initialized”; with AWS_KMS_KEY_ID set and no ENCRYPTED_PHI_KEY "
    "it makes itself a new data key, which opens no record"
)


def what_vercel_tells(evidence: CheckContext) -> Iterator[Told]:
    """Whether Vercel can be asked at all."""
    context = evidence.found.context()
    for target in deploy_targets(context.targets):
        name = f"{target.title} {target.describe(context.settings).place}"
        problem = target.access_problem(context)
        if isinstance(problem, CredentialsError):
            yield Finding(
                cause="vercel-token-refused",
                what=f"{name} cannot be read: {problem.message}",
                why="which variables the application has is not known",
                command=problem.hint,
            )
        elif isinstance(problem, SetupError):
            # Without a token it is the caller's own rights that are missing.
            yield NotChecked(what=name, why=problem.message, is_denied=isinstance(problem, MissingAnswers))
        elif target.has_own_copy and isinstance(entries := evidence.on_vercel, SetupError):
            yield NotChecked.of(f"the variables of {name}", entries)


def what_the_store_tells(evidence: CheckContext) -> Iterator[Told]:
    """Whether the store of the parameters can be asked."""
    if not evidence.settings.uses_store:
        return
    for region in evidence.settings.regions:
        if isinstance(found := evidence.stored(region), SetupError):
            yield NotChecked.of(f"what is under {evidence.settings.names.parameter_prefix} in {region}", found)


# --- ENCRYPTED_PHI_KEY on Vercel -----------------------------------------------------------------------------------


def the_data_key_on_vercel(evidence: CheckContext) -> Iterator[Told]:
    """Whether production has the escrowed data key: by its value where Vercel tells it, else by its comment."""
    stored_data_key = evidence.stored_data_key
    ours = stored_data_key.wrapped if isinstance(stored_data_key, StoredDataKey) else None
    for one in on_vercel(evidence, DATA_KEY_VARIABLE):
        if not one.is_there or one.seen is None:
            yield _absent(evidence, one)
        elif one.value is None:
            yield _by_comment(evidence, one, one.seen, ours)
        elif (found := damage(one.value, of=ours)) is not None:
            yield _damaged(evidence, one, one.seen, found, ours)
        elif ours is None:
            yield NotChecked(what=f"{one.name} in {one.place}", why="there is no escrowed data key to compare it with")
        elif one.value == ours.value:
            yield _type(evidence, one, one.seen)
        else:
            yield _another(evidence, one, one.seen, WrappedDataKey(value=one.value).fingerprint, ours)


def _absent(evidence: CheckContext, one: Expected) -> Finding:
    if one.outside:
        return Finding(
            cause="variable-wrong-environment",
            what=f"{one.name} in {one.place} is set for {', '.join(one.outside)}, and not for production",
            why=EMPTY,
            command=fixes.push(evidence),
            then=THEN,
        )
    return Finding(
        cause="variable-missing",
        what=f"{one.name} is not set in production of {one.place}",
        why=EMPTY,
        command=fixes.push(evidence),
        then=THEN,
    )


_HOW = {
    Damage.EMPTY: ("variable-empty", "is empty", EMPTY),
    Damage.QUOTED: (
        "variable-quoted",
        "has quotation marks or white space around it",
        "they are part of the value for the application, which says “Encryption key not initialized”",
    ),
    Damage.TRUNCATED: (
        "variable-truncated",
        "is cut off",
        "KMS answers InvalidCiphertextException, and the application says “Encryption key not initialized”",
    ),
    Damage.MALFORMED: (
        "variable-malformed",
        "is no wrapped data key",
        "KMS answers InvalidCiphertextException, and the application says “Encryption key not initialized”",
    ),
}


def _damaged(
    evidence: CheckContext, one: Expected, seen: VariableEntry, found: Damage, ours: WrappedDataKey | None
) -> Finding:
    cause, what, why = _HOW[found]
    # Of a value that is not known to have been ours nothing is thrown away, whatever it looks like.
    is_ours = ours is None or seen.claimed == ours.fingerprint or is_remnant(one.value or "", of=ours)
    return Finding(
        cause=cause,
        what=f"{one.name} in {one.place} {what}",
        why=why,
        command=fixes.push(evidence) if is_ours else _rename_existing(evidence, seen),
        then=THEN,
    )


def _rename_existing(evidence: CheckContext, seen: VariableEntry) -> str:
    """The variable under another name, value and all, and ours in its place."""
    return fixes.push(evidence, "--rename-existing", seen.id, "--confirm", evidence.stack)


def _by_comment(evidence: CheckContext, one: Expected, seen: VariableEntry, ours: WrappedDataKey | None) -> Told:
    if ours is None:
        return NotChecked(what=f"{one.name} in {one.place}", why="there is no escrowed data key to compare it with")
    if seen.claimed == ours.fingerprint:
        return Passed(what=f"{one.name} in {one.place} is {ours.fingerprint}, by its comment; Vercel tells no value")
    return _another(evidence, one, seen, seen.claimed, ours)


def _type(evidence: CheckContext, one: Expected, seen: VariableEntry) -> Told:
    if seen.type in ("sensitive", ""):
        return Passed(what=f"{one.name} in {one.place} is the stored data key")
    return Finding(
        cause="variable-type",
        what=f"{one.name} in {one.place} is stored as {seen.type}, not as sensitive",
        why="whoever may see the project's settings can read it; it is the stored data key",
        command=fixes.push(evidence),
    )


def _another(
    evidence: CheckContext, one: Expected, seen: VariableEntry, fingerprint: str | None, ours: WrappedDataKey
) -> Finding:
    kept = evidence.kept
    if fingerprint is not None and not isinstance(kept, SetupError) and fingerprint in kept:
        return Finding(
            cause="variable-outdated",
            what=f"{one.name} in {one.place} is {fingerprint}, an earlier version of the data key",
            why=f"the escrow holds {ours.fingerprint} now; the two are out of step",
            command=fixes.push(evidence),
            then=THEN,
        )
    which = f"the data key {fingerprint}" if fingerprint else "some data key: Vercel tells neither value nor comment"
    return Finding(
        cause="data-key-foreign",
        what=f"{one.name} in {one.place} is {which}, not the escrowed {ours.fingerprint}",
        why="what it encrypted the escrowed key does not open, and the other way round; nothing overwrites it, "
        "for it may be the only key to records: it gets another name, and keeps its value",
        command=_rename_existing(evidence, seen),
        then=f"find out which records it opens before it is removed; {THEN}",
    )


# --- the other two -------------------------------------------------------------------------------------------------


def the_companions(evidence: CheckContext) -> Iterator[Told]:
    """Whether AWS_KMS_KEY_ID and AWS_REGION stand beside the data key at every target."""
    for name in ("AWS_KMS_KEY_ID", "AWS_REGION"):
        for one in expected(evidence, name):
            if not one.is_there:
                yield _no_parameter(evidence, one) if one.in_store else _absent(evidence, one)
            elif one.value is None:
                yield _untold(evidence, one)
            elif name == "AWS_REGION" and one.wanted is not None:
                yield _region(evidence, one, one.value, one.wanted)


def _untold(evidence: CheckContext, one: Expected) -> Told:
    """Of a variable that somebody made sensitive: its comment is all that is known of it."""
    stored_data_key = evidence.stored_data_key
    claimed = one.seen.claimed if one.seen else None
    if isinstance(stored_data_key, StoredDataKey) and claimed == stored_data_key.wrapped.fingerprint:
        return Passed(what=f"{one.name} in {one.place} goes with {claimed}, by its comment; Vercel tells no value")
    return Finding(
        cause="variable-untold",
        what=f"{one.name} in {one.place} is sensitive, and nothing says that it is ours",
        why="Vercel tells no value; with another key or Region than the data key's the application cannot open it",
        command=fixes.push(evidence),
        then=THEN,
    )


def _no_parameter(evidence: CheckContext, one: Expected) -> Finding:
    return Finding(
        cause="parameter-missing",
        what=f"{one.name} is not there: {one.place}",
        why="ECS starts no task whose secrets it cannot read (ResourceInitializationError)",
        command=fixes.push(evidence),
        then=THEN,
    )


def _region(evidence: CheckContext, one: Expected, value: str, wanted: str) -> Told:
    if value == wanted:
        return Passed(what=f"AWS_REGION in {one.place} is {wanted}")
    return framed(evidence, one, value) or Finding(
        cause="region-wrong",
        what=f"AWS_REGION in {one.place} is not {wanted}, the key's Region",
        why="KMS of another Region does not know the key: NotFoundException, or AccessDeniedException",
        command=fixes.push(evidence),
        then=THEN,
    )


def the_parameters(evidence: CheckContext) -> Iterator[Told]:
    """Whether each Region's store has the escrowed data key."""
    stored_data_key = evidence.stored_data_key
    if not isinstance(stored_data_key, StoredDataKey):
        return
    for one in in_the_store(evidence, DATA_KEY_VARIABLE):
        if not one.is_there:
            yield _no_parameter(evidence, one)
        elif one.value != stored_data_key.wrapped.value:
            yield Finding(
                cause="parameter-wrong",
                what=f"{one.place} is another data key than the escrowed {stored_data_key.wrapped.fingerprint}",
                why="a replica opens the same data key; two in use are two sets of records",
                command=fixes.push(evidence),
                then=THEN,
            )


ACCESS_CHECKS: tuple[Check, ...] = (
    what_vercel_tells,
    what_the_store_tells,
    the_data_key_on_vercel,
    the_companions,
    the_parameters,
)
