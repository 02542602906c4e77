"""The site of the documentation: no page is lost, and no link leads nowhere. Most tests are on small made-up trees.

Touches folders of its own; thorough tests start Chromium, and the generator in the environment that `make docs`
installs.
"""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest

from tests.browsing.browser import opened_browser
from tools.bootstrap.places import PROJECT, tool
from tools.documents.site import __main__ as site_command
from tools.documents.site import navigation
from tools.documents.site.__main__ import build
from tools.documents.site.pages import Pages, place


def test_every_page_is_in_the_navigation_once_and_every_name_in_it_is_a_page() -> None:
    assert navigation.faults(PROJECT) == []


def test_a_page_that_is_not_in_the_navigation_is_named(tmp_path: Path) -> None:
    for name in navigation.named():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert navigation.faults(tmp_path) == []
    (tmp_path / "docs" / "new.md").touch()
    (tmp_path / "docs" / "phi.md").unlink()
    assert [fault.partition(":")[0] for fault in navigation.faults(tmp_path)] == [
        "docs/new.md is not in the navigation",
        "the navigation names docs/phi.md, which is not there",
    ]


def test_the_pages_of_this_project_have_no_fault(tmp_path: Path) -> None:
    pages = Pages(project=PROJECT, into=tmp_path)
    pages.write(navigation.named())
    assert pages.faults == []
    assert {"examples/ci/github", "examples/drills"} <= set(pages.linked)


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


# Small projects.


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in {
        "README.md": "[phi](docs/phi.md#keys), [a](docs/a/b.md) ![p](docs/p.svg)\n",
        "docs/phi.md": "# Keys\n[home](../README.md) [one](../examples/one.sh) [all](../examples) [why](why.md)\n",
        "docs/a/b.md": "[phi](../phi.md) [file](../../Pulumi.yaml)\n",
        "docs/why.md": "[work](../.github/WORK.md)\n",
        ".github/WORK.md": "[phi](../docs/phi.md)\n",
        "docs/p.svg": "<svg/>",
        "examples/one.sh": "echo 1\n",
        "examples/two/three.yml": "a: 1\n",
        "Pulumi.yaml": "name: one\n",
    }.items():
        (tmp_path / "project" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "project" / name).write_text(text)
    return tmp_path / "project"


NAMES = ["README.md", "docs/phi.md", "docs/a/b.md", "docs/why.md", ".github/WORK.md"]


def written(project: Path, names: list[str] = NAMES) -> tuple[Path, list[str]]:
    pages = Pages(project=project, into=project.parent / "pages")
    pages.write(names)
    return pages.into, pages.faults


def test_a_link_leads_to_the_page_of_the_site_that_stands_for_what_it_leads_to_in_the_project(project: Path) -> None:
    pages, faults = written(project)
    assert faults == []
    assert (pages / "index.md").read_text() == "[phi](phi.md#keys), [a](a/b.md) ![p](p.svg)\n"
    assert (pages / "phi.md").read_text().splitlines()[1] == (
        "[home](index.md) [one](files/examples/one.sh.md) [all](files/examples.md) [why](why.md)"
    )
    assert (pages / "a" / "b.md").read_text() == "[phi](../phi.md) [file](../files/Pulumi.yaml.md)\n"
    assert (pages / "why.md").read_text() == "[work](work.md)\n"
    assert (pages / "work.md").read_text() == "[phi](phi.md)\n"
    assert (pages / "p.svg").exists()


def test_what_a_page_links_to_outside_of_the_documentation_is_a_page_with_its_text(project: Path) -> None:
    pages, _ = written(project)
    assert (pages / "files/examples/one.sh.md").read_text() == "# examples/one.sh\n\n````bash\necho 1\n````\n"
    folder = (pages / "files/examples.md").read_text()
    assert "## one.sh\n" in folder and "## two/three.yml\n\n````yaml\na: 1\n" in folder


@pytest.mark.parametrize("link", ["nope.md", "../nope.sh", "../../outside.md", "img/nope.png"])
def test_a_link_to_nothing_is_named_with_its_line(project: Path, link: str) -> None:
    (project.parent / "outside.md").touch()
    (project / "docs" / "phi.md").write_text(f"# Keys\n\nsee [x]({link})\n")
    assert written(project)[1] == [f"docs/phi.md:3: {link} is not there"]


@pytest.mark.parametrize(
    "text",
    [
        "`[x](nope.md)`",
        "```\n[x](nope.md)\n```",
        "[x](https://example.org/a.md)",
        "[x](mailto:a@example.org)",
        "[x](#a)",
    ],
)
def test_code_and_addresses_are_left_as_they_are(project: Path, text: str) -> None:
    (project / "docs" / "phi.md").write_text(f"{text}\n")
    pages, faults = written(project)
    assert (faults, (pages / "phi.md").read_text()) == ([], f"{text}\n")


def test_a_list_that_the_generator_would_take_for_text_is_named(project: Path) -> None:
    (project / "docs" / "phi.md").write_text("text:\n- one\n- two\n\n- three\n```\ntext\n- code\n```\n")
    assert written(project)[1] == ["docs/phi.md:2: an empty line is missing before the list"]


# The real generator.


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of this project, as `make docs` builds it."""
    work = tmp_path_factory.mktemp("site")
    assert build(PROJECT, tool("docs"), work) == []
    return work / "site"


@pytest.mark.thorough
def test_every_page_is_built(built: Path) -> None:
    pages = {place(name) for name in navigation.named()}
    there = {file.relative_to(built).with_suffix(".md").as_posix() for file in built.rglob("*.html")}
    assert pages - there == set()


@pytest.mark.thorough
@pytest.mark.needs("chromium", "chromedriver")
def test_a_browser_asks_nobody_else_for_a_page(built: Path, tmp_path: Path) -> None:
    with opened_browser(tmp_path) as browser:
        for name in ("index", "tutorial", "reference/check-codes", "decisions", "files/examples/drills"):
            browser.open(built / f"{name}.html")
            asked = [address for address in browser.requests() if not address.startswith("data:")]
            assert asked and [each for each in asked if not each.startswith(built.as_uri())] == []


@pytest.mark.thorough
def test_an_anchor_that_is_not_there_fails_the_build(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    for name in (".github", "docs", "examples", "guardrails", "packages"):
        shutil.copytree(PROJECT / name, copy / name, ignore=shutil.ignore_patterns("node_modules", "__pycache__"))
    for name in ("Pulumi.yaml", *(page.name for page in PROJECT.glob("*.md"))):
        shutil.copy(PROJECT / name, copy / name)
    with (copy / "docs" / "phi.md").open("a") as page:
        page.write("\nSee [nothing](reliability.md#no-such-heading).\n")
    (fault,) = build(copy, tool("docs"), tmp_path / "work")
    assert "anchor does not exist" in fault and "phi.md" in fault


def test_the_command_that_shows_the_site_can_be_pasted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    site, work = tmp_path / "the clinic's pages" / ".artefacts" / "site", tmp_path / "cache" / "site"

    def make(project: Path, python: Path, work: Path) -> list[str]:
        (work / "site").mkdir(parents=True)
        (work / "site" / "index.html").touch()
        return []

    for name, value in {"SITE": site, "PROJECT": tmp_path / "the clinic's pages", "CACHE": work.parent}.items():
        monkeypatch.setattr(site_command, name, value)
    monkeypatch.setattr(site_command, "build", make)
    monkeypatch.setattr(site_command, "tool", lambda name: Path("python"))
    site.parents[1].mkdir()
    assert site_command.main() == 0
    words = shlex.split(capsys.readouterr().out.partition("To look at it: ")[2])
    assert words == ["python3", "-m", "http.server", "--directory", str(site), "8000"]
