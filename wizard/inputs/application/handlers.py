"""The handlers of a Next.js application that a request reaches: route handlers, pages on the server, server actions.

Pure: it reads texts.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from wizard.inputs.application.sources import closing, inert, is_balanced, line_of, statement_end, statements

METHODS = "GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS"
_ROUTE = re.compile(r"(?:^|/)app/(?:.*/)?route\.[jt]sx?$")
_API = re.compile(r"(?:^|/)pages/api/.*\.[jt]sx?$")
_PAGE = re.compile(r"(?:^|/)app/(?:.*/)?(?:page|layout|template|default)\.[jt]sx?$")
_OLD_PAGE = re.compile(r"(?:^|/)pages/.*\.[jt]sx?$")
_VALUE = re.compile(
    r"export\s+default\s+(?!(?:async\s+)?function\b|class\b)"
    r"|export\s+(?:const|let)\s+\w+[^=]*?(?<![=!<>])=(?![=>])\s*"
)
"""What stands before the value of an exported handler."""
_DIRECTIVE = r"\A(?:\ufeff|\s|//[^\n]*\n|/\*.*?\*/)*[\"']use {}[\"']"
_DEFAULT = r"default\b(?:\s+(?:async\s+)?function\b)?"
_CLIENT, _SERVER = (re.compile(_DIRECTIVE.format(side), re.DOTALL) for side in ("client", "server"))
_EDGE = re.compile(r"(?m)^export\s+const\s+runtime\s*=\s*[\"'](?:experimental-)?edge[\"']")


@dataclass(frozen=True, kw_only=True)
class Handler:
    """An exported handler."""

    file: str
    line: int
    name: str
    """`GET`, or `default` for a default export."""
    has_key: bool
    """Whether `withKey` is around it."""
    edits: tuple[tuple[int, int, str], ...] = ()
    """(start, end, text) of each change of the file that puts `withKey` around it; none where a person has to."""
    wrapper: str = ""
    """The function that the file calls with it: `withAuth` of `export const GET = withAuth(…)`; empty for none."""


@dataclass(frozen=True, kw_only=True)
class Wrapper:
    """An exported function of the application that returns a handler: what it loads, all handlers in it have."""

    file: str
    line: int
    name: str
    has_key: bool
    through: str = ""
    """The function of the same file that it calls to make the handler; empty for none."""
    edits: tuple[tuple[int, int, str], ...] = ()


@cache
def find_handlers(file: str, text: str) -> tuple[Handler, ...]:
    """The handlers that a file exports."""
    return tuple(_handlers(file, text))


def _handlers(file: str, text: str) -> Iterator[Handler]:
    names = _exported(file, text)
    if not names or _CLIENT.match(text):
        return
    if not re.search(rf"(?m)^export\s+(?:{names})", text):
        return
    code = inert(text)
    can_change = is_balanced(text) and not _EDGE.search(text)
    for match in re.finditer(rf"(?m)^export\s+(?:{names})", code):
        statement = code[match.start() : statement_end(code, match.start(), needs_block="function" in match[0])]
        yield Handler(
            file=file,
            line=line_of(text, match.start()),
            name="default" if "default" in match[0] else re.findall(r"\w+", match[0])[-1],
            has_key=_has_key(code, statement),
            edits=tuple(_edits(code, match, statement)) if can_change else (),
            wrapper=_called(statement),
        )


def _called(statement: str) -> str:
    """The function that is called for the value of a statement; empty for another value."""
    called = re.search(r"(?:(?<![=!<>])=|\bdefault)\s*(?!async\b|function\b)(\w+)\s*[<(]", statement)
    return called[1] if called else ""


@cache
def find_wrappers(file: str, text: str) -> Mapping[str, Wrapper]:
    """The wrappers that a file exports, by their names: functions that return an asynchronous one, or call such one."""
    found: dict[str, Wrapper] = {}
    for statement in statements(text):
        if not statement.is_function or not statement.is_exported or not statement.names:
            continue
        code, name = inert(statement.text), statement.names[0]
        through = re.search(r"\breturn\s+(\w+)\s*(?:<[^;{}]*>)?\(", code)
        functions = re.finditer(r"\breturn\s+(?=async\b)", code)
        returned = [match for match in functions if closing(code, match.start()) == len(code) - 1]
        has_key = re.search(r"\bwithKey\s*\(", code) is not None
        if len(returned) == 1 or through:
            edits: tuple[tuple[int, int, str], ...] = ()
            if len(returned) == 1 and not has_key:
                first = statement.start + returned[0].end()
                last = statement.start + statement_end(code, returned[0].start())
                last -= text[last - 1] == ";"
                edits = (first, first, "withKey("), (last, last, ")")
            found[name] = Wrapper(
                file=file,
                line=line_of(text, statement.start),
                name=name,
                has_key=has_key,
                through=through[1] if through and not returned else "",
                edits=edits,
            )
    return found


def _has_key(code: str, statement: str) -> bool:
    """Whether `withKey` is around what is exported, or around the variable of the file that is."""
    if re.search(r"\bwithKey\s*\(", statement):
        return True
    value = re.search(r"(?:=|\bdefault)\s*(\w+)\s*;?$", statement)
    lists_names = statement.rstrip("; ").endswith("}") and "(" not in statement
    name = re.escape(value[1]) if value else r"\w+" if lists_names else ""
    return bool(name) and re.search(rf"\b{name}\s*(?::[^=\n]*)?=\s*withKey\s*\(", code) is not None


def _exported(file: str, text: str) -> str:
    """A pattern of the exports of a file that requests reach; empty for none."""
    function, variable = r"(?:async\s+)?function\s+(?:{0})\b", r"(?:const|let)\s+(?:{0})\b"
    named = rf"(?:{function}|{variable})"
    if _ROUTE.search(file):
        return rf"(?:{named.format(METHODS)}|\{{[^{{}}]*\b(?:{METHODS})\b)"
    if _API.search(file):
        return _DEFAULT
    if _PAGE.search(file):
        return rf"(?:{_DEFAULT}|{named.format('generateMetadata')})"
    if _OLD_PAGE.search(file):
        return named.format("getServerSideProps")
    return r"async\s+function\s+\w+" if _SERVER.match(text) else ""


def _edits(code: str, match: re.Match[str], statement: str) -> Iterator[tuple[int, int, str]]:
    start, end = match.start(), match.start() + len(statement)
    function = re.match(r"export\s+(default\s+)?((?:async\s+)?function\b\s*(\w*))", statement)
    if function:
        name = function[3]
        if function[1]:
            yield start, start + len(function[0]), f"export default withKey({function[2]}"
        elif re.search(rf"\b{name}\b", code[:start]):
            return  # Something before it uses it, which a variable does not allow.
        else:
            yield start, start + len(function[0]), f"export const {name} = withKey({function[2]}"
        yield end, end, ");"
        return
    value = _VALUE.match(statement)
    if value and len(value[0]) < len(statement):
        last = len(statement) - statement.endswith(";")
        yield start + len(value[0]), start + len(value[0]), "withKey("
        yield start + last, start + last, ")"
