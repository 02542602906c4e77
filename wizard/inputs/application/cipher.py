"""Moves the module of an application that encrypts by itself to the library: the same names, the records under the data
key that KMS unwraps.

Pure: it returns edits of a text. What its users import stays, and so do its messages and its checks.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from wizard.inputs.application.edits import Edit, import_edit
from wizard.inputs.application.sources import (
    IMPORTED,
    PACKAGE,
    Statement,
    closing,
    declared,
    inert,
    is_balanced,
    is_module,
    line_bounds,
    statement_end,
    statements,
    without_comments,
)

_RECORDS = {"encryptPHI": "makeRecord", "decryptPHI": "openRecord"}
_ALIASES = {**_RECORDS, "initializeEncryption": "loadKey"}
"""The library's names in a module that defines the same ones."""
_CONTEXT = "patient-dedup-v1"
"""Of the key that the application derives for its search hashes from the data key, as the library does."""
_RECORD = re.compile(
    r"\[\s*(?P<iv>\w+)[^,\[\]]*,\s*(?P<tag>\w+)(?P<of_tag>[^,\[\]]*),\s*\w[^,\[\]]*,?\s*\]"
    r"[^;]{0,120}?\.join\(\s*[\"'`]:[\"'`]"
)
"""The list that a record is joined from."""
_CIPHER = re.compile(r"\bcreate(?:C|Dec)ipheriv\s*\(")
_SOURCE = re.compile(r"process\.env(?:\.|\[\s*[\"'])(?:(?:PHI_)?ENCRYPTION_KEY|ENCRYPTED_PHI_KEY)\b")
_INITIALIZES = re.compile(r"(?:init|initialize|load|warmUp)(?:PHI)?(?:Encryption|Crypto|(?:Data|Encryption)?Keys?)")


@dataclass(frozen=True, kw_only=True)
class _Module:
    """The text of the module, and the names in it that lead to a key."""

    file: str
    text: str
    statements: tuple[Statement, ...]
    keys: frozenset[str]

    def names_key(self, text: str) -> bool:
        return bool(_SOURCE.search(text)) or any(re.search(rf"(?<![\w.]){name}\b", text) for name in self.keys)


def move(file: str, text: str, loader_names: frozenset[str]) -> list[Edit]:
    """The edits that make a module take its records from the library; none where its shape is another one.

    `loader_names`: what it imports from the files that read the wrapped key.
    """
    module = _module(file, text, loader_names)
    if not _has_record_format(without_comments(text)):
        return []
    edits, used = list[Edit](), set[str]()
    for statement in module.statements:
        if (found := _of_function(module, statement)) is not None:
            edit, names = found
            edits.append(edit)
            used |= names
    if not used & set(_RECORDS):
        return []
    edits += _without_dead_code(module, edits)
    remaining = _remaining(module, edits)
    if _SOURCE.search(remaining) or any(re.search(rf"(?<![\w.]){name}\b", remaining) for name in loader_names):
        return []  # All of it or nothing: of a half, the one would not read what the other writes.
    imported = ", ".join(f"{name}{_alias(is_module(file, text), name)}" for name in sorted(used))
    what = "records are made and opened by the library, under the data key that KMS unwraps"
    return [import_edit(file, text, f"{{ {imported} }}", PACKAGE, what), *edits]


def _has_record_format(text: str) -> bool:
    """Whether its records are those of the library: AES-256-GCM, base64 of a 16-byte IV, tag, ciphertext; no AAD."""
    listed = _RECORD.search(text)
    if listed is None or "base64" not in listed[0] or "aes-256-gcm" not in text or "setAAD" in text:
        return False
    made = re.search(rf"\b{listed['iv']}\s*=\s*[\w.]*\brandomBytes\(\s*(\w+)\s*\)", text)
    length = made[1] if made else ""
    number = re.search(rf"\b{length}\s*=\s*(\d+)\b", text) if length and not length.isdigit() else None
    is_tag = "getAuthTag(" in listed["of_tag"] or re.search(rf"\b{listed['tag']}\s*=\s*\w+\.getAuthTag\(", text)
    return (number[1] if number else length) == "16" and bool(is_tag)


def _alias(is_esm: bool, name: str) -> str:
    other = _ALIASES.get(name)
    return f"{' as' if is_esm else ':'} {other}" if other else ""


def _module(file: str, text: str, loader_names: frozenset[str]) -> _Module:
    """The module, with the closure of the names that lead to a key: functions by their text, imports of the loader."""
    found, keys = statements(text), set(loader_names)
    while True:
        module = _Module(file=file, text=text, statements=tuple(found), keys=frozenset(keys))
        new = {
            name
            for statement in found
            if module.names_key(without_comments(statement.text.partition("(" if statement.is_function else "=")[2]))
            for name in statement.names
            if name.removesuffix("Async") not in _RECORDS
        }
        if new <= keys:
            return module
        keys |= new


def _of_function(module: _Module, statement: Statement) -> tuple[Edit, set[str]] | None:
    """The edit of a function that uses the key, with the names of the library that it needs; None to leave it."""
    name = statement.names[0] if statement.names else ""
    plain = name.removesuffix("Async")
    body = without_comments(statement.text)
    if not module.names_key(body) or "{" not in body:
        return None
    if plain in _RECORDS and (region := _region(module, statement, _CIPHER)):
        argument = _argument(statement, *region, is_opening=plain == "decryptPHI")
        call, names = f"{_RECORDS[plain]}({argument})", {plain}
        if re.search(r"\basync\b", statement.text[: statement.text.find("{")]):
            call, names = f"await withKey({_RECORDS[plain]})({argument})", {plain, "withKey"}
        reason = f"{name}: the record {'of' if plain == 'encryptPHI' else 'is opened by'} the library"
        return _replaced(module, *region, f"return {call}{_narrowed(statement)};", reason), names
    hashed = re.search(r"\.update\(\s*(\w+)[^()]*\)\s*\.digest\(\s*[\"']hex[\"']\s*\)", body)
    if hashed and _CONTEXT in module.text and (region := _region(module, statement, re.compile(r"createHmac\s*\("))):
        what = f"{name}: the same hash, under the key that belongs to the data key"
        return _replaced(module, *region, f"return lookupHash({hashed[1]});", what), {"lookupHash"}
    if statement.is_exported and _INITIALIZES.fullmatch(name) and re.search(r"\basync\b", statement.text):
        inside = _body(statement)
        what = f"{name}: loads the key as the first request does"
        return _replaced(module, *inside, "await loadKey();", what), {"initializeEncryption"}
    return None


def _body(statement: Statement) -> tuple[int, int]:
    """Start and end of what is between the braces of a function, without the blanks around it."""
    code = inert(statement.text)
    start = _opening(code)
    end = closing(code, start) or len(code)
    inside = statement.text[start:end]
    return (
        statement.start + start + len(inside) - len(inside.lstrip()),
        statement.start + start + len(inside.rstrip()),
    )


def _opening(code: str) -> int:
    """The position after the brace that opens the body: the first one outside of the signature's brackets."""
    depth = 0
    for match in re.finditer(r"[()\[\]{}]", code):
        if match[0] == "{" and depth == 0 and re.match(r"\{[ \t]*\r?\n", code[match.start() :]):
            return match.end()
        depth += 1 if match[0] in "([{" else -1
    return len(code)


def _region(module: _Module, statement: Statement, work: re.Pattern[str]) -> tuple[int, int] | None:
    """Start and end of the work with the key: from the line that first has it to the end of that block.

    None where the block does not end with a `return`.
    """
    text, code = statement.text, without_comments(statement.text)
    opening = _opening(inert(text))
    lines = [opening, *(match.end() for match in re.finditer(r"\n", text) if match.end() > opening)]
    of_line = ((start, code[start : text.find("\n", start)]) for start in lines)
    first = next((start for start, line in of_line if module.names_key(line) or work.search(line)), None)
    if first is None:
        return None
    end = closing(inert(text), first)
    if end is None or not work.search(code, first, end) or not re.search(r"\breturn\b", code[first:end]):
        return None
    rest, outside = code[end:], code[opening:first] + code[end:]
    if module.names_key(outside) or work.search(outside) or not _is_only_work(text[first:end]):
        return None
    while (above := _declaration_above(text, opening, first)) is not None:
        start, names = above
        if any(re.search(rf"\b{name}\b", rest) for name in names):
            break
        first = start
    region = text[first:end]
    start = first + len(region) - len(region.lstrip())
    return statement.start + start, statement.start + first + len(region.rstrip())


def _is_only_work(region: str) -> bool:
    """Whether each statement declares something, sets the tag, or returns: another one would be lost."""
    code, position = inert(region), 0
    while position < len(code.rstrip()):
        position += len(code[position:]) - len(code[position:].lstrip(" \t\r\n;"))
        if not re.match(r"(?:const|let|return)\b|\w+\.setAuthTag\(|\Z", code[position:]):
            return False
        position = max(statement_end(code, position), position + 1)
    return True


def _declaration_above(text: str, opening: int, first: int) -> tuple[int, list[str]] | None:
    """(start of the line above, what it declares), where that is a declaration or a comment of the same block."""
    if first - 1 <= opening:
        return None
    start, _ = line_bounds(text, first - 1)
    line = text[start:first]
    if re.match(r"\s*//", line):
        return start, []
    match = re.match(r"\s*(?:const|let)\s+(\w+|\{[^{}]*\}|\[[^\[\]]*\])\s*=[^\n]*[\w)\]'\"`];?\s*$", line)
    return (start, list(declared(match[1]))) if match and is_balanced(line) else None


def _argument(statement: Statement, start: int, end: int, *, is_opening: bool) -> str:
    """The value that the library is given: the parameter, or its parts where the function has cleaned them."""
    parameter = re.search(r"\(\s*(\w+)", statement.text)
    name = parameter[1] if parameter else "undefined"
    kept = statement.text[: start - statement.start]
    parts = re.search(rf"(?:const|let)\s+(\w+)\s*=\s*{name}\s*\.split\(\s*([\"']:[\"'])\s*\)", kept)
    return f"{parts[1]}.join({parts[2]})" if parts and is_opening else name


def _narrowed(statement: Statement) -> str:
    """Of TypeScript: the declared type is text alone, where the library answers null for no text."""
    signature = statement.text[: _opening(inert(statement.text))]
    returned = re.search(r"\)\s*:\s*([^{=]+?)\s*(?:=>\s*)?\{$", signature)
    return " as string" if returned and "string" in returned[1] and "null" not in returned[1] else ""


def _replaced(module: _Module, start: int, end: int, new: str, reason: str) -> Edit:
    return Edit(file=module.file, start=start, end=end, new=new, reason=reason)


# --- what nothing uses any more


def _without_dead_code(module: _Module, edits: list[Edit]) -> list[Edit]:
    """The removal of imports, functions and variables of the module that nothing uses after the edits."""
    removed = list[Edit]()
    candidates = dict(_declarations(module))
    while True:
        remaining = _remaining(module, [*edits, *removed])
        dead = {
            span: names
            for span, names in candidates.items()
            if not any(_is_used(module, remaining, span, name) for name in names)
        }
        if not dead:
            return removed + _without_names(module, [*edits, *removed])
        for (start, end), _ in dead.items():
            reason = "nothing uses it any more"
            removed.append(Edit(file=module.file, start=start, end=end, new="", reason=reason))
            del candidates[start, end]


def _declarations(module: _Module) -> Iterator[tuple[tuple[int, int], list[str]]]:
    """(place, names) of each import, and of each function or variable that is not exported and is used now."""
    text = without_comments(module.text)
    for match in IMPORTED.finditer(text):
        span, names = (match.start(), match.end()), list(declared(match["esm"] or match["cjs"]))
        if any(_is_used(module, text, span, name) for name in names):
            yield span, names
    for statement in module.statements:
        if statement.is_exported or not statement.names or IMPORTED.match(text, statement.start):
            continue
        span = _with_comment(module.text, statement)
        if any(_is_used(module, text, span, name) for name in statement.names):
            yield span, list(statement.names)


def _with_comment(text: str, statement: Statement) -> tuple[int, int]:
    """The place of a statement with the comment above it, its line break, and the empty line after it."""
    comment = r"(?:/\*\*(?:(?!\*/).)*\*/[ \t]*\r?\n|(?:[ \t]*//[^\n]*\n)+)\Z"
    before = re.search(comment, text[: statement.start], re.DOTALL)
    after = re.compile(r";?[ \t]*(?:\r?\n|\Z)(?:[ \t]*\r?\n)?").match(text, statement.end)
    start = before.start() if before and before.start() else statement.start
    return start, after.end() if after else statement.end


def _remaining(module: _Module, edits: list[Edit]) -> str:
    """The text without comments, with blanks in place of what the edits take away, and what they add at its end."""
    text = without_comments(module.text)
    for edit in edits:
        text = text[: edit.start] + " " * (edit.end - edit.start) + text[edit.end :]
    return text + "\n" + "\n".join(edit.new for edit in edits)


def _is_used(module: _Module, text: str, span: tuple[int, int], name: str) -> bool:
    """Whether a name is used outside of its own statement. To list what leads to a key, in an object, is no use."""
    outside = text[: span[0]] + text[span[1] :]
    uses = re.finditer(rf"(?<![\w.]){re.escape(name)}\b", outside)
    if name not in module.keys:
        return next(uses, None) is not None
    return any(not re.fullmatch(rf"\s*{name},?\s*", outside[slice(*line_bounds(outside, use.start()))]) for use in uses)


def _without_names(module: _Module, edits: list[Edit]) -> list[Edit]:
    """The removal of lines that list a function which is gone, and of single names in an import."""
    gone = {
        name
        for statement in module.statements
        for edit in edits
        if not edit.new and edit.start <= statement.start < edit.end
        for name in statement.names
    }
    text, remaining, found = without_comments(module.text), _remaining(module, edits), list[Edit]()
    for match in re.finditer(r"(?m)^[ \t]*(\w+),?[ \t]*\r?\n", text):
        if match[1] in gone and not any(edit.start <= match.start() < edit.end for edit in edits):
            reason = f"{match[1]} is gone"
            found.append(Edit(file=module.file, start=match.start(), end=match.end(), new="", reason=reason))
    for match in IMPORTED.finditer(text):
        inside = re.search(r"\{([^{}]*)\}", module.text[match.start() : match.end()])
        if inside is None or any(edit.start <= match.start() < edit.end for edit in edits):
            continue
        unused = [
            name for name in declared(inside[1]) if not _is_used(module, remaining, (match.start(), match.end()), name)
        ]
        shorter = inside[1]
        for name in unused:
            shorter = re.sub(rf"(?:\w+\s*(?:as|:)\s*)?\b{name}\b\s*,?[ \t]*", "", shorter)
        if unused and shorter.strip():
            start = match.start() + inside.start(1)
            reason = f"nothing uses {', '.join(sorted(unused))} any more"
            found.append(Edit(file=module.file, start=start, end=start + len(inside[1]), new=shorter, reason=reason))
    return found
