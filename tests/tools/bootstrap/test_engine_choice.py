"""Which Pulumi engine is taken, why, and that the decision is kept."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.tools.bootstrap.module_cache import download
from tools.bootstrap.engine import BUILT_HERE, DOWNLOAD_SITE, LANGUAGE_HOST, Engine, Kind
from tools.bootstrap.go import Go
from tools.bootstrap.machine import Machine
from tools.bootstrap.places import NotSetUp, Places
from tools.bootstrap.progress import StepFailed
from tools.bootstrap.running import CommandFailed, Job, Processes

PROJECT = Path(__file__).parents[3]


@dataclass
class World:
    """A checkout in a temporary folder, a PATH of its own, and a download site that does as the test says."""

    root: Path
    site: Callable[[Job], str]
    started: list[tuple[str, ...]] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    lists: str = ""
    sources: dict[str, str] = field(default_factory=dict)
    """Of the last build: the go.mod, and each file of a replaced module."""

    @property
    def places(self) -> Places:
        return Places(project=self.root / "checkout")

    def run(self, job: Job) -> str:
        self.started.append(job.argv)
        self.jobs.append(job)
        if DOWNLOAD_SITE in job.argv or "PulumiCommand" in " ".join(job.argv):
            return self.site(job)
        if "download" in job.argv:
            return download(self.root / "modules", job.argv[-1])
        if "list" in job.argv:
            return self.lists
        if "build" in job.argv:
            self.sources = sources(Path(job.argv[job.argv.index("-modfile") + 1]))
            cli(Path(job.argv[job.argv.index("-o") + 1]), "v3.259.0")
            return ""
        return Processes(logs=self.root / "logs", alive=lambda seconds, last: None)(job)

    def engine(self, wanted: Kind = Kind.AUTO) -> Engine:
        path = os.pathsep.join([str(self.root / "first"), str(self.root / "second"), "/usr/bin", "/bin"])
        machine = Machine(places=self.places, environment={"PATH": path}, run=self.run, say=self.said.append)
        return Engine(machine, wanted)


def cli(path: Path, says: str, *, language_host: bool = False) -> None:
    """Puts a program at the path that answers `version` as the Pulumi CLI does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho {says}\n")
    path.chmod(0o755)
    if language_host:
        shutil.copy(path, path.with_name(LANGUAGE_HOST))


def sources(go_mod: Path) -> dict[str, str]:
    """The go.mod, and each file of the modules that it replaces by a folder, by `module/file`."""
    texts = {"go.mod": go_mod.read_text()}
    for name, quoted in re.findall(r'^replace (\S+) => ("/.+")$', texts["go.mod"], re.MULTILINE):
        folder = Path(json.loads(quoted))
        files = (path for path in folder.rglob("*") if path.is_file())
        texts |= {f"{name}/{path.relative_to(folder)}": path.read_text() for path in files}
    return texts


def unreachable(job: Job) -> str:
    raise CommandFailed("probe", "ended with exit code 1")


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(root=tmp_path / 'it\'s a "clinic" – Zürich', site=unreachable)
    for name in (
        "uv.lock",
        "tools/bootstrap/go_modules/engine/go.mod",
        "tools/bootstrap/go_modules/engine/go.sum",
    ):
        target = made.places.project / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT / name, target)
    return made


GO = Go(program=Path("/nowhere/go"), described="Go 1.99", environment={})


def test_a_fitting_official_cli_on_path_is_taken(world: World):
    cli(world.root / "first/pulumi", "v3.300.1", language_host=True)
    choice, _ = world.engine().official()
    assert choice is not None
    assert (choice.kind, choice.path, choice.version) == (
        Kind.PATH,
        str(world.root / "first/pulumi"),
        "3.300.1",
    )
    assert world.places.engine() == world.root / "first/pulumi"


@pytest.mark.parametrize(
    ("says", "host", "reason"),
    [
        ("v3.258.0", True, "is 3.258.0, >= 3.259.0, < 4.0.0 is needed"),
        ("v4.0.0", True, "is 4.0.0, >= 3.259.0, < 4.0.0 is needed"),
        ("hello", True, "is of no known version"),
        ("v3.300.1", False, "has no pulumi-language-python next to it"),
    ],
)
def test_a_cli_that_does_not_fit_is_refused_with_its_reason(world: World, says: str, host: bool, reason: str):
    cli(world.root / "first/pulumi", says, language_host=host)
    choice, why = world.engine().official()
    assert choice is None
    assert reason in why
    assert not world.places.engine_choice.exists()


def test_a_fitting_cli_behind_one_that_is_too_old_is_found(world: World):
    cli(world.root / "first/pulumi", "v2.0.0", language_host=True)
    cli(world.root / "second/pulumi", "v3.272.0", language_host=True)
    choice, _ = world.engine().official()
    assert choice is not None
    assert choice.path == str(world.root / "second/pulumi")


def test_a_cli_that_is_a_link_has_its_language_host_where_the_link_leads(world: World):
    cli(world.root / "cellar/pulumi", "v3.272.0", language_host=True)
    (world.root / "first").mkdir()
    (world.root / "first/pulumi").symlink_to(world.root / "cellar/pulumi")
    choice, _ = world.engine().official()
    assert choice is not None
    assert choice.kind is Kind.PATH


def test_a_build_of_another_checkout_on_path_is_not_taken_for_official(world: World):
    cli(world.root / "first/pulumi", "v3.259.0", language_host=True)
    (world.root / "first" / BUILT_HERE).touch()
    choice, why = world.engine().official()
    assert choice is None
    assert "another checkout's build" in why


def test_what_the_project_itself_put_on_path_is_not_taken_for_official(world: World):
    cli(world.places.project / ".sandbox/bin/pulumi", "v3.259.0", language_host=True)
    (world.root / "first").symlink_to(world.places.project / ".sandbox/bin")
    choice, why = world.engine().official()
    assert choice is None
    assert "none on PATH" in why


def test_a_download_site_that_does_not_answer_leads_to_the_build(world: World):
    engine = world.engine()
    _, why = engine.official()
    outcome = engine.build(GO, why)
    record = json.loads(world.places.engine_choice.read_text())
    assert record["kind"] == "build"
    assert "does not answer" in record["why"]
    assert "3.259.0, built here" in outcome
    assert world.places.engine().parent.joinpath(BUILT_HERE).exists()


@pytest.mark.parametrize("module", ["github.com/ccojocar/zxcvbn-go", "github.com/nbutton23/zxcvbn-go"])
def test_the_engine_that_is_built_reads_its_word_lists_only_when_it_judges_a_password(world: World, module: str):
    world.engine(Kind.BUILD).build(GO, "asked for")
    pinned = PROJECT / "tools/bootstrap/go_modules/engine/go.mod"
    assert world.sources["go.mod"].startswith(pinned.read_text())
    assert "func Load() {" in world.sources[f"{module}/frequency/frequency.go"]
    matching = world.sources[f"{module}/matching/matching.go"]
    assert "func loadFrequencyList() {\n\tfrequency.Load()\n" in matching
    assert "func init()" not in "".join(text for name, text in world.sources.items() if name.startswith(module))
    assert [path.name for path in world.places.engine().parent.iterdir() if path.is_dir()] == []


def test_the_build_counts_how_many_packages_it_compiles(world: World):
    world.lists = "go: downloading cel.dev/expr v0.25.2\nruntime\nfmt\ngithub.com/pulumi/pulumi/pkg/v3/cmd/pulumi\n"
    world.engine(Kind.BUILD).build(GO, "asked for")
    assert [job.total for job in world.jobs if "build" in job.argv] == [3]


@pytest.mark.parametrize(
    ("printed", "advice"),
    [
        ("write /cache/x: no space left on device", "free 4 GB of disk"),
        ("/usr/local/go/pkg/tool/compile: signal: killed", "memory"),
        ('Get "https://proxy.golang.org/x": dial tcp: lookup proxy.golang.org: no such host', "go env GOPROXY"),
        ("reading https://mirror/x/@v/list: 403 Forbidden", "go env GOPROXY"),
        ("verifying module: checksum mismatch", "another content than the pinned one"),
        ("go.mod:286: usage: replace module/path [v1.2.3] => other/module v1.4", ""),
        ("cmd/pulumi/main.go:403: undefined: x", ""),
    ],
)
def test_a_build_that_fails_blames_the_network_only_where_go_does(world: World, printed: str, advice: str):
    def fails(job: Job) -> str:
        raise CommandFailed("go", "ended with exit code 1", (printed,))

    machine = Machine(places=world.places, environment={}, run=fails, say=lambda text: None)
    with pytest.raises(CommandFailed) as failed:
        Engine(machine, Kind.BUILD).build(GO, "asked for")
    assert advice in failed.value.advice and bool(advice) == bool(failed.value.advice)


def test_a_library_that_changed_stops_the_build_instead_of_being_built_unchanged(world: World):
    name = "github.com/nbutton23/zxcvbn-go"
    download(world.root / "modules", name)
    changed = world.root / "modules" / name / "matching/matching.go"
    changed.chmod(0o644)
    changed.write_text("package matching\n")
    with pytest.raises(StepFailed, match="matching/matching.go"):
        world.engine(Kind.BUILD).build(GO, "asked for")


def test_the_site_is_asked_for_seconds_and_the_download_is_bounded(world: World):
    bounds: list[float] = []

    def site(job: Job) -> str:
        bounds.append(job.seconds)
        if DOWNLOAD_SITE not in job.argv:
            cli(Path(job.argv[3]) / "bin/pulumi", "v3.272.0", language_host=True)
        return ""

    world.site = site
    choice, _ = world.engine().official()
    assert choice is not None
    assert choice.kind is Kind.DOWNLOAD
    assert world.places.engine().parent.name == "bin"
    assert bounds[0] <= 5
    assert bounds[1] <= 300


def test_a_download_that_breaks_off_leaves_nothing_and_leads_to_the_build(world: World):
    def site(job: Job) -> str:
        if DOWNLOAD_SITE not in job.argv:
            Path(job.argv[3]).mkdir()
            raise CommandFailed("install", "took longer than 240 s and was ended")
        return ""

    world.site = site
    choice, why = world.engine().official()
    assert choice is None
    assert "took longer than 240 s" in why
    assert not list((world.places.cache / "engine").glob("official-3.272.0"))


def test_the_record_is_trusted_without_starting_anything(world: World):
    cli(world.root / "first/pulumi", "v3.300.1", language_host=True)
    world.engine().official()
    world.started.clear()
    choice = world.engine().recorded()
    assert choice is not None
    assert choice.kind is Kind.PATH
    assert world.started == []


def test_the_record_is_dropped_when_its_file_is_gone(world: World):
    cli(world.root / "first/pulumi", "v3.300.1", language_host=True)
    world.engine().official()
    (world.root / "first/pulumi").unlink()
    assert world.engine().recorded() is None
    with pytest.raises(NotSetUp, match="make setup"):
        world.places.engine()


def test_the_record_is_dropped_when_the_pins_change(world: World):
    cli(world.root / "first/pulumi", "v3.300.1", language_host=True)
    world.engine().official()
    with (world.places.engine_module / "go.sum").open("a") as file:
        file.write("\n")
    assert world.engine().recorded() is None


def test_the_record_of_one_kind_does_not_answer_a_wish_for_another(world: World):
    cli(world.root / "first/pulumi", "v3.300.1", language_host=True)
    world.engine().official()
    assert world.engine(Kind.BUILD).recorded() is None


def test_a_wish_for_the_build_asks_neither_path_nor_site(world: World):
    cli(world.root / "first/pulumi", "v3.300.1", language_host=True)
    choice, _ = world.engine(Kind.BUILD).official()
    assert choice is None
    assert world.started == []


@pytest.mark.parametrize("kind", [Kind.PATH, Kind.DOWNLOAD])
def test_a_wish_that_cannot_be_met_fails_instead_of_building(world: World, kind: Kind):
    with pytest.raises(StepFailed) as failed:
        world.engine(kind).official()
    assert failed.value.why in ("none on PATH", "the vendor's download site does not answer")
    assert "ENGINE=auto" in failed.value.advice


def test_before_the_set_up_the_engine_is_named_as_missing(world: World):
    with pytest.raises(NotSetUp, match="make setup"):
        world.places.engine()
