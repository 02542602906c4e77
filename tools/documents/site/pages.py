"""The pages as the site's generator takes them: what a link leads to in the project is a page of the site.

Reads the project; writes the folder that is passed to it.
"""

from __future__ import annotations

import posixpath
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

FILES = "files"
"""The folder of the site for what pages link to outside of `docs/`: each such file or folder is a page."""

_LINK = re.compile(r"(?<=\]\()(?P<target>[^)\s#]*)(?P<anchor>#[^)\s]*)?(?=\))")
_ELSEWHERE = re.compile(r"^(?:[a-z]+:|//)")
_FENCE = re.compile(r"^ *(`{3,}|~{3,})")
_ITEM = re.compile(r"^ *(?:[-*]|\d+\.) ")
_LANGUAGES = {
    ".sh": "bash",
    ".yml": "yaml",
    ".yaml": "yaml",
    ".json": "json",
    ".py": "python",
    ".ts": "ts",
    ".tsx": "tsx",
}


@dataclass(kw_only=True)
class Pages:
    """The pages of one site; `faults` are sentences, each with file and line."""

    project: Path
    into: Path
    faults: list[str] = field(default_factory=list)
    linked: dict[str, None] = field(default_factory=dict)
    """What pages link to outside of `docs/`, in the order in which it was met."""

    def write(self, names: list[str]) -> None:
        """Write these pages of the project, what they show, and a page for everything else that they link to."""
        shutil.copytree(self.project / "docs", self.into, ignore=shutil.ignore_patterns("*.md"), dirs_exist_ok=True)
        for name in names:
            self._page(place(name), "\n".join(self._lines(name)) + "\n")
        for name in self.linked:
            self._page(place(name), _shown(self.project, name))

    def _page(self, path: str, text: str) -> None:
        file = self.into / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def _lines(self, name: str) -> Iterator[str]:
        fence, before = "", ""
        for number, line in enumerate((self.project / name).read_text(encoding="utf-8").splitlines(), 1):
            found = _FENCE.match(line)
            if found and not (fence and found[1] != fence):
                fence = "" if fence else found[1]
            elif not fence:
                if _ITEM.match(line) and before and not _ITEM.match(before) and not before.startswith(" "):
                    self.faults.append(f"{name}:{number}: an empty line is missing before the list")
                line = self._linked(line, name, number)
                # A code host reads Markdown in HTML; the generator has to be told.
                line = line.replace("<details>", "<details markdown>")
            before = line
            yield line

    def _linked(self, line: str, name: str, number: int) -> str:
        def new(found: re.Match[str]) -> str:
            target, anchor = found["target"], found["anchor"] or ""
            if not target or _ELSEWHERE.match(target):
                return found[0]
            path = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
            if path.startswith("..") or not (self.project / path).exists():
                self.faults.append(f"{name}:{number}: {target} is not there")
                return found[0]
            if not _is_page(path) and not path.startswith("docs/"):
                self.linked[path] = None
            return posixpath.relpath(place(path), posixpath.dirname(place(name)) or ".") + anchor

        parts = re.split(r"(`[^`]*`)", line)
        # What is code links to nothing.
        return "".join(part if part.startswith("`") else _LINK.sub(new, part) for part in parts)


def _is_page(path: str) -> bool:
    return path.endswith(".md") and PurePosixPath(path).parts[0] in ("docs", ".github", path)


def place(name: str) -> str:
    """Where a file of the project stands among the pages."""
    if name == "README.md":
        return "index.md"
    if _is_page(name) and not name.startswith("docs/"):
        return PurePosixPath(name).name.lower()
    if name.startswith("docs/"):
        return name.removeprefix("docs/")
    return f"{FILES}/{name}.md"


def _shown(project: Path, name: str) -> str:
    """A page with the text of a file, or of the files in a folder."""
    path = project / name
    files = sorted(each for each in path.rglob("*") if each.is_file() and _is_text(each)) if path.is_dir() else [path]
    parts = [f"# {name}", ""]
    for file in files:
        if path.is_dir():
            parts += [f"## {file.relative_to(path).as_posix()}", ""]
        parts += [f"````{_LANGUAGES.get(file.suffix, 'text')}", file.read_text(encoding="utf-8").rstrip(), "````", ""]
    return "\n".join(parts)


def _is_text(file: Path) -> bool:
    hidden = any(
        part in ("node_modules", "__pycache__") or part.startswith(".") for part in PurePosixPath(file).parts[-3:]
    )
    return not hidden and not file.name.endswith("-lock.json") and b"\0" not in file.read_bytes()
