"""An edit of a file of the application: exact places of its text, each with the reason.

Pure. Line breaks, indentation and quotation marks of the file are kept.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from wizard.inputs.application.sources import inert, is_module, line_break, quote, statement_end, without_comments


@dataclass(frozen=True, kw_only=True)
class Edit:
    """A place of a file that gets another text."""

    file: str
    start: int
    end: int
    new: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Whole:
    """A file that is new, or that is removed."""

    file: str
    old: str | None
    """Its text as it is; None for a new one."""
    text: str | None
    """Its text with the patch; None for one that is removed."""
    reason: str


def applied(text: str, edits: Iterable[Edit]) -> str | None:
    """The text after the edits; None where two of them overlap."""
    end, parts = 0, list[str]()
    for edit in sorted(edits, key=lambda edit: (edit.start, edit.end)):
        if edit.start < end:
            return None
        parts += text[end : edit.start], edit.new
        end = edit.end
    return "".join(parts) + text[end:]


def import_edit(file: str, text: str, names: str, module: str, reason: str) -> Edit:
    """The import of names, `{ a, b }`, above the other imports of a file."""
    mark, end = quote(text), line_break(text)
    position = first_statement(text)
    if is_module(file, text):
        new = f"import {names} from {mark}{module}{mark};{end}"
    else:
        new = f"const {names} = require({mark}{module}{mark});{end}"
    return Edit(file=file, start=position, end=position, new=new, reason=reason)


def first_statement(text: str) -> int:
    """The start of the first import of a file, or of its first statement after directives and comments."""
    code = without_comments(text)
    if found := re.search(r"(?m)^(?:import\b(?!\s*\()|(?:const|let|var)\s+[^=\n]+=\s*require\()", code):
        return found.start()
    directives = re.match(r"(?:\ufeff|#![^\n]*\n|\s|[\"']use \w+[\"'];?)*", code)
    position = directives.end() if directives else 0
    return position if position < len(text) else len(text.rstrip()) or len(text)


def has_import(text: str, name: str) -> bool:
    """Whether a file has a name already."""
    return re.search(rf"\b(?:import|const|let|var|function)\b[^;()]*\b{name}\b", inert(text)) is not None


def statement_at(text: str, position: int) -> int:
    """The end of the statement that begins at a position."""
    return statement_end(inert(text), position)
