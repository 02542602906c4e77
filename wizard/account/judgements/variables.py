"""The checks of a target's variables: whether they can be read, and ENCRYPTED_PHI_KEY on Vercel.

Reads through the facts.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from components.settings import KEY_ID_VARIABLE, REGION_VARIABLE
from components.settings.arn import Arn
from components.settings.stored_values import BY_VARIABLE, DATA_KEY
from wizard.account import fixes
from wizard.account.facts import StackFacts
from wizard.account.notices import Judgement, Notice, judgement
from wizard.core import next_command
from wizard.core.data_key import AROUND, Damage, WrappedDataKey, damage, is_remnant
from wizard.core.errors import CredentialsError, DataKeyConflict, MissingAnswers, SetupError, TargetMissing
from wizard.core.models.access import VariableEntry
from wizard.core.models.delivery import StoredDataKey
from wizard.core.models.vercel import Scope
from wizard.core.next_command import Command, Text, chain
from wizard.core.variable_ownership import OwnValues, is_own
from wizard.data_key.delivery import variables_of
from wizard.targets.port import StoreTarget, deploy_targets

THEN = "redeploy: a variable takes effect at the next start, and a failed load of the key is cached"


@dataclass(frozen=True, kw_only=True)
class Expected:
    """One variable of one target, with its actual and its expected value."""

    name: str
    """As the application reads it; a parameter's is the guide's."""
    variable: str
    """The guide's name of it."""
    place: str
    expected_value: str | None = field(repr=False)
    """None if the expected value is not known."""
    value: str | None = field(repr=False)
    """None if it does not exist, or Vercel does not return it."""
    exists: bool = True
    in_store: bool = False
    """Whether it is in Parameter Store or Secrets Manager."""
    entry: VariableEntry | None = None
    """The entry in Vercel's list."""
    outside: tuple[str, ...] = ()
    """The other environments with a variable of that name."""


def expected(facts: StackFacts, name: str) -> Iterator[Expected]:
    """The variable that the guide calls so, at each target that can be accessed."""
    yield from on_vercel(facts, name)
    yield from in_the_store(facts, name)


def on_vercel(facts: StackFacts, name: str) -> Iterator[Expected]:
    """The variable of the project's environment; every entry if it exists twice."""
    variables = facts.vercel_variables
    if variables is None or isinstance(variables, SetupError):
        return
    expected_value = _expected_value(facts, name, facts.key_arn)
    delivered_name = facts.settings.delivered_names[name]
    entries = [entry for entry in variables if entry.name == delivered_name]
    ours = [entry for entry in entries if entry.in_scope]
    for entry in ours:
        yield Expected(
            name=delivered_name,
            variable=name,
            place=entry.place,
            expected_value=expected_value,
            value=entry.value,
            entry=entry,
        )
    if not ours:
        settings = facts.settings
        yield Expected(
            name=delivered_name,
            variable=name,
            place=f"Vercel project {settings.vercel_team}/{settings.vercel_project}",
            expected_value=expected_value,
            value=None,
            exists=False,
            outside=tuple(place for entry in entries for place in entry.elsewhere),
        )


def in_the_store(facts: StackFacts, name: str) -> Iterator[Expected]:
    """The parameter or secret in each Region of the key, if ECS or EKS reads it."""
    if not facts.settings.uses_store:
        return
    store = facts.settings.secret_store.service
    for arn in facts.key_arns:
        values = facts.stored_values(Arn.parse(arn).region)
        if isinstance(values, SetupError):
            continue
        yield Expected(
            name=name,
            variable=name,
            in_store=True,
            place=f"{store} {facts.settings.names.parameter_prefix}/{name} in {Arn.parse(arn).region}",
            expected_value=_expected_value(facts, name, arn),
            value=values.get(name),
            exists=name in values,
        )


def _expected_value(facts: StackFacts, name: str, key_arn: str | None) -> str | None:
    if key_arn is None:
        return None
    return {KEY_ID_VARIABLE: key_arn, REGION_VARIABLE: Arn.parse(key_arn).region}.get(name)


def push(facts: StackFacts, cause: str, what: str, why: str, *words: str) -> Notice:
    """The finding that a delivery, with these words, and a new start of the application solve."""
    return Notice.wrong(cause, what=what, why=why, command=fixes.push(facts, *words), advice=THEN)


def surrounding_fault(facts: StackFacts, variable: Expected, value: str) -> Notice | None:
    """The finding for a value that is empty, or correct except for quotation marks or white space around it."""
    bare = value.strip(AROUND)
    if not bare:
        cause, what, why = "variable-empty", "is empty", EMPTY
    elif bare != value and bare == variable.expected_value:
        cause, what = "variable-quoted", "has quotation marks or white space around it"
        why = "the application reads them as a part of the value"
    else:
        return None
    return push(facts, cause, f"{variable.name} in {variable.place} {what}", why)


EMPTY = DATA_KEY.missing


@judgement("application-tested")
def check_vercel_access(facts: StackFacts) -> Iterator[Notice]:
    """Whether Vercel can be accessed."""
    target_context = facts.context()
    for target in deploy_targets(target_context.targets):
        name = f"{target.title} {target.describe(target_context.settings).place}"
        problem = target.access_problem(target_context)
        if isinstance(problem, TargetMissing):
            yield _target_missing(facts, problem)
        elif problem is not None:
            cause = "vercel-token-refused" if isinstance(problem, CredentialsError) else "vercel-unreachable"
            yield Notice.wrong(
                "vercel-token-missing" if isinstance(problem, MissingAnswers) else cause,
                what=f"{name} cannot be read: {problem.message}",
                why="it is not known which variables the application has",
                hint=problem.hint,
            )
        elif target.has_own_copy and isinstance(entries := facts.vercel_variables, SetupError):
            yield Notice.unread(f"the variables of {name}", entries)


def _target_missing(facts: StackFacts, problem: TargetMissing) -> Notice:
    """A project is created where there is no other: one that was renamed is still there, with the application."""
    step = next_command.document(problem.create)
    anew = chain(step["command"] or "", fixes.eonpro(facts, "push", "--yes", "--redeploy"))
    follow = fixes.eonpro(facts, "setup", "--vercel-project", "NAME")
    return Notice.wrong(
        "target-missing",
        what=problem.message,
        why="the application does not run there any more: it was renamed, or deleted with its variables",
        command=problem.others or anew,
        advice=Text("was it renamed? Then ", follow, "; if it was deleted: ", anew)
        if problem.others
        else step["advice"] or "",
    )


@judgement("application-tested")
def check_target_variables(facts: StackFacts) -> Iterator[Notice]:
    """Whether a target that keeps its variables in a place of its own has them; by the target's own comparison."""
    context, stored = facts.context(), facts.stored_data_key
    others = [
        target
        for target in deploy_targets(context.targets)
        if not target.has_own_copy and not isinstance(target, StoreTarget)
    ]
    if not others or not isinstance(stored, StoredDataKey) or not facts.key_arns:
        return  # check_stored_data_key and check_keys report what is missing.
    for target in others:
        if target.access_problem(context):
            continue  # Reported by check_vercel_access.
        try:
            missing = target.missing(context, variables_of(context, stored.wrapped, facts.key_arns))
        except DataKeyConflict as conflict:
            why = "the application cannot decrypt what is encrypted under another data key"
            yield Notice.wrong("data-key-foreign", what=conflict.message, why=why, hint=conflict.hint)
            continue
        if missing:
            yield push(facts, "variable-missing", missing, "without them the application cannot load its data key")
        else:
            yield Notice.good(f"{target.title} has the variables of the stack")


@judgement("application-tested")
def check_store_access(facts: StackFacts) -> Iterator[Notice]:
    """Whether the store of the parameters can be read."""
    if not facts.settings.uses_store:
        return
    for region in facts.settings.regions:
        if isinstance(values := facts.stored_values(region), SetupError):
            yield Notice.unread(f"the values under {facts.settings.names.parameter_prefix} in {region}", values)


# --- ENCRYPTED_PHI_KEY on Vercel


@judgement("application-tested")
def check_data_key_on_vercel(facts: StackFacts) -> Iterator[Notice]:
    """Whether the environment has the stored data key: by its value if Vercel returns it, else by its comment."""
    stored_data_key = facts.stored_data_key
    ours = stored_data_key.wrapped if isinstance(stored_data_key, StoredDataKey) else None
    for variable in on_vercel(facts, facts.settings.names.variable):
        if not variable.exists or variable.entry is None:
            yield absent(facts, variable)
        elif variable.value is None:
            yield _by_comment(facts, variable, variable.entry, ours)
        elif (fault := damage(variable.value, of=ours)) is not None:
            yield _damaged(facts, variable, variable.entry, fault, ours)
        elif ours is None:
            yield Notice.unknown(
                f"{variable.name} in {variable.place}", why="there is no stored data key to compare it with"
            )
        elif variable.value == ours.value:
            yield _type(facts, variable, variable.entry)
        else:
            yield _another(facts, variable, variable.entry, WrappedDataKey(value=variable.value).fingerprint, ours)


def absent(facts: StackFacts, variable: Expected) -> Notice:
    own = Scope.of(facts.settings).words
    cause, what = "variable-missing", f"{variable.name} is not set in {own} of {variable.place}"
    if variable.outside:
        cause = "variable-wrong-environment"
        what = f"{variable.name} in {variable.place} is set for {', '.join(variable.outside)}, but not for {own}"
    return push(facts, cause, what, BY_VARIABLE.get(variable.variable, DATA_KEY).missing)


_DAMAGE = {
    Damage.EMPTY: ("variable-empty", "is empty", EMPTY),
    Damage.QUOTED: (
        "variable-quoted",
        "has quotation marks or white space around it",
        "the application reads them as a part of the value, and says “Encryption key not initialized”",
    ),
    Damage.TRUNCATED: (
        "variable-truncated",
        "is cut off",
        "KMS answers InvalidCiphertextException, and the application says “Encryption key not initialized”",
    ),
    Damage.MALFORMED: (
        "variable-malformed",
        "is not a wrapped data key",
        "KMS answers InvalidCiphertextException, and the application says “Encryption key not initialized”",
    ),
}


def _damaged(
    facts: StackFacts, variable: Expected, entry: VariableEntry, fault: Damage, ours: WrappedDataKey | None
) -> Notice:
    cause, what, why = _DAMAGE[fault]
    # A value that may be another data key is renamed, never overwritten.
    is_ours = ours is None or entry.claimed == ours.fingerprint or is_remnant(variable.value or "", of=ours)
    return Notice.wrong(
        cause,
        what=f"{variable.name} in {variable.place} {what}",
        why=why,
        command=fixes.push(facts) if is_ours else _rename_existing(facts, entry),
        advice=THEN,
    )


def delivery(facts: StackFacts, variable: Expected) -> Command:
    """The push of the three; a variable that other environments read too is left to them, with its value."""
    entry = variable.entry
    if entry is not None and entry.elsewhere:
        return _rename_existing(facts, entry)
    return fixes.push(facts, *_replacement(facts, variable))


def _replacement(facts: StackFacts, variable: Expected) -> tuple[str, ...]:
    """The words that let a delivery replace the variable, where its value is not the stack's own.

    Whoever types them has read in the finding what is there. Of a parameter its tags decide, which are not read here.
    """
    entry, own = variable.entry, OwnValues.of(facts.settings, facts.outputs)
    if entry is not None:
        is_own_value = is_own(
            variable.variable,
            variable.value,
            own,
            is_marked=entry.is_marked,
            recorded=entry.recorded,
            is_changed=entry.is_changed,
        )
    else:
        is_own_value = not variable.exists or own.has(variable.variable, variable.value or "")
    return () if is_own_value else ("--replace-variable", variable.name)


def _rename_existing(facts: StackFacts, entry: VariableEntry) -> Command:
    """The command that renames the variable with its value, and delivers ours."""
    return fixes.push(facts, "--rename-existing", entry.id, "--confirm", facts.stack)


def _by_comment(facts: StackFacts, variable: Expected, entry: VariableEntry, ours: WrappedDataKey | None) -> Notice:
    if ours is None:
        return Notice.unknown(
            f"{variable.name} in {variable.place}", why="there is no stored data key to compare it with"
        )
    if entry.is_changed:
        return changed(
            variable,
            command=_rename_existing(facts, entry),
            advice="the command renames the variable with its value, which may be another data key, and delivers the "
            f"stored one; {THEN}",
        )
    if entry.claimed == ours.fingerprint:
        return Notice.good(
            f"{variable.name} in {variable.place} is {ours.fingerprint}, by its comment (Vercel returns no value)"
        )
    return _another(facts, variable, entry, entry.claimed, ours)


def changed(variable: Expected, *, command: Command, advice: str) -> Notice:
    return Notice.wrong(
        "variable-changed",
        what=f"{variable.name} in {variable.place} was changed since it was delivered",
        why="Vercel does not show the new value, and the comment is about the old one",
        command=command,
        advice=advice,
    )


def _type(facts: StackFacts, variable: Expected, entry: VariableEntry) -> Notice:
    if entry.type in ("sensitive", ""):
        return Notice.good(f"{variable.name} in {variable.place} is the stored data key")
    return Notice.wrong(
        "variable-type",
        what=f"{variable.name} in {variable.place} is stored as Config ({entry.type}), not as Secret",
        why="everybody who can see the project's settings can read it; it is the stored data key",
        command=fixes.push(facts),
    )


def _another(
    facts: StackFacts, variable: Expected, entry: VariableEntry, fingerprint: str | None, ours: WrappedDataKey
) -> Notice:
    versions = facts.version_fingerprints
    if fingerprint is not None and not isinstance(versions, SetupError) and fingerprint in versions:
        what = f"{variable.name} in {variable.place} is {fingerprint}, an earlier version of the data key"
        return push(facts, "variable-outdated", what, f"the stored data key is {ours.fingerprint} now")
    which = (
        f"the data key {fingerprint}"
        if fingerprint
        else "an unknown data key (Vercel returns neither value nor comment)"
    )
    return Notice.wrong(
        "data-key-foreign",
        what=f"{variable.name} in {variable.place} is {which}, not the stored {ours.fingerprint}",
        why="neither data key decrypts the records of the other; it may be the only key to records: the command "
        "renames it with its value, and does not overwrite it",
        command=_rename_existing(facts, entry),
        advice=f"find out which records need it before you remove it; {THEN}",
    )


# --- AWS_KMS_KEY_ID and AWS_REGION


ACCESS_CHECKS: tuple[Judgement, ...] = (
    check_vercel_access,
    check_target_variables,
    check_store_access,
    check_data_key_on_vercel,
)
