"""Answers: ranked by their source, turned into `Settings` and read back from them.

Pure: the environment and the answers file's content are parameters. All faults are reported at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from wizard.core.clients import Answer, Source
from wizard.core.errors import MissingAnswers, UsageError
from wizard.core.models.inputs import CALLER, CREATE, Input
from wizard.core.next_command import VERCEL_LOGIN, Text, eonpro
from wizard.inputs.answers_file import EXAMPLES, listed
from wizard.inputs.registry import INPUTS, by_key

if TYPE_CHECKING:
    from components.settings import ContractError, Settings
    from wizard.core.models.account import Identity


_FIELD = r"\b[a-z]+(?:[A-Z][a-z]+)+\b"
"""The name of a field in a message about two fields."""

_WORDS = {"administrators": CALLER, "app_principal": CREATE, "trail": CREATE}
_EXAMPLES = {"region": "us-east-1", "account": CALLER, "environment": "production", "target": "vercel", **_WORDS}


def resolve(
    *,
    flags: Mapping[str, Any],
    environ: Mapping[str, str],
    file: Mapping[str, Any],
    file_name: str,
    saved: Mapping[str, Any],
    saved_name: str,
    detected: Mapping[str, Answer],
    draft: Mapping[str, Any] = MappingProxyType({}),
    copied: Mapping[str, Any] = MappingProxyType({}),
    copied_name: str = "",
    read_secret: Callable[[str], str] | None = None,
) -> dict[str, Answer]:
    """The answer of the highest rank to each input. An empty variable is unset.

    `draft`: the answers of an interrupted run. `copied`: those of another stack, without the inputs that differ in
    every stack. `read_secret` reads the file that a secret's flag or file key names; None: no such file is read.
    A saved answer is ignored when the answer it follows has changed: another trail has another bucket.
    Raises UsageError with every value that cannot be used, each with its source.
    """
    answers: dict[str, Answer] = {}
    faults = []
    earlier = (
        (Source.DRAFT, "the run before", draft),
        (Source.SAVED, saved_name, saved),
        (Source.COPIED, copied_name, {key: value for key, value in copied.items() if not by_key[key].own}),
    )
    for entry in INPUTS:
        candidate = _from_this_run(entry, flags, environ, file, file_name) or _from_earlier(entry, earlier, answers)
        if candidate is None:
            if entry.key in detected:
                answers[entry.key] = replace(detected[entry.key], secret=entry.secret)
            elif entry.default is not None:
                answers[entry.key] = Answer(value=entry.default, source=Source.DEFAULT, where="default")
            continue
        _, source, where = candidate
        try:
            if (answer := _parsed(entry, *candidate, read_secret)) is not None:
                answers[entry.key] = answer
        except ValueError as error:
            if source is Source.DRAFT:
                continue  # It is asked again.
            place = f"{entry.file_key} in {where}" if source not in (Source.FLAG, Source.ENVIRONMENT) else where
            faults.append(f"{place}: {error}")
    if faults:
        raise _unusable(faults)
    return answers


def _parsed(
    entry: Input, raw: Any, source: Source, where: str, read_secret: Callable[[str], str] | None
) -> Answer | None:
    """The answer; None for a secret that the command does not need. Raises ValueError."""
    if entry.secret and source in (Source.FLAG, Source.FILE):
        if read_secret is None:
            return None
        raw = _secret_in(str(raw), read_secret)
    # A deployed stack may have values that new settings refuse: `setup` refuses them later.
    value = entry.parse(raw, deployed=source is Source.SAVED)
    return Answer(value=value, source=source, where=where, secret=entry.secret)


def _unusable(faults: Sequence[str]) -> UsageError:
    count = "1 answer cannot be used" if len(faults) == 1 else f"{len(faults)} answers cannot be used"
    is_token = [fault.partition(":")[0] for fault in faults] == ["VERCEL_TOKEN"]
    again = Text("fix these answers (", eonpro("--help"), " describes each), then run the command again")
    return UsageError(listed(count, faults), VERCEL_LOGIN if is_token else again)


def are_written(answers: Mapping[str, Answer]) -> bool:
    """Whether a file gives answers: an optional input that it leaves out is answered by its default, and not asked."""
    return any(answer.source is Source.FILE for answer in answers.values())


def _from_this_run(
    entry: Input, flags: Mapping[str, Any], environ: Mapping[str, str], file: Mapping[str, Any], file_name: str
) -> tuple[Any, Source, str] | None:
    if flags.get(entry.file_key) is not None:
        return (flags[entry.file_key], Source.FLAG, entry.flag)
    if environ.get(entry.variable):
        return (environ[entry.variable], Source.ENVIRONMENT, entry.variable)
    if file.get(entry.file_key) is not None:
        return (file[entry.file_key], Source.FILE, file_name)
    return None


def _from_earlier(
    entry: Input, earlier: Sequence[tuple[Source, str, Mapping[str, Any]]], answers: Mapping[str, Answer]
) -> tuple[Any, Source, str] | None:
    for source, where, values in () if entry.secret else earlier:
        if entry.key in values and not _is_stale(entry, answers, values):
            return values[entry.key], source, where
    return None


def _secret_in(path: str, read_secret: Callable[[str], str]) -> str:
    if not path.strip():
        raise ValueError("names no file")
    try:
        # Editors end a file with a newline.
        return read_secret(path).strip()
    except UnicodeDecodeError:
        # Without its cause, which holds the content of the file.
        raise ValueError(f"the file {path} is not a text file") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "the name is not valid"
        raise ValueError(f"the file {path!r} cannot be read: {reason}") from None


def _is_stale(entry: Input, answers: Mapping[str, Answer], earlier: Mapping[str, Any]) -> bool:
    if entry.follows is None or entry.follows not in answers:
        return False
    return bool(answers[entry.follows].value != earlier.get(entry.follows, by_key[entry.follows].default))


def from_settings(settings: Settings) -> dict[str, Any]:
    """The saved answers: values by the key of their input.

    None is the answer `none`: the question is not asked again.
    """
    values: dict[str, Any] = {}
    for entry in INPUTS:
        answered = entry.asked and entry.optional and entry.needed(values)
        if entry.field is None or (entry.asked and entry.optional and not answered):
            continue
        value = getattr(settings, entry.field)
        if entry.many:
            value = tuple(str(member) for member in value)
        elif value is None and CREATE in entry.words and not entry.optional:
            value = CREATE
        if value not in (None, ()):
            values[entry.key] = value
        elif answered:
            values[entry.key] = None
    if settings.makes_trail:
        # None too: it is the name that the settings derive, and a new stack's bucket has another one.
        values["trail_bucket"] = settings.trail_bucket
    return values


def to_settings(values: Mapping[str, Any], *, identity: Identity, retained_targets: tuple[str, ...] = ()) -> Settings:
    """Settings from values; `caller` means `identity`, `retained_targets` are added to the target.

    Raises ContractError with every fault.
    """
    from components.settings import Settings
    from components.settings.names import DEFAULT_APPLICATION, regional_bucket

    fields: dict[str, Any] = {}
    for entry in INPUTS:
        value = values.get(entry.key)
        if entry.field is None or value is None or value == CREATE and CREATE in entry.words:
            continue
        if entry.key == "account":
            value = identity.account_id if value == CALLER else value
        elif entry.key in ("administrators", "deletion_administrators", "incident_responders"):
            value = tuple(identity.principal_arn if member == CALLER else member for member in value)
        elif entry.key == "target":
            value = (*value, *retained_targets)
        fields[entry.field] = value
    if not fields.get("strict_key_policy"):
        fields.update(_with_patterns(fields))
    if retained_targets:
        fields.setdefault("deploy_targets", retained_targets)
    own_trail = "existing_trail_arn" not in fields and {"account_id", "region"} <= fields.keys()
    if own_trail and "trail_bucket" not in values:
        # A new stack: nobody else can take a name in the account's own namespace.
        fields["trail_bucket"] = regional_bucket(
            account_id=str(fields["account_id"]),
            region=str(fields["region"]),
            environment=str(fields.get("environment") or "production"),
            application=str(fields.get("application") or DEFAULT_APPLICATION),
        )
    return Settings.read(fields)


def _with_patterns(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Administrators that are roles of IAM Identity Center, by pattern: such a role gets a new ARN when created again.

    Not under a strict key policy, which requires ARNs.
    """
    named = tuple(fields.get("administrators") or ())
    patterns = {arn: pattern for arn in named if (pattern := sso_pattern(arn))}
    if not patterns:
        return {}
    return {
        "administrators": tuple(arn for arn in named if arn not in patterns),
        "administrator_patterns": (*(fields.get("administrator_patterns") or ()), *patterns.values()),
    }


def refused(error: ContractError) -> UsageError:
    """The faults of the settings as a UsageError, each with the flag that fixes it."""
    from wizard.core.json_documents import camel

    inputs = {camel(entry.field): entry for entry in INPUTS if entry.field}
    faults = []
    for field, fault in error.faults:
        if field in inputs:
            faults.append(f"{inputs[field].flag}: {fault}")
        else:
            faults.append(re.sub(_FIELD, lambda name: inputs[name[0]].flag if name[0] in inputs else name[0], fault))
    return UsageError(
        listed("these answers do not fit together", faults), "fix these answers, then run the same command again"
    )


def missing(values: Mapping[str, Any]) -> tuple[Input, ...]:
    """Every needed input without a value; inputs of a target only once the target is known."""
    return tuple(
        entry
        for entry in INPUTS
        if not entry.optional and entry.default is None and not values.get(entry.key) and entry.needed(values)
    )


def missing_error(inputs: Sequence[Input], values: Mapping[str, Any]) -> MissingAnswers:
    """The error that names all missing answers, each with its sources, and the command to type.

    The command has also what its own values need: with `--target vercel`, the team and the project.
    """
    count = "1 answer is missing" if len(inputs) == 1 else f"{len(inputs)} answers are missing"
    lines = [f"{entry.key}: {', or '.join(entry.sources)}" for entry in inputs]
    typed = {entry.key: _EXAMPLES[entry.key] for entry in inputs if entry.key in _EXAMPLES}
    asked = [entry for entry in missing({**values, **typed}) if entry not in inputs]
    shown = {entry: "FILE" if entry.secret else typed.get(entry.key, entry.metavar) for entry in (*inputs, *asked)}
    flags = [word for entry, value in shown.items() for word in (entry.flag, value)]
    own = [value for value in shown.values() if value.isupper()]
    return MissingAnswers(
        listed(f"{count}, and the run is not interactive", lines)
        + f"\nComplete answers files to start from: {EXAMPLES}vercel.yaml, {EXAMPLES}ecs.yaml",
        eonpro(*flags, advice=f"with your own {' and '.join(own)}" if own else ""),
        tuple(entry.key for entry in inputs),
    )


_SSO_ROLE = (
    r"arn:(?P<partition>aws[a-z-]*):iam::(?P<account>[0-9]{12}):role/"
    # The path has the Region of Identity Center, except us-east-1. The caller's ARN has no path if it cannot be read.
    r"(?:aws-reserved/sso\.amazonaws\.com/(?:[a-z0-9-]+/)?)?"
    r"AWSReservedSSO_(?P<permission_set>[\w+=,.@-]{1,32})_[0-9a-f]{16}"
)


def sso_pattern(principal_arn: str) -> str | None:
    """The pattern of all roles that IAM Identity Center creates for the principal's permission set in this account.

    None for any other principal. Only Identity Center can create roles of that path. The pattern counts the sixteen
    characters at the end, because `_*` would also match a permission set with a longer name.
    https://docs.aws.amazon.com/singlesignon/latest/userguide/referencingpermissionsets.html
    """
    role = re.fullmatch(_SSO_ROLE, principal_arn, re.ASCII)
    if role is None:
        return None
    return (
        f"arn:{role['partition']}:iam::{role['account']}:role/aws-reserved/sso.amazonaws.com/"
        f"*AWSReservedSSO_{role['permission_set']}_{'?' * 16}"
    )
