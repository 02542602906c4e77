"""`python -m tools.measure [--before REVISION]`: the size and the structure of the code.

Reads the working tree or a revision through git; prints the figures and never fails.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import subprocess
import sys
import tarfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath

PROJECT = Path(__file__).resolve().parents[1]
ROOMS = {
    **{name: (name,) for name in ("__main__.py", "components", "guardrails", "wizard")},
    **{name: (f"packages/{name}", name) for name in ("action", "phi", "sandbox")},
}
"""Each part of the product and its files or folders, in this revision and in earlier ones."""
PRODUCT = tuple(folder for folders in ROOMS.values() for folder in folders)
TOOLS = ("bench", "docs", "setup", "tools")
"""Folders of the tools, in this revision and in earlier ones."""
SMALL, LARGE_FOLDER, LONG_FUNCTION = 80, 18, 50
REFERENCE = "docs/reference/"
"""The pages that repeat tables of the program: to look things up, not to read."""


class Tree:
    """The files of one revision, or of the working tree."""

    def __init__(self, names: Iterable[str], texts: Mapping[str, str]) -> None:
        self.names = tuple(sorted(names))
        self.texts = {name: texts[name] for name in self.names if name in texts}
        self.sources = {name: text for name, text in self.texts.items() if name.endswith(".py")}

    @classmethod
    def working(cls) -> Tree:
        """The files that git tracks or would track, from the disk."""
        listed = _git("ls-files", "--cached", "--others", "--exclude-standard", "-z").decode().split("\0")
        names = [name for name in listed if name and (PROJECT / name).is_file()]
        return cls(names, {name: (PROJECT / name).read_text("utf-8", "replace") for name in names if _is_read(name)})

    @classmethod
    def of(cls, revision: str) -> Tree:
        with tarfile.open(fileobj=io.BytesIO(_git("archive", "--format=tar", revision))) as archive:
            files = [member for member in archive.getmembers() if member.isfile()]
            texts = {
                member.name: content.read().decode(errors="replace")
                for member in files
                if _is_read(member.name) and (content := archive.extractfile(member))
            }
        return cls([member.name for member in files], texts)

    def under(self, *folders: str) -> dict[str, str]:
        """The modules of these folders, and these files."""
        within = tuple(f"{folder}/" for folder in folders)
        return {name: text for name, text in self.sources.items() if f"{name}/".startswith(within)}

    @property
    def product(self) -> dict[str, str]:
        """All modules except the tests."""
        return self.under(*PRODUCT, *TOOLS)

    @property
    def stored(self) -> dict[str, str]:
        """The stored data of the tests: every file that is neither Python nor a lock."""
        return {
            name: text
            for name, text in self.texts.items()
            if name.startswith("tests/") and not name.endswith(".py") and not _LOCK.search(name)
        }

    @property
    def prose(self) -> dict[str, str]:
        """The pages of `docs/` that a person wrote."""
        return {name: text for name, text in self.pages.items() if not name.startswith(REFERENCE)}

    @property
    def pages(self) -> dict[str, str]:
        """The pages of `docs/`, generated ones too."""
        return {name: text for name, text in self.texts.items() if re.fullmatch(r"docs/.*\.md", name)}

    @cached_property
    def long_functions(self) -> list[str]:
        """Functions of the product of more than 50 lines, docstrings included."""
        return [
            f"{name}:{node.lineno} {node.name}"
            for name, source in self.under(*PRODUCT).items()
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            if (node.end_lineno or node.lineno) - node.lineno >= LONG_FUNCTION
        ]

    @property
    def root(self) -> set[str]:
        return {name.partition("/")[0] for name in self.names}

    @cached_property
    def families(self) -> dict[str, list[str]]:
        """Folder and prefix to the modules that share them."""
        families = defaultdict(list)
        for path in map(PurePosixPath, self.product):
            prefix, underscore, _ = path.stem.partition("_")
            if prefix and underscore:
                families[f"{path.parent}/{prefix}_"].append(path.name)
        return {prefix: names for prefix, names in families.items() if len(names) > 1}

    @cached_property
    def large_folders(self) -> dict[str, int]:
        """Folder to its number of modules, where it has many."""
        sizes = Counter(str(path.parent) for path in map(PurePosixPath, self.product) if path.name != "__init__.py")
        return {folder: size for folder, size in sizes.items() if size > LARGE_FOLDER}

    @cached_property
    def small(self) -> dict[str, str]:
        """Short module to its only importer."""
        modules = {_module(name): name for name in self.product}
        importers: dict[str, set[str]] = defaultdict(set)
        for name, source in self.product.items():
            for imported in _imports(name, source, modules):
                importers[imported].add(name)
        return {
            modules[imported]: next(iter(names))
            for imported, names in sorted(importers.items())
            if len(names) == 1 and _lines(self.sources[modules[imported]]) < SMALL
            if PurePosixPath(modules[imported]).stem not in ("__init__", "__main__")
        }


_LOCK = re.compile(r"(?:-lock\.json|/requirements[\w-]*\.txt)$")


def _is_read(name: str) -> bool:
    return name.endswith((".py", ".md")) or name.startswith("tests/")


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=PROJECT, check=True, capture_output=True).stdout


def _module(name: str) -> str:
    parts = PurePosixPath(name).with_suffix("").parts
    # packages/NAME is on the module search path.
    parts = parts[2:] if parts[0] == "packages" else parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _lines(source: str) -> int:
    return len(source.splitlines())


def _imports(name: str, source: str, modules: Mapping[str, str]) -> Iterator[str]:
    package = PurePosixPath(name).parent.parts
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            origin = ".".join((*above, *([node.module] if node.module else [])))
            for alias in node.names:
                imported = f"{origin}.{alias.name}"
                if (module := imported if imported in modules else origin) in modules:
                    yield module


def _strings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    # A string that is a statement documents the code before it.
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.lineno, node.value


def _rows(tree: Tree) -> dict[str, int]:
    rows = {}
    for room, folders in ROOMS.items():
        modules = tree.under(*folders)
        rows[f"{room}: modules"] = len(modules)
        rows[f"{room}: lines"] = sum(map(_lines, modules.values()))
    for title, modules in (
        ("product", tree.under(*PRODUCT)),
        ("tools", tree.under(*TOOLS)),
        ("product and tools", tree.product),
        ("tests", tree.under("tests")),
    ):
        rows[f"{title}: modules"] = len(modules)
        rows[f"{title}: lines"] = sum(map(_lines, modules.values()))
    rows["tests: lines of stored data"] = sum(map(_lines, tree.stored.values()))
    rows["docs: words of prose"] = sum(len(text.split()) for text in tree.prose.values())
    rows["docs: words with docs/reference/"] = sum(len(text.split()) for text in tree.pages.values())
    rows["product: words in strings"] = sum(
        len(text.split()) for source in tree.under(*PRODUCT).values() for _, text in _strings(ast.parse(source))
    )
    rows[f"product: functions over {LONG_FUNCTION} lines"] = len(tree.long_functions)
    flat = [path for path in map(PurePosixPath, tree.under("wizard")) if len(path.parts) == 2]
    rows["modules flat in wizard/"] = len([path for path in flat if path.stem not in ("__init__", "__main__")])
    rows["prefixes that modules of a folder share"] = len(tree.families)
    rows[f"folders of more than {LARGE_FOLDER} modules"] = len(tree.large_folders)
    rows[f"modules with one importer and under {SMALL} lines"] = len(tree.small)
    rows["entries of the root"] = len(tree.root)
    rows["entries of the root that are hidden"] = sum(entry.startswith(".") for entry in tree.root)
    return rows


def _print_table(heading: str, rows: Mapping[str, Sequence[int]], before: str | None) -> None:
    width = max(map(len, [heading, *rows]))
    print(f"{heading:{width}}  {f'{before[:10]:>10}  ' if before else ''}{'now':>10}")
    for title, numbers in rows.items():
        print(f"{title:{width}}  " + "  ".join(f"{number:>10,}" for number in numbers))
    print()


def main(arguments: Sequence[str]) -> int:
    """Print the figures; always returns 0."""
    parser = argparse.ArgumentParser(prog="python -m tools.measure", description="Prints figures about the code.")
    parser.add_argument("--before", metavar="REVISION", help="a revision of git to compare with")
    before: str | None = parser.parse_args(arguments).before
    now, then = Tree.working(), Tree.of(before) if before else None
    figures = [_rows(tree) for tree in (then, now) if tree]
    _print_table("Figures", {title: [rows[title] for rows in figures] for title in figures[-1]}, before)
    for title, lines in (
        (
            "Prefixes that modules of a folder share",
            [f"{prefix}: {', '.join(names)}" for prefix, names in now.families.items()],
        ),
        (
            f"Folders of more than {LARGE_FOLDER} modules",
            [f"{folder}: {size}" for folder, size in now.large_folders.items()],
        ),
        (
            f"One importer and under {SMALL} lines",
            [f"{module}: only {importer}" for module, importer in now.small.items()],
        ),
        ("Entries of the root", [" ".join(sorted(now.root))]),
    ):
        print("\n".join([title, *(f"  {line}" for line in lines or ["none"]), ""]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
