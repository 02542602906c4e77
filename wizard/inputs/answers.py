"""Answers: taken at every door, ranked by where they come from, made into `Settings` and read back from them.

Pure: the environment and the answers file's text are handed in. Faults are told all at once, by door.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from wizard.core.errors import MissingAnswers, UsageError
from wizard.core.models.inputs import CALLER, CREATE, Input
from wizard.inputs.answers_file import listed
from wizard.inputs.registry import INPUTS, by_key

if TYPE_CHECKING:
    from components.settings import ContractError, Settings
    from wizard.core.models.account import Identity


class Source(StrEnum):
    """Where an answer comes from, the strongest first."""

    FLAG = "flag"
    ENVIRONMENT = "environment"
    FILE = "file"
    DRAFT = "draft"
    SAVED = "saved"
    COPIED = "copied"
    DETECTED = "detected"
    DEFAULT = "default"
    ASKED = "asked"


@dataclass(frozen=True, kw_only=True, repr=False)
class Answer:
    """A value with its source. None is the answer `none`, which an optional input takes."""

    value: Any
    source: Source
    where: str
    """The door: `--region`, `EONPRO_REGION`, a file's name, `sts`."""
    secret: bool = False

    def __repr__(self) -> str:
        value = "<hidden>" if self.secret else repr(self.value)
        return f"Answer(value={value}, source={self.source.value!r}, where={self.where!r})"


_FIELD = re.compile(r"\b[a-z]+(?:[A-Z][a-z]+)+\b")
"""A field's name, as a fault between two of them has it."""

_WORDS = {"administrators": CALLER, "app_principal": CREATE, "trail": CREATE}
_EXAMPLES = {
    "region": "us-east-1",
    "account": CALLER,
    "environment": "production",
    "target": "vercel",
    **_WORDS,
}


# --- ranking -----------------------------------------------------------------------------------------------


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
    """For each input the answer of the highest rank. An empty variable is unset.

    `draft` holds the answers of a run that was left half-way, `copied` those of another stack, of which the ones that
    each stack needs for itself are passed over. `read_secret` reads the file that a secret's flag or file key names;
    without it no such file is read.
    A saved answer is passed over when the one it follows has changed: another trail has another bucket.
    Raises UsageError with every value that cannot be used, each with its door.
    """
    answers: dict[str, Answer] = {}
    faults = []
    earlier = (
        (Source.DRAFT, "the run before", draft),
        (Source.SAVED, saved_name, saved),
        (Source.COPIED, copied_name, {key: value for key, value in copied.items() if not by_key[key].own}),
    )
    for each in INPUTS:
        given = _given(each, flags, environ, file, file_name)
        if given is None and not each.secret:
            given = next(
                (
                    (values[each.key], source, where)
                    for source, where, values in earlier
                    if each.key in values and not _is_stale(each, answers, values)
                ),
                None,
            )
        if given is None and each.key in detected:
            answers[each.key] = replace(detected[each.key], secret=each.secret)
            continue
        if given is None:
            if each.default is not None:
                answers[each.key] = Answer(value=each.default, source=Source.DEFAULT, where="default")
            continue
        raw, source, where = given
        try:
            if each.secret and source in (Source.FLAG, Source.FILE):
                if read_secret is None:
                    continue  # The command needs no secret.
                raw = _secret_in(str(raw), read_secret)
            # A deployed stack may have what new settings refuse: `setup` refuses it later, and `status` shows it.
            value = each.parse(raw, deployed=source is Source.SAVED)
            answers[each.key] = Answer(value=value, source=source, where=where, secret=each.secret)
        except ValueError as error:
            if source is Source.DRAFT:
                continue  # A help, never a hindrance: it is asked again.
            door = f"{each.file_key} in {where}" if source not in (Source.FLAG, Source.ENVIRONMENT) else where
            faults.append(f"{door}: {error}")
    if faults:
        count = "1 answer cannot be used" if len(faults) == 1 else f"{len(faults)} answers cannot be used"
        raise UsageError(
            listed(count, faults),
            "fix these answers (python -m wizard --help describes each), then run the command again",
        )
    return answers


def _given(
    each: Input, flags: Mapping[str, Any], environ: Mapping[str, str], file: Mapping[str, Any], file_name: str
) -> tuple[Any, Source, str] | None:
    if flags.get(each.file_key) is not None:
        return (flags[each.file_key], Source.FLAG, each.flag)
    if environ.get(each.variable):
        return (environ[each.variable], Source.ENVIRONMENT, each.variable)
    if file.get(each.file_key) is not None:
        return (file[each.file_key], Source.FILE, file_name)
    return None


def _secret_in(path: str, read_secret: Callable[[str], str]) -> str:
    if not path.strip():
        raise ValueError("names no file")
    try:
        # An editor ends a file with a line's end.
        return read_secret(path).strip()
    except UnicodeDecodeError:
        # Without its cause, which holds what stands in the file.
        raise ValueError(f"the file {path} holds no text") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "its name cannot be one"
        raise ValueError(f"the file {path!r} cannot be read: {reason}") from None


def _is_stale(each: Input, answers: Mapping[str, Answer], earlier: Mapping[str, Any]) -> bool:
    if each.follows is None or each.follows not in answers:
        return False
    return bool(answers[each.follows].value != earlier.get(each.follows))


# --- settings ----------------------------------------------------------------------------------------------


def from_settings(settings: Settings) -> dict[str, Any]:
    """The saved answers: values by the key of their input; what is not set has none.

    None is an answer too, where nothing was wanted: a question that was answered is not put again.
    """
    values: dict[str, Any] = {}
    for each in INPUTS:
        answered = each.asked and each.optional and each.needed(values)
        if each.field is None or (each.asked and each.optional and not answered):
            continue
        value = getattr(settings, each.field)
        if each.many:
            value = tuple(str(member) for member in value)
        elif value is None and CREATE in each.words and not each.optional:
            value = CREATE
        if value not in (None, ()):
            values[each.key] = value
        elif answered:
            values[each.key] = None
    return values


def to_settings(values: Mapping[str, Any], *, identity: Identity, kept_targets: tuple[str, ...] = ()) -> Settings:
    """Settings from values; `caller` is whom `identity` names, `kept_targets` stay beside the target.

    Raises ContractError with every fault.
    """
    from components.settings import Settings

    fields: dict[str, Any] = {}
    for each in INPUTS:
        value = values.get(each.key)
        if each.field is None or value is None or value == CREATE and CREATE in each.words:
            continue
        if each.key == "account":
            value = identity.account_id if value == CALLER else value
        elif each.key in ("administrators", "deletion_administrators"):
            value = tuple(identity.principal_arn if member == CALLER else member for member in value)
        elif each.key == "target":
            value = (*value, *kept_targets)
        fields[each.field] = value
    if not fields.get("strict_key_policy"):
        fields.update(_with_patterns(fields))
    if kept_targets:
        fields.setdefault("deploy_targets", kept_targets)
    return Settings.read(fields)


def _with_patterns(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Administrators that are roles of IAM Identity Center, by pattern: such a role's ARN ends when it is made anew.

    Not under a strict key policy, which only a name of its own opens.
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
    """The contract's refusal in the words of the inputs, each fault with the flag that mends it."""
    clients = {camel(each.field): each for each in INPUTS if each.field}
    faults = []
    for field, fault in error.faults:
        each = clients.get(field)
        named = _FIELD.sub(lambda name: clients[name[0]].flag if name[0] in clients else name[0], fault)
        faults.append(f"{each.flag}: {fault}" if each else named)
    return UsageError(
        listed("these answers do not fit together", faults),
        "fix these answers, then run the same command again",
    )


def camel(field: str) -> str:
    """A field's name as the stack's configuration spells it."""
    first, *rest = field.split("_")
    return first + "".join(part.capitalize() for part in rest)


# --- what is missing ---------------------------------------------------------------------------------------


def missing(values: Mapping[str, Any]) -> tuple[Input, ...]:
    """Every needed input without a value; what hangs on the target is not listed while that is missing."""
    return tuple(
        each
        for each in INPUTS
        if not each.optional and each.default is None and not values.get(each.key) and each.needed(values)
    )


def missing_error(inputs: Sequence[Input]) -> MissingAnswers:
    """The error that names all missing answers at once, each with its doors, and the command to type."""
    count = "1 answer is missing" if len(inputs) == 1 else f"{len(inputs)} answers are missing"
    lines = [f"{each.key}: {', or '.join(each.sources)}" for each in inputs]
    flags = [f"{each.flag} {'FILE' if each.secret else _EXAMPLES.get(each.key, each.metavar)}" for each in inputs]
    return MissingAnswers(
        listed(f"{count}, and the run is not interactive", lines)
        + "\nComplete answers files to start from: examples/vercel.yaml, examples/ecs.yaml",
        " ".join(["python -m wizard", *flags]),
        tuple(each.key for each in inputs),
    )


_SSO_ROLE = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):iam::(?P<account>[0-9]{12}):role/"
    # The Region of Identity Center is part of the path, but for us-east-1; a caller who may not ask for it has no path.
    r"(?:aws-reserved/sso\.amazonaws\.com/(?:[a-z0-9-]+/)?)?"
    r"AWSReservedSSO_(?P<permission_set>[\w+=,.@-]{1,32})_[0-9a-f]{16}",
    re.ASCII,
)


def sso_pattern(principal_arn: str) -> str | None:
    """The pattern of all roles that IAM Identity Center makes for the principal's permission set in this account.

    None for a principal that is no such role. No role of that path can be made by anybody else; the sixteen characters
    at its end are counted, for `_*` would fit a permission set whose name goes on.
    https://docs.aws.amazon.com/singlesignon/latest/userguide/referencingpermissionsets.html
    """
    role = _SSO_ROLE.fullmatch(principal_arn)
    if role is None:
        return None
    return (
        f"arn:{role['partition']}:iam::{role['account']}:role/aws-reserved/sso.amazonaws.com/"
        f"*AWSReservedSSO_{role['permission_set']}_{'?' * 16}"
    )
