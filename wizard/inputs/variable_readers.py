"""Finds the places where an application reads a variable: file, line, purpose, and behaviour without it.

Reads the files of that folder, no link out of it, within limits of size, number and time. Executes nothing.
"""

import os
import re
import stat
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

LARGEST = 1024 * 1024
"""Bytes. A larger file is not read; code that a person wrote is smaller."""
MOST_FILES = 20_000
MOST_SECONDS = 5.0
"""Longest time for reading a folder, also on a slow disk."""

_GENERATED = frozenset(
    {"node_modules", "bower_components", "dist", "build", "out", "coverage", "vendor", "venv", "__pycache__", "target"}
)
_TESTS = frozenset({"test", "tests", "__tests__", "__mocks__", "e2e", "cypress", "fixtures"})
_JAVASCRIPT = frozenset(
    {".ts", ".tsx", ".mts", ".cts", ".js", ".jsx", ".mjs", ".cjs", ".vue", ".svelte", ".astro", ".prisma"}
)
_PYTHON = frozenset({".py"})
_SHELL = frozenset({".sh", ".bash"})
_COMPOSE = re.compile(r"(?:docker-)?compose[\w.-]*\.ya?ml|serverless\.ya?ml|app\.ya?ml|fly\.toml|render\.yaml")
_DOCKERFILE = re.compile(r"(?:.+\.)?[Dd]ockerfile(?:\..+)?|Containerfile|Procfile")
_DOTENV = re.compile(r"\.env(?:\.[\w.-]+)?|[\w.-]+\.env")
_TEST_FILE = re.compile(r"\.(?:test|spec|stories)\.\w+$|(?:^|/)(?:test_[^/]*|conftest|[^/]*_test)\.py$|\.d\.[cm]?ts$")
_ANOTHERS_DOTENV = re.compile(r"example|sample|template|dist|test|local|dev")
"""In the name of an .env file that no deployment reads."""


class How(StrEnum):
    """The use of a variable in a line."""

    READS = "reads"
    DECLARES = "declares"
    """A schema of the environment names it: zod, t3-env, envalid, pydantic."""
    PUBLISHES = "publishes"
    """`env` of next.config: the value is built into every bundle, the browser's too."""
    SETS = "sets"
    """An .env file, a Dockerfile or a compose file gives it a value."""
    PASSES = "passes"
    """A compose file passes it on to a container."""


@dataclass(frozen=True, kw_only=True)
class Reader:
    """A place that uses a variable. A file that reads it several times counts once, with its first line."""

    variable: str
    file: str
    """Relative to the folder, with `/`."""
    line: int
    """Line number, from 1."""
    how: How
    preferred: str = ""
    """The variable that is read first, this one only without it: `AWS_S3_REGION`; empty for none."""
    without: str = ""
    """The behaviour if the variable is missing, by the next lines: `throws`, `answers null`."""
    text: str = ""
    """The file's text without comments."""

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, kw_only=True)
class FoundReaders:
    """The readers in a folder, and the files that were not read."""

    readers: tuple[Reader, ...] = ()
    unread: tuple[str, ...] = ()
    """Why some files were not read, one sentence each; empty if all were."""

    def of(self, variable: str) -> tuple[Reader, ...]:
        """The readers of one variable."""
        return tuple(reader for reader in self.readers if reader.variable == variable)


def find_readers(
    folder: Path, variables: Collection[str], *, clock: Callable[[], float] = time.monotonic
) -> FoundReaders:
    """The readers of the variables in the folder, in the order of the files; no test, no generated file, no comment.

    A folder that is missing or unreadable has none.
    """
    content, unread = _read_files(folder, clock)
    names = [name.encode() for name in variables]
    named = {name: each for name, each in content.items() if any(variable in each for variable in names)}
    files = {name: each.decode("utf-8", errors="replace") for name, each in named.items()}
    readers = (reader for name, text in files.items() for reader in _readers(name, text, variables))
    return FoundReaders(readers=tuple(readers), unread=unread)


def _read_files(folder: Path, clock: Callable[[], float]) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """The bytes of the files that may read a variable, by their names, and why some were not read."""
    until, content, large = clock() + MOST_SECONDS, dict[str, bytes](), list[str]()
    for number, name in enumerate(_files(folder)):
        if number >= MOST_FILES:
            return content, (*_too_large(large), _rest(f"{MOST_FILES:,} files"))
        if clock() > until:
            return content, (*_too_large(large), _rest(f"{MOST_SECONDS:.0f} s"))
        each = _content(folder, name)
        if each is None:
            large.append(name)
        else:
            content[name] = each
    return content, _too_large(large)


def _rest(limit: str) -> str:
    return f"the folder was read for its first {limit} only"


def _too_large(files: list[str]) -> tuple[str, ...]:
    if not files:
        return ()
    more = f" and {len(files) - 3} more" if len(files) > 3 else ""
    return (f"not read, larger than 1 MB or unreadable: {', '.join(files[:3])}{more}",)


# --- the files


def _files(folder: Path) -> Iterator[str]:
    """The names of the files that may read a variable, relative to the folder, sorted; none behind a link."""
    for place, folders, names in os.walk(folder, followlinks=False):
        below = os.path.relpath(place, folder)
        if below != "." and _is_this_project(place, names):
            folders[:] = []
            continue
        folders[:] = sorted(name for name in folders if name not in _GENERATED | _TESTS and not name.startswith("."))
        for name in sorted(names):
            path = name if below == "." else f"{below}/{name}".replace(os.sep, "/")
            if _kind(name) is not None and not _TEST_FILE.search(path):
                yield path


def _is_this_project(place: str, names: list[str]) -> bool:
    """A checkout of this program in the application's folder names the variables on every page, and reads none."""
    if "Pulumi.yaml" not in names:
        return False
    content = _content(Path(place), "Pulumi.yaml") or b""
    return re.search(rb"(?m)^name:\s*eonpro-kms\s*$", content) is not None


def _content(folder: Path, name: str) -> bytes | None:
    """The bytes of a regular file that is no link; None for any other, a larger or an unreadable one."""
    try:
        # Neither a link out of the folder nor a pipe that nobody writes to.
        file = os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (OSError, ValueError):
        return b"" if (folder / name).is_symlink() else None
    with os.fdopen(file, "rb") as opened:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            return b""
        if status.st_size > LARGEST:
            return None
        try:
            return opened.read(LARGEST + 1)
        except OSError:
            return None


def _kind(name: str) -> str | None:
    """`javascript`, `python`, `shell`, `dotenv`, `docker` or `compose`; None for a file that reads no variable."""
    ending = os.path.splitext(name)[1]
    if ending in _JAVASCRIPT:
        return "javascript"
    if ending in _PYTHON:
        return "python"
    if ending in _SHELL or name in ("package.json", "vercel.json", "Makefile"):
        return "shell"
    if _DOTENV.fullmatch(name):
        return None if _ANOTHERS_DOTENV.search(name.removeprefix(".env")) else "dotenv"
    if _COMPOSE.fullmatch(name):
        return "compose"
    return "docker" if _DOCKERFILE.fullmatch(name) else None


# --- comments

_QUOTED = r""""(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`"""
# A slash after a colon or a backslash is one of an address, or of a regular expression. Each alternative begins with a
# literal: then the search skips all other characters.
_C_COMMENT = rf"{_QUOTED}|/(?:/(?<![:\\/]//)[^\n]*|\*.*?(?:\*/|\Z))|<!--.*?(?:-->|\Z)"
_HASH_COMMENT = rf"""\"\"\".*?\"\"\"|'''.*?'''|{_QUOTED}|\#(?:(?<=\s\#)|(?<=^\#))[^\n]*"""


@cache
def _comment(kind: str) -> re.Pattern[str]:
    return re.compile(_C_COMMENT if kind == "javascript" else _HASH_COMMENT, re.DOTALL | re.MULTILINE)


def without_comments(text: str, kind: str = "javascript") -> str:
    """The text with blanks in place of its comments: every line keeps its number."""
    return _comment(kind).sub(lambda match: _blank(match[0]) if match[0][0] in "/<#" else match[0], text)


def _blank(text: str) -> str:
    """A text of as many blanks, with the same line breaks."""
    return "\n".join(" " * len(line) for line in text.split("\n"))


# --- the lines

_ENVIRONMENT = re.compile(r"\benv\b|\benviron\b|\bgetenv\b|\bENV\b|[Ee]nvironment|\bconfig\b|BaseSettings")
"""In a file whose quoted names may be those of variables."""
_SCHEMA = re.compile(
    r"\bz\.\w+\(|\bzod\b|t3-env|createEnv\b|cleanEnv\b|envalid|valibot|\bjoi\b|\byup\b|arktype|BaseSettings"
)


def _readers(file: str, original: str, variables: Collection[str]) -> Iterator[Reader]:
    kind = _kind(os.path.basename(file)) or ""
    text = without_comments(original, kind)
    for variable in variables:
        found = next(iter(sorted(_uses(file, text, kind, variable))), None)
        if found is not None:
            position, how = found
            yield Reader(
                variable=variable,
                file=file,
                line=text.count("\n", 0, position) + 1,
                how=how,
                preferred=_preferred(text, position),
                without=_without(text, position) if how is How.READS else "",
                text=text,
            )


def _uses(file: str, text: str, kind: str, variable: str) -> Iterator[tuple[int, How]]:
    """(position, kind) of each use. A read counts before a declaration of the same file."""
    name = re.escape(variable)
    if kind == "dotenv":
        yield from _at(rf"(?m)^[ \t]*(?:export[ \t]+)?{name}[ \t]*=[ \t]*(?=[\"']?[^\s\"'])", text, How.SETS)
        return
    if kind == "docker":
        yield from _at(rf"(?im)^[ \t]*(?:ENV|ARG)[ \t]+(?:[^\n]*?[ \t])?{name}(?![\w])", text, How.SETS)
    if kind == "compose":
        yield from _at(rf"(?m)^[ \t]*-?[ \t]*[\"']?{name}[\"']?[ \t]*(?::|=|$)", text, How.PASSES)
    if kind in ("docker", "compose", "shell"):
        yield from _at(rf"\$(?:{name}(?!\w)|\{{(?:env:)?{name}(?!\w))", text, How.READS)
        if kind != "shell":
            return
    reads = [*_reads(text, name)]
    if re.fullmatch(r"next\.config\.[cm]?[jt]s", os.path.basename(file)):
        published = re.search(rf"\benv\s*:\s*\{{[^{{}}]*?\b({name})\b", text)
        if published:
            yield published.start(1), How.PUBLISHES
            return
    if reads:
        yield from ((position, How.READS) for position in reads)
    elif _SCHEMA.search(text):
        yield from _at(rf"""(?<![\w.$])(["']?){name}\1\s*(?:\?\s*)?[:=]""", text, How.DECLARES)


def _at(pattern: str, text: str, how: How) -> Iterator[tuple[int, How]]:
    for match in re.finditer(pattern, text):
        # A pattern may begin on the line before.
        yield match.end() - 1, how


def _reads(text: str, name: str) -> Iterator[int]:
    # process.env.NAME, import.meta.env.NAME, env.NAME of t3-env, a name for process.env; with ?. and !
    for match in re.finditer(rf"[\w)\]]\s*(?:[?!]\s*)?\.\s*{name}(?![\w$])", text):
        if not re.search(r"\bexports\s*\.?\s*$", text[: match.start() + 1][-20:]):
            yield match.end() - 1
    # process.env['NAME'], env.get("NAME"), getenv('NAME'), required('NAME'), ['NAME', …].forEach((name) => env[name])
    if _ENVIRONMENT.search(text):
        for match in re.finditer(rf"""(["'`]){name}\1(?!\s*:)""", text):
            yield match.start()
    # const { NAME, NAME: other, NAME = 'x' } = process.env
    for match in re.finditer(r"\{([^{}]*)\}\s*(?::\s*[\w.<>\[\], ]+)?=\s*[\w.]*\benv\b", text):
        if inside := re.search(rf"(?<![\w$:.]){name}(?![\w$])", match[1]):
            yield match.start(1) + inside.start()


def _preferred(text: str, position: int) -> str:
    """The variable before `||` or `??` on the same line: this one is only read without it."""
    line = text[text.rfind("\n", 0, position) + 1 : position]
    first = re.search(r"env\s*(?:\.\s*|\[\s*[\"'])([A-Z][A-Z0-9_]+)[\"']?\]?\s*(?:\|\||\?\?)\s*[\w.\[\"']*$", line)
    return first[1] if first else ""


_NEXT_LINES = 8


def _without(text: str, position: int) -> str:
    """The behaviour without the variable, by the lines that follow; empty if they do not show it."""
    begin = text.rfind("\n", 0, position) + 1
    following = "\n".join(text[begin:].split("\n")[:_NEXT_LINES])
    end = text.find("\n", position)
    after = text[position : end if end >= 0 else len(text)]
    if re.search(r"^\w*[\"']?\]?\s*(?:\|\||\?\?)\s*(?!undefined|null)", after):
        return "goes on with another value"
    ways = ((r"\bthrow\b|\braise\b", "throws"), (r"\breturn\s+(?:null|undefined|None)\b", "answers null"))
    found = [(match.start(), way) for pattern, way in ways if (match := re.search(pattern, following))]
    return min(found)[1] if found else ""
