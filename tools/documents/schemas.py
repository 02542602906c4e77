"""`python -m tools.documents.schemas` writes the JSON Schemas of the `--json` documents from their types.

Writes `wizard/schemas/`, all but that of the answers file. Tests compare them with the types.
"""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict

from components.settings import Settings, Target
from tools.documents.settings import descriptions
from wizard import SCHEMA_FOLDER
from wizard.commands import cost, rehearsal
from wizard.commands.backup import command as backup
from wizard.commands.doctor import command as doctor
from wizard.commands.documents.output import DocumentsDocument
from wizard.commands.push import deliver
from wizard.commands.report import command as reports
from wizard.commands.report import document as report
from wizard.commands.report.facts import ReportFacts
from wizard.commands.review import output as review
from wizard.commands.rotate import result as rotate
from wizard.commands.status import output as status
from wizard.core import json_documents as core
from wizard.core.data_key import WrappedDataKey
from wizard.core.models.delivery import DeliveryState
from wizard.core.models.verification import VerificationState
from wizard.setup import document as setup

DOCUMENTS: dict[str, type] = {
    "access-key": core.AccessKeyDocument,
    "adopt": rotate.RotateDocument,
    "backup": backup.BackupDocument,
    "completion": core.CompletionDocument,
    "cost": cost.CostDocument,
    "destroy": core.DestroyDocument,
    "doctor": doctor.DoctorDocument,
    "documents": DocumentsDocument,
    "engine": core.EngineDocument,
    "failure": core.FailureDocument,
    "help": core.HelpDocument,
    "init": core.InitDocument,
    "policy": core.PolicyDocument,
    "preview": setup.PreviewDocument,
    "push": deliver.PushDocument,
    "rehearsal": rehearsal.RehearsalDocument,
    "report": report.ReportDocument,
    "report-verify": reports.VerifiedReport,
    "restore": rotate.RotateDocument,
    "review": review.ReviewDocument,
    "rotate": rotate.RotateDocument,
    "schema": core.SchemaDocument,
    "setup": setup.SetupDocument,
    "status": status.StatusDocument,
    "verify": core.VerifyDocument,
}
ONLY_FOR_TYPES = {"DeliveryState": DeliveryState, "Target": Target, "VerificationState": VerificationState}
"""The names that a module of documents imports for annotations only."""
SIMPLE = {str: "string", int: "integer", float: "number", bool: "boolean", NoneType: "null"}


def schema(name: str) -> dict[str, Any]:
    """The JSON Schema of a command's document, draft 2020-12."""
    writer = _Writer(included=report.INCLUDED if name == "report" else {})
    described = writer.object(DOCUMENTS[name])
    if name == "report":
        facts = writer.object(ReportFacts)
        described["properties"] |= facts["properties"]
        described["required"] += facts["required"]
    if name != "failure":
        described["properties"]["command"] = {"const": name}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:eonpro-kms:schema:{name}:{core.VERSION}",
        "title": f"The document of `eonpro-kms {name.replace('-', ' ')} --json`",
        **described,
        **({"$defs": dict(sorted(writer.shared.items()))} if writer.shared else {}),
    }


@dataclass(kw_only=True)
class _Writer:
    """Writes a type as `json_documents.plain` writes its values."""

    included: Mapping[type, tuple[str, ...]]
    shared: dict[str, Any] = field(default_factory=dict)
    names: dict[str, type] = field(default_factory=dict)

    def object(self, of: type) -> dict[str, Any]:
        """The schema of a TypedDict or a dataclass."""
        if issubclass(of, Settings):
            described = Settings.model_json_schema(mode="serialization")
            self.shared |= described.pop("$defs", {})
            for key, text in descriptions().items():
                described["properties"][key]["description"] = text
            # Those that are not set are left out of a document.
            required = [str(field.alias) for field in Settings.model_fields.values() if field.default is not None]
            return {**described, "additionalProperties": False, "required": required}
        hints = get_type_hints(of, localns=ONLY_FOR_TYPES, include_extras=True)
        names = self.included.get(of) or (tuple(each.name for each in fields(of)) if is_dataclass(of) else tuple(hints))
        written = {name if is_typeddict(of) else core.camel(name): name for name in names}
        texts = _texts(of)
        properties = {
            camel: self.type(hints[name]) | ({"description": texts[name]} if name in texts else {})
            for camel, name in written.items()
        }
        return {
            **({"description": text} if (text := inspect.cleandoc(of.__doc__ or "")) and "(" not in text[:30] else {}),
            "type": "object",
            "additionalProperties": False,
            "properties": properties,
            "required": [camel for camel, name in written.items() if get_origin(hints[name]) is not NotRequired],
        }

    def type(self, of: Any) -> dict[str, Any]:
        origin, arguments = get_origin(of), get_args(of)
        if origin is NotRequired:
            return self.type(arguments[0])
        if origin is Annotated:
            form, hint = arguments
            if not isinstance(hint, str):
                return self.type(hint)
            return self.type(form) | ({"format": hint} if hint == "date-time" else {"pattern": hint})
        if origin in (Union, UnionType):
            return _one_of([self.type(each) for each in arguments])
        if origin is Literal:
            return {"enum": list(arguments)}
        if origin in (list, tuple):
            return {"type": "array", "items": self.type(arguments[0])}
        if origin in (dict, Mapping):
            if issubclass(arguments[0], StrEnum):
                entries = {str(member): self.type(arguments[1]) for member in arguments[0]}
                named = {"properties": entries, "required": [*entries]}
                return {"type": "object", "additionalProperties": False, **named}
            return {"type": "object", "additionalProperties": self.type(arguments[1])}
        if of is Any:
            return {}
        if of is datetime:
            return self.type(core.Time)
        if of is WrappedDataKey:
            return self.type(core.Fingerprint)
        if issubclass(of, StrEnum):
            return {"enum": [str(member) for member in of]}
        if of in SIMPLE or issubclass(of, str):
            return {"type": SIMPLE.get(of, "string")}
        if self.names.setdefault(of.__name__, of) is not of:
            raise ValueError(f"one document has two types with the name {of.__name__}")
        if of.__name__ not in self.shared:
            self.shared[of.__name__] = self.object(of)
        return {"$ref": f"#/$defs/{of.__name__}"}


def _one_of(forms: list[dict[str, Any]]) -> dict[str, Any]:
    if all("enum" in form for form in forms):
        return {"enum": [value for form in forms for value in form["enum"]]}
    last = forms[-1]
    if len(forms) == 2 and last == {"type": "null"} and "enum" in forms[0]:
        return {"enum": [*forms[0]["enum"], None]}
    if len(forms) == 2 and last == {"type": "null"} and isinstance(forms[0].get("type"), str):
        return {**forms[0], "type": [forms[0]["type"], "null"]}
    return {"anyOf": forms}


def _texts(of: type) -> dict[str, str]:
    """The docstrings of the fields."""
    texts: dict[str, str] = {}
    for each in reversed(of.__mro__ if is_dataclass(of) else (of,)):
        try:
            body = ast.parse(textwrap.dedent(inspect.getsource(each))).body[0].body  # type: ignore[attr-defined]
        except (OSError, TypeError):
            continue
        for statement, text in zip(body, body[1:], strict=False):
            if isinstance(statement, ast.AnnAssign) and isinstance(text, ast.Expr):
                texts[ast.unparse(statement.target)] = inspect.cleandoc(ast.literal_eval(text.value))
    return texts


def documents() -> dict[Path, str]:
    """Every file with its text."""
    texts = {name: json.dumps(schema(name), indent=2, ensure_ascii=False) for name in DOCUMENTS}
    return {SCHEMA_FOLDER / f"{name}.schema.json": f"{text}\n" for name, text in texts.items()}


if __name__ == "__main__":
    for path, text in documents().items():
        path.write_text(text, encoding="utf-8")
