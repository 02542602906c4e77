"""The code of an application as text: its files, its imports between them, its top-level statements.

Reads the application's folder through `variable_readers`; follows no link. Nothing is parsed: a text of which the
brackets do not match is left to a person.
"""

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path

from wizard.inputs.variable_readers import FoundReaders, blank, read_files, readers_in

CODE = (".ts", ".tsx", ".mts", ".cts", ".js", ".jsx", ".mjs", ".cjs")
PACKAGE = "@eonpro/phi"
"""The library of the application on Node (`phi/node`)."""
CONFIGURATION = ("tsconfig.json", "jsconfig.json")
"""Files with the short names of folders in imports."""
_NO_APPLICATION = re.compile(r"(?:^|/)scripts/|\.d\.[cm]?ts$")

# Possessive: a text with a bracket that nobody closes is read once, not in every way that it could be read.
_TEMPLATE = r"`(?>\\.|\$\{(?>[^`{}]|`[^`]*+`|\{[^`{}]*+\})*+\}|[^`\\])*+`"
_QUOTED = rf"\"(?:\\.|[^\"\\\n])*+\"|'(?:\\.|[^'\\\n])*+'|{_TEMPLATE}"
_BEFORE_PATTERN = r"[=(,:!&|?;{\[]"
_PATTERN = (
    rf"/(?:(?<={_BEFORE_PATTERN}/)|(?<={_BEFORE_PATTERN} /))(?![/*])"
    r"(?>\\.|\[(?>\\.|[^\]\\\n]){0,100}+\]|[^/\\\n\[]){1,200}+/[a-z]*"
)
# A slash after a colon or a backslash is one of an address. Each alternative begins with a literal, which is fast.
_COMMENT = r"/(?:/(?<![:\\/]//)[^\n]*|\*.*?(?:\*/|\Z))"
_TOKEN = re.compile(rf"{_PATTERN}|{_QUOTED}|{_COMMENT}", re.DOTALL)
_IMPORT = re.compile(r"(?:\bfrom|\bimport|\bimport\s*\(|\brequire\s*\()\s*[\"']([^\"'\n]+)[\"']")
_NO_IMPORT = re.compile(r"\s*(?://|\*|/\*|import\s+type\b|export\s+type\b)")
IMPORTED = re.compile(
    r"(?m)^(?:import\s+(?!type\b)(?P<esm>[\w*{}\s,$]{1,1000}?)\s+from\s*|(?:const|let|var)\s+(?P<cjs>\w+|\{[^{}]*\})\s*=\s*require\(\s*)"
    r"(?P<specifier>[\"'][^\"'\n]+[\"'])\)?;?[ \t]*(?:\r?\n|\Z)"
)
"""An import of names, as a whole statement with its line break."""
_ALIAS = re.compile(r"\"([^\"*\n]+)\*\"\s*:\s*\[\s*\"(?:\./)?([^\"*\n]*)\*\"")
_STATEMENT = re.compile(
    r"(?m)^(?P<export>export\s+)?(?P<default>default\s+)?(?:async\s+)?"
    r"(?:function\b\s*\*?\s*(?P<function>\w*)|(?:const|let|var)\s+(?P<name>\w+|\{[^{}]*\}|\[[^\[\]]*\]))"
)


@dataclass(frozen=True, kw_only=True)
class Statement:
    """A function or a variable at the top level of a module."""

    names: tuple[str, ...]
    """What it declares; several if it takes an object apart."""
    start: int
    end: int
    """The position after its last character; its line break is not part of it."""
    text: str
    is_function: bool
    is_exported: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Sources:
    """The files of an application that may matter to its key, by their names relative to the folder, with `/`."""

    folder: Path
    files: Mapping[str, str]
    unread: tuple[str, ...] = ()
    """Why some files were not read, one sentence each."""

    @cached_property
    def code(self) -> dict[str, str]:
        """The JavaScript and TypeScript that the application runs: no test, no script, no declaration of types."""
        return {
            name: text for name, text in self.files.items() if name.endswith(CODE) and not _NO_APPLICATION.search(name)
        }

    @cached_property
    def imports(self) -> dict[str, frozenset[str]]:
        """The files and packages that each file imports: a file of the folder by its name, a package as it is typed."""
        return {
            name: frozenset(self.resolves(name, specifier) for specifier in specifiers(text))
            for name, text in self.files.items()
            if name.endswith(CODE)
        }

    def importers(self, names: Iterable[str]) -> frozenset[str]:
        """The files that import one of these files or packages, themselves or through others."""
        by: dict[str, set[str]] = {}
        for name, imported in self.imports.items():
            for each in imported:
                by.setdefault(each, set()).add(name)
        found, waiting = set[str](), list(names)
        while waiting:
            new = by.get(waiting.pop(), set()) - found
            found |= new
            waiting += new
        return frozenset(found)

    def imports_any(self, name: str, modules: Iterable[str]) -> bool:
        """Whether a file imports one of these itself."""
        return not self.imports.get(name, frozenset()).isdisjoint(modules)

    def readers(self, variables: tuple[str, ...]) -> FoundReaders:
        """The places that read the variables."""
        return FoundReaders(readers=tuple(readers_in(self.files, variables)), unread=self.unread)

    def changed(self, files: Mapping[str, str | None]) -> "Sources":
        """These sources with other texts; None takes a file away."""
        merged = {**self.files, **files}
        return replace(self, files={name: text for name, text in merged.items() if text is not None})

    def resolves(self, name: str, specifier: str) -> str:
        """What a specifier of a file stands for: a file of the folder by its name, a package as it is typed."""
        key = (posixpath.dirname(name) if specifier.startswith(".") else "", specifier)
        if key not in self._resolved:
            self._resolved[key] = self._resolve(*key)
        return self._resolved[key]

    @cached_property
    def _resolved(self) -> dict[tuple[str, str], str]:
        return {}

    @cached_property
    def _short_names(self) -> tuple[tuple[str, str], ...]:
        return tuple(self._aliases())

    def _aliases(self) -> Iterator[tuple[str, str]]:
        for name in ("tsconfig.json", "jsconfig.json"):
            text = self.files.get(name, "")
            base = re.search(r"\"baseUrl\"\s*:\s*\"([^\"\n]*)\"", text)
            for alias, target in _ALIAS.findall(text):
                yield alias, posixpath.normpath(posixpath.join(base[1] if base else "", target or "."))
            if base:
                yield "", posixpath.normpath(base[1])
        for alias in ("@/", "~/"):
            yield from ((alias, below) for below in ("src", "."))

    def _resolve(self, folder: str, specifier: str) -> str:
        if specifier.startswith("."):
            bases = [posixpath.join(folder, specifier)]
        else:
            aliases = (each for each in self._short_names if specifier.startswith(each[0]))
            bases = [posixpath.join(target, specifier[len(alias) :]) for alias, target in aliases]
        for base in map(posixpath.normpath, bases):
            stem = re.sub(r"\.[mc]?jsx?$", "", base)
            for candidate in (base, *(f"{each}{end}" for each in (base, stem, f"{base}/index") for end in CODE)):
                if candidate in self.files:
                    return candidate
        return specifier


def read_sources(folder: Path, *, tests: bool = False) -> Sources:
    """The files of the folder, within the limits of `variable_readers`. A file that is no UTF-8 is named as unread."""
    files: dict[str, str] = {}
    content, unread = read_files(folder, CONFIGURATION, tests=tests)
    foreign = []
    for name, each in content.items():
        try:
            files[name] = each.decode("utf-8")
        except UnicodeDecodeError:
            foreign.append(name)
    if foreign:
        more = f" and {len(foreign) - 3} more" if len(foreign) > 3 else ""
        unread += (f"not read, no UTF-8: {', '.join(foreign[:3])}{more}",)
    return Sources(folder=folder, files=files, unread=unread)


@cache
def specifiers(text: str) -> tuple[str, ...]:
    """What a file imports while it runs, as it is typed; types alone are left out."""
    if "(\n" in text or "(\r\n" in text:
        text = re.sub(r"\b(import|require)\(\s+(?=[\"'])", r"\1(", text)
    # Line by line, because a pattern over the whole of a large application takes seconds.
    lines = (line for line in text.split("\n") if "from" in line or "import" in line or "require" in line)
    return tuple(found for line in lines if not _NO_IMPORT.match(line) for found in _IMPORT.findall(line))


@cache
def imported(text: str) -> Mapping[str, str]:
    """The specifier of each name that a file imports."""
    return {
        name: match["specifier"][1:-1]
        for match in IMPORTED.finditer(without_comments(text))
        for name in declared(match["esm"] or match["cjs"])
    }


@cache
def without_comments(text: str) -> str:
    """The text with blanks in place of its comments; every other character keeps its place."""
    return _TOKEN.sub(lambda match: blank(match[0]) if match[0].startswith(("//", "/*")) else match[0], text)


@cache
def inert(text: str) -> str:
    """The same with blanks in strings and in regular expressions, too."""
    return _TOKEN.sub(_inert, text)


def _inert(match: re.Match[str]) -> str:
    token = match[0]
    return blank(token) if token.startswith(("//", "/*")) else token[0] + blank(token[1:-1]) + token[-1]


def closing(code: str, start: int) -> int | None:
    """The position of the bracket that closes what is open at `start`; None where the brackets do not match."""
    depth = 0
    for match in re.compile(r"[()\[\]{}]").finditer(code, start):
        depth += 1 if match[0] in "([{" else -1
        if depth < 0:
            return match.start()
    return None


def is_balanced(text: str) -> bool:
    """Whether all brackets outside of strings and comments have their partner."""
    open_brackets = []
    for bracket in re.findall(r"[()\[\]{}]", inert(text)):
        if bracket in "([{":
            open_brackets.append({"(": ")", "[": "]", "{": "}"}[bracket])
        elif not open_brackets or open_brackets.pop() != bracket:
            return False
    return not open_brackets


def statements(text: str) -> list[Statement]:
    """The functions and variables at the top level, each up to its end; none of a text whose brackets do not match."""
    code, found = inert(text), []
    if not is_balanced(text):
        return []
    for match in _STATEMENT.finditer(code):
        is_function = match["function"] is not None
        end = statement_end(code, match.start(), needs_block=is_function)
        names = (match["function"],) if is_function else tuple(declared(text[match.start("name") : match.end("name")]))
        found.append(
            Statement(
                names=tuple(filter(None, names)),
                start=match.start(),
                end=end,
                text=text[match.start() : end],
                is_function=is_function,
                is_exported=match["export"] is not None,
            )
        )
    return found


def statement_end(code: str, start: int, *, needs_block: bool = False) -> int:
    """The end of a statement of blanked text: where a line ends and no bracket is open, and no operator goes on.

    `needs_block`: of a function, whose signature may fill several lines.
    """
    depth, has_block = 0, False
    for match in re.compile(r"[()\[\]{}]|\n|\Z").finditer(code, start):
        if match[0] and match[0] in "([{":
            has_block = has_block or (match[0] == "{" and depth == 0)
            depth += 1
        elif match[0] and match[0] in ")]}":
            depth -= 1
        elif depth == 0 and (has_block or not needs_block) and not _goes_on(code, start, match.start()):
            return len(code[: match.start()].rstrip())
    return len(code.rstrip())


_OPERATOR = re.compile(r"\s*(?:\.|\|\||&&|\?\?|\?|:|\+|=>)(?!/)")


def _goes_on(code: str, start: int, end: int) -> bool:
    before = code[max(start, end - 200) : end].rstrip()
    return before.endswith(("=", "=>", "||", "&&", "??", "?", ":", "+", ",", "(")) or bool(_OPERATOR.match(code, end))


def declared(pattern: str) -> Iterator[str]:
    """The names that a declaration or an import declares: `a`, `{ a, b: c }`, `[a, b]`, `a, { b as c }`, `* as d`."""
    for part in re.split(r"[,{}\[\]]", pattern):
        name = re.match(r"\s*(?:\.\.\.|type\s+)?(?:[\w*]+\s*(?::|\bas\b)\s*)?(\w+)", part)
        if name:
            yield name[1]


def line_of(text: str, position: int) -> int:
    """The line of a position, from 1."""
    return text.count("\n", 0, position) + 1


def line_bounds(text: str, position: int) -> tuple[int, int]:
    """Start and end of the line of a position, with its line break."""
    end = text.find("\n", position)
    return text.rfind("\n", 0, position) + 1, len(text) if end < 0 else end + 1


def line_break(text: str) -> str:
    """The line break of a file: that of its first line."""
    return "\r\n" if re.match(r"[^\n]*\r\n", text) else "\n"


def indentation(text: str) -> str:
    """One step of a file's indentation; two blanks where nothing is indented."""
    found = re.search(r"(?m)^(\t+|  +)(?=[^\s*])", text)
    return "\t" if found and found[1].startswith("\t") else (found[1] if found else "  ")


def quote(text: str) -> str:
    """The quotation mark that a file uses more often in its imports."""
    marks = re.findall(r"(?:\bfrom|\brequire\()\s*([\"'])", text)
    return '"' if marks.count('"') > marks.count("'") else "'"


def is_module(name: str, text: str) -> bool:
    """Whether a file imports by `import`, not by `require`."""
    code = inert(text)
    if re.search(r"(?m)^(?:import|export)\s", code):
        return True
    required = re.search(r"(?m)^(?:const|let|var)\s.*=\s*require\(|^module\.exports\b|^exports\.", code)
    return not name.endswith((".js", ".cjs", ".jsx", ".cts")) and not required
