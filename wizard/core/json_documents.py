"""The documents of `--json`: one for each command, one for a failure, one for an interrupt, one for a bug.

Pure. `wizard/schemas/` has the JSON Schema of each; a field that changes its meaning changes VERSION. They hold no
secrets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, NotRequired, TypedDict, cast

from wizard.core import next_command
from wizard.core.data_key import WrappedDataKey
from wizard.core.errors import MissingAnswers, PreflightFailed, SetupError

if TYPE_CHECKING:
    from components.settings import Target
    from wizard.core.models.delivery import Delivered, DeliveryState
    from wizard.core.models.verification import Verification, VerificationState

VERSION: Literal["1"] = "1"
"""Version of the documents' form."""

Document = Mapping[str, Any]
"""Any document."""

# In a schema the annotation of a text is its pattern, its format, or its values.
Fingerprint = Annotated[str, "^sha256:[0-9a-f]{16}$"]
"""The fingerprint of a wrapped data key."""
Digest = Annotated[str, "^sha256:[0-9a-f]{64}$"]
"""The digest of a document."""
Account = Annotated[str, "^[0-9]{12}$"]
Time = Annotated[str, "date-time"]


class Head(TypedDict):
    """The first fields of every document."""

    version: Literal["1"]
    command: str | None
    ok: bool


class Proof(TypedDict):
    """A verification that the application can decrypt the data key."""

    target: Annotated[str, Target]
    state: VerificationState
    principal: str
    detail: str
    at: str
    keyMaterialId: NotRequired[Annotated[str, "^[0-9a-f]{64}$"]]
    """Only where KMS named the key material."""


class Delivery(TypedDict):
    """A target that has the variables; `checkedBy` is the evidence."""

    target: Annotated[str, Target]
    place: str
    state: DeliveryState
    fingerprint: Fingerprint
    checkedBy: str


class Unread(TypedDict):
    """Something that could not be read, and why."""

    what: str
    why: str
    requirements: list[str]


class Finding(Unread):
    """A notice that is not good. Its command runs as it is; its advice is prose."""

    cause: Annotated[str, "^([a-z]+(-[a-z]+)*)?$"]
    command: str | None
    advice: str | None


class VerifyDocument(Head):
    """The proofs of a stack."""

    stack: str
    proofs: list[Proof]
    findings: list[Finding]
    notChecked: list[Unread]


class AccessKeyChange(TypedDict):
    id: str | None
    old: NotRequired[str | None]
    done: NotRequired[str | None]


class AccessKeyDocument(Head):
    """A change of the application's access key."""

    stack: str
    accessKey: AccessKeyChange


class Policy(TypedDict):
    """A policy document of IAM."""

    Version: Literal["2012-10-17"]
    Statement: list[dict[str, Any]]


class PolicyDocument(Head):
    """The permissions that a command needs: one policy, or several by name."""

    policy: Policy | dict[str, Policy]


class Left(TypedDict):
    what: str
    why: str


class DestroyDocument(Head):
    """A removed stack, and its retained resources."""

    stack: str
    left: list[Left]


class SchemaDocument(Head):
    """A JSON Schema that is shipped."""

    name: str
    schema: dict[str, Any]


class HelpDocument(Head):
    """A help text."""

    topic: str | None
    text: str


class CompletionDocument(Head):
    """The registration of completion in a shell."""

    shell: str
    script: str


class InitDocument(Head):
    """The project that was made."""

    folder: str
    written: list[str]
    present: list[str]


class EngineDocument(Head):
    """The Pulumi CLI that was installed."""

    path: str


class Problem(TypedDict):
    what: str
    why: str
    next: next_command.Document


class FailureDocument(Head):
    """A run that failed."""

    message: str
    next: next_command.Document
    exitCode: Literal[1, 2, 3, 4, 5, 6, 8, 130]
    problems: NotRequired[list[Problem]]
    missing: NotRequired[list[str]]
    log: NotRequired[str]


def verify(
    stack: str,
    proofs: Sequence[Verification],
    findings: Sequence[Finding] = (),
    not_checked: Sequence[Unread] = (),
) -> VerifyDocument:
    """The document of the verifications, the findings, and the failed checks.

    `ok` is whether each verification has a result, none failed, nothing was found, and everything could be checked.
    """
    ok = all(p.state not in ("failed", "unproven") for p in proofs) and not findings and not not_checked
    return {
        **head("verify", ok=ok),
        "stack": stack,
        "proofs": [proof_fields(proof) for proof in proofs],
        "findings": [*findings],
        "notChecked": [*not_checked],
    }


def proof_fields(proof: Verification) -> Proof:
    """The JSON fields of a verification."""
    fields: Proof = {
        "target": proof.target,
        "state": proof.state,
        "principal": proof.principal,
        "detail": proof.detail,
        "at": proof.at,
    }
    if proof.key_material:
        fields["keyMaterialId"] = proof.key_material
    return fields


def delivery_fields(delivered: Delivered) -> Delivery:
    """The JSON fields of a delivery."""
    return {
        "target": delivered.target,
        "place": delivered.place,
        "state": delivered.state,
        "fingerprint": delivered.fingerprint,
        "checkedBy": delivered.checked_by,
    }


def access_key(stack: str, change: Mapping[str, str | None]) -> AccessKeyDocument:
    return {**head("access-key"), "stack": stack, "accessKey": cast(Any, dict(change))}


def policy(document: Any) -> PolicyDocument:
    return {**head("policy"), "policy": document}


def destroy(stack: str, left: Sequence[tuple[str, str]]) -> DestroyDocument:
    return {**head("destroy"), "stack": stack, "left": [{"what": what, "why": why} for what, why in left]}


def schema(name: str, content: Mapping[str, Any]) -> SchemaDocument:
    return {**head("schema"), "name": name, "schema": dict(content)}


def help_text(topic: str | None, text: str) -> HelpDocument:
    return {**head("help"), "topic": topic, "text": text}


def completion(shell: str, script: str) -> CompletionDocument:
    return {**head("completion"), "shell": shell, "script": script}


def init(folder: str, written: Sequence[str], present: Sequence[str]) -> InitDocument:
    return {**head("init"), "folder": folder, "written": list(written), "present": list(present)}


def engine(path: str) -> EngineDocument:
    return {**head("engine"), "path": path}


def failure(error: SetupError, *, command: str | None, log: str | None = None) -> FailureDocument:
    """The document of a failed run. `command` is None where the command line could not be read."""
    document = _failure(error.message, error.hint, error.exit_code, command=command, log=log)
    if isinstance(error, PreflightFailed):
        document["problems"] = [
            {"what": p.what, "why": p.why, "next": next_command.document(p.next)} for p in error.problems
        ]
    if isinstance(error, MissingAnswers):
        document["missing"] = list(error.missing)
    return document


def interrupted(*, command: str | None, exit_code: int) -> FailureDocument:
    """The document of a run that Ctrl-C ended."""
    again = "run the same command again and it goes on from here"
    return _failure("interrupted; nothing is half done", again, exit_code, command=command)


def bug(*, command: str | None, log: str | None = None) -> FailureDocument:
    """The document of a run that a bug of the wizard ended; its traceback is on standard error."""
    message = "the wizard itself failed; its traceback is on standard error"
    again = "run the same command again; if it fails again, report it with the log"
    return _failure(message, again, 1, command=command, log=log)


def _failure(
    message: str, next: str, exit_code: int, *, command: str | None, log: str | None = None
) -> FailureDocument:
    document: FailureDocument = {
        "version": VERSION,
        "command": command,
        "ok": False,
        "message": message,
        "next": next_command.document(next),
        "exitCode": cast(Any, exit_code),
    }
    if log:
        document["log"] = log
    return document


def head(command: str | None, *, ok: bool = True) -> Head:
    return {"version": VERSION, "command": command, "ok": ok}


def plain(value: Any, included: Mapping[type, tuple[str, ...]] | None = None) -> Any:
    """Facts as JSON values: names in camel case, times in ISO 8601 with Z, a data key as its fingerprint.

    `included`: the fields of a type that are written; of the others all are.
    """
    if isinstance(value, WrappedDataKey):
        return value.fingerprint
    if is_dataclass(value) and not isinstance(value, type):
        names = (included or {}).get(type(value)) or tuple(field.name for field in fields(value))
        return {camel(name): plain(getattr(value, name), included) for name in names}
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    if isinstance(value, Mapping):
        return {str(key): plain(member, included) for key, member in value.items()}
    if isinstance(value, tuple | list):
        return [plain(member, included) for member in value]
    # A StrEnum becomes a plain string; a text keeps its commands for whoever completes them.
    return str(value) if isinstance(value, str) and not isinstance(value, next_command.Text) else value


@cache
def camel(name: str) -> str:
    """`key_arn` as `keyArn`."""
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)
