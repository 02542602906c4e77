"""The pages: no link leads nowhere, no page is an orphan, and none grows. Reads the project."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.bootstrap.places import PROJECT

PAGES = sorted(
    [
        *(PROJECT / "docs").rglob("*.md"),
        *(PROJECT / ".github").glob("*.md"),
        *PROJECT.glob("*.md"),
        *PROJECT.glob("packages/*/README.md"),
    ]
)
_BLOCK = re.compile(r"^ *(`{3,})[^\n]*\n.*?^ *\1 *$", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"(?<!`)(`+)(?!`)[^\n]*?(?<!`)\1(?!`)")
_LINK = re.compile(r"\]\((?P<target>[^)\s#]*)(?:#(?P<anchor>[^)\s]*))?\)")
_ADDRESS = re.compile(r"[a-z]+:|//")


def links(text: str) -> Iterator[tuple[str, str | None]]:
    """Where a page's links lead: the target and the anchor; what is code links to nothing."""
    for found in _LINK.finditer(_CODE.sub("", _BLOCK.sub("", text))):
        if not _ADDRESS.match(found["target"]):
            yield found["target"], found["anchor"]


def anchors(text: str) -> set[str]:
    """The anchors that a code host gives to a page's headings."""
    text, seen = _BLOCK.sub("", text), Counter[str]()
    found = {*re.findall(r'<a (?:id|name)="([^"]+)"', text)}
    for heading in re.findall(r"^#+ +(.+?) *$", text, re.MULTILINE):
        shown = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


def dead_links(page: Path, root: Path) -> list[str]:
    """The links of a page that lead to nothing, or out of the project."""
    dead = []
    for target, anchor in links(page.read_text(encoding="utf-8")):
        to = (page.parent / target).resolve() if target else page
        is_there = to.exists() and to.is_relative_to(root)
        if not is_there or (anchor and to.suffix == ".md" and anchor not in anchors(to.read_text(encoding="utf-8"))):
            dead.append(f"{target}#{anchor}" if anchor else target)
    return dead


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(PROJECT).as_posix())
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    assert dead_links(page, PROJECT) == []


@pytest.mark.parametrize(
    ("text", "dead"),
    [
        ("[x](nope.md)", ["nope.md"]),
        ("![x](nope.png)", ["nope.png"]),
        ("[x](../outside.md)", ["../outside.md"]),
        ("[x](#nothing)", ["#nothing"]),
        ("[x](other.md#nothing)", ["other.md#nothing"]),
        ("[x](other.md#two-words-here) [y](other.md#same-1) [z](#here)", []),
        ("`[x](nope.md)`\n```\n[x](nope.md)\n```\n", []),
        ("[x](https://example.org/a.md#b) [x](mailto:a@example.org)", []),
    ],
)
def test_a_link_to_nothing_is_found(tmp_path: Path, text: str, dead: list[str]) -> None:
    (tmp_path / "outside.md").touch()
    root = tmp_path / "project"
    root.mkdir()
    (root / "other.md").write_text("# Two words, `here`\n## Same\n## Same\n```\n# nothing\n```\n")
    (root / "page.md").write_text(f"# Here\n{text}\n")
    assert dead_links(root / "page.md", root) == dead


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, waiting = set[Path](), [PROJECT / "README.md"]
    while waiting:
        if (page := waiting.pop()) not in reached:
            reached.add(page)
            to = ((page.parent / target).resolve() for target, _ in links(page.read_text(encoding="utf-8")))
            waiting += [each for each in to if each.suffix == ".md"]
    assert {page for page in PAGES if page.is_relative_to(PROJECT / "docs")} - reached == set()


WORDS = {"README.md": 900, "docs/reliability.md": 900, "CHANGELOG.md": 1500, "docs/comparison.md": 400}
WORDS |= {f"packages/{name}/README.md": 300 for name in ("action", "phi", "phi-node", "sandbox")}


@pytest.mark.parametrize(("name", "most"), WORDS.items())
def test_a_page_that_everybody_reads_stays_short(name: str, most: int) -> None:
    assert len((PROJECT / name).read_text().split()) <= most


def test_the_pages_together_and_each_decision_stay_short() -> None:
    pages = [page.read_text() for page in (PROJECT / "docs").rglob("*.md")]
    assert sum(len(text.split()) for text in pages) <= 24_000
    decisions = (PROJECT / "docs" / "decisions.md").read_text().split("\n## ")[1:]
    assert len(decisions) <= 15
    assert [text.partition("\n")[0] for text in decisions if len(text.partition("\n")[2].split()) > 80] == []
