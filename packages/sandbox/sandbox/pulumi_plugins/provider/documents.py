"""Comparison of policy documents: the order of keys and elements, and lists with one value, make no difference.

Pure. AWS itself rewrites documents in these ways, so a comparison as text would always differ.
"""

import json
import re
from typing import Any

_ROOT = re.compile(r"^arn:[a-z-]+:iam::(\d{12}):root$")
_BAGS = ("Action", "NotAction", "Resource", "NotResource")
_PRINCIPALS = ("Principal", "NotPrincipal")


def is_document(text: object) -> bool:
    return isinstance(text, str) and isinstance(_parsed(text), dict)


def equivalent_documents(first: object, second: object) -> bool:
    """Whether two policy documents allow and deny the same, judged by their form."""
    if first == second:
        return True
    if not isinstance(first, str) or not isinstance(second, str):
        return False
    documents = _parsed(first), _parsed(second)
    return None not in documents and _canonical(documents[0]) == _canonical(documents[1])


def to_text(document: Any) -> str:
    return document if isinstance(document, str) else json.dumps(document, separators=(",", ":"))


def normal_form(text: str) -> str:
    """The document as Terraform's provider records it: compact, with sorted names, as Go writes JSON."""
    parsed = _parsed(text)
    if parsed is None:
        return text
    written = json.dumps(parsed, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    return written.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def with_version_first(document: str) -> str:
    """An inline policy in this form, as Terraform's provider records it."""
    version = '"Version":"2012-10-17"'
    others = document.removesuffix(f",{version}}}")
    return document if others == document else f"{{{version},{others[1:]}}}"


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _canonical(document: Any) -> Any:
    if not isinstance(document, dict):
        return document
    statements = document.get("Statement", [])
    statements = statements if isinstance(statements, list) else [statements]
    rest = {name: value for name, value in document.items() if name != "Statement"}
    return rest, sorted((_canonical_statement(statement) for statement in statements), key=repr)


def _canonical_statement(statement: Any) -> Any:
    if not isinstance(statement, dict):
        return statement
    result: dict[str, Any] = {}
    for name, value in statement.items():
        if name in _BAGS:
            result[name] = _bag(value)
        elif name in _PRINCIPALS:
            result[name] = _canonical_principal(value)
        elif name == "Condition" and isinstance(value, dict):
            result[name] = {
                operator: {key: _bag(requested) for key, requested in sorted(keys.items())}
                for operator, keys in sorted(value.items())
                if isinstance(keys, dict)
            }
        elif not (name == "Sid" and value == ""):
            result[name] = value
    return sorted(result.items())


def _canonical_principal(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {
        kind: [_ROOT.sub(r"\1", member) for member in _bag(members)] if kind == "AWS" else _bag(members)
        for kind, members in sorted(value.items())
    }


def _bag(value: Any) -> list[str]:
    elements = value if isinstance(value, list) else [value]
    return sorted(element if isinstance(element, str) else json.dumps(element) for element in elements)
