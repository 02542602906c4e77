"""The documents of `--json`: one for each command, one for a failure, one for an interrupt, one for a bug.

Pure. `schemas/` has the JSON Schema of each; a field that changes its meaning changes VERSION. They hold no secrets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from wizard.core import next_command
from wizard.core.data_key import WrappedDataKey
from wizard.core.errors import MissingAnswers, PreflightFailed, SetupError

if TYPE_CHECKING:
    from wizard.core.models.delivery import Verification

VERSION = "1"
"""Version of the documents' form."""

Document = dict[str, Any]


def verify(
    stack: str,
    proofs: Sequence[Verification],
    findings: Sequence[Mapping[str, str | None]] = (),
    not_checked: Sequence[Mapping[str, str]] = (),
) -> Document:
    """The document of the verifications, the findings, and the failed checks.

    `ok` is whether each verification has a result, none failed, nothing was found, and everything could be checked.
    """
    entries = [proof_fields(proof) for proof in proofs]
    ok = all(p.state not in ("failed", "unproven") for p in proofs) and not findings and not not_checked
    return {
        **head("verify", ok=ok),
        "stack": stack,
        "proofs": entries,
        "findings": [dict(entry) for entry in findings],
        "notChecked": [dict(entry) for entry in not_checked],
    }


def proof_fields(proof: Verification) -> Document:
    """The JSON fields of a verification; `keyMaterialId` only where KMS named the key material."""
    return {
        "target": proof.target,
        "state": str(proof.state),
        "principal": proof.principal,
        "detail": proof.detail,
        "at": proof.at,
        **({"keyMaterialId": proof.key_material} if proof.key_material else {}),
    }


def status(rows: Document) -> Document:
    """The document of the stacks (`wizard.commands.status.document`)."""
    return {**head("status"), **rows}


def access_key(stack: str, change: Mapping[str, str | None]) -> Document:
    """The document of a change of the application's access key."""
    return {**head("access-key"), "stack": stack, "accessKey": dict(change)}


def policy(document: Any) -> Document:
    """The document of the operator's policy: one policy document, or several by name."""
    return {**head("policy"), "policy": document}


def destroy(stack: str, left: Sequence[tuple[str, str]]) -> Document:
    """The document of a removed stack, and of its retained resources."""
    return {**head("destroy"), "stack": stack, "left": [{"what": what, "why": why} for what, why in left]}


def schema(name: str, content: Mapping[str, Any]) -> Document:
    return {**head("schema"), "name": name, "schema": dict(content)}


def help_text(topic: str | None, text: str) -> Document:
    return {**head("help"), "topic": topic, "text": text}


def completion(shell: str, script: str) -> Document:
    return {**head("completion"), "shell": shell, "script": script}


def init(folder: str, written: Sequence[str], present: Sequence[str]) -> Document:
    return {**head("init"), "folder": folder, "written": list(written), "present": list(present)}


def engine(path: str) -> Document:
    return {**head("engine"), "path": path}


def failure(error: SetupError, *, command: str | None, log: str | None = None) -> Document:
    """The document of a failed run. `command` is None where the command line could not be read."""
    document: Document = {
        **head(command, ok=False),
        "message": error.message,
        "next": next_command.document(error.hint),
        "exitCode": error.exit_code,
    }
    if isinstance(error, PreflightFailed):
        document["problems"] = [
            {"what": p.what, "why": p.why, "next": next_command.document(p.next)} for p in error.problems
        ]
    if isinstance(error, MissingAnswers):
        document["missing"] = list(error.missing)
    if log:
        document["log"] = log
    return document


def interrupted(*, command: str | None, exit_code: int) -> Document:
    """The document of a run that Ctrl-C ended."""
    return {
        **head(command, ok=False),
        "message": "interrupted; nothing is half done",
        "next": next_command.document("run the same command again and it goes on from here"),
        "exitCode": exit_code,
    }


def bug(*, command: str | None, log: str | None = None) -> Document:
    """The document of a run that a bug of the wizard ended; its traceback is on standard error."""
    return {
        **head(command, ok=False),
        "message": "the wizard itself failed; its traceback is on standard error",
        "next": next_command.document("run the same command again; if it fails again, report it with the log"),
        "exitCode": 1,
        **({"log": log} if log else {}),
    }


def head(command: str | None, *, ok: bool = True) -> Document:
    """The first fields of every document."""
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
    # A StrEnum becomes a plain string.
    return str(value) if isinstance(value, str) else value


@cache
def camel(name: str) -> str:
    """`key_arn` as `keyArn`."""
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)
