"""The Pulumi engine: an official CLI where there is one, else the same CLI built here from pinned source; its plugins.

Writes `.cache/engine/` and `.cache/sandbox-prepared`, connects to the vendor's download site, starts the programs it
checks and `python -m sandbox prepare`.
"""

from __future__ import annotations

import json
import platform
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from tools.bootstrap.go import Go
from tools.bootstrap.machine import Machine, base_python, put_in_place, remove, temporary, write_whole
from tools.bootstrap.pins import OFFICIAL_ENGINE, Version, fingerprint, locked, module_version
from tools.bootstrap.places import NotSetUp
from tools.bootstrap.progress import StepFailed
from tools.bootstrap.running import CommandFailed, Job

LANGUAGE_HOST = "pulumi-language-python"
# A file next to an engine that was built here: another checkout with it on PATH must not treat it as official.
BUILT_HERE = ".built-by-setup"
DOWNLOAD_SITE = "https://get.pulumi.com/install.sh"
_MODULE = "github.com/pulumi/pulumi/pkg/v3"
_COMMAND = f"{_MODULE}/cmd/pulumi"
_VERSION_SYMBOL = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version"
_WORD_LISTS = ("github.com/ccojocar/zxcvbn-go", "github.com/nbutton23/zxcvbn-go")
"""A library that judges passwords, and its fork. Each reads its lists of words whenever `pulumi` starts."""
_LOAD_WHEN_USED = (
    ("frequency/frequency.go", "func init() {", "func Load() {"),
    ("matching/matching.go", "func init() {\n\tloadFrequencyList()\n}", ""),
    ("matching/matching.go", "func loadFrequencyList() {", "func loadFrequencyList() {\n\tfrequency.Load()"),
)
"""(file, text, replacement): the words are read for the first password: half of the engine's start."""
_RARELY_RUN = (
    "cloud.google.com/...",
    "github.com/Azure/...",
    "github.com/aws/...",
    "github.com/envoyproxy/...",
    "github.com/pb33f/...",
    "google.golang.org/api/...",
    f"{_MODULE}/cmd/pulumi/cloud",
)
"""Half of the compiler's time: clients of clouds and of Pulumi's own API. They wait for a network, and nothing else."""
_FLAGS = ("-gcflags=all=-dwarf=false", *(f"-gcflags={pattern}=-N -l -dwarf=false" for pattern in _RARELY_RUN))
"""Compile without tables for a debugger, which `-ldflags -w` would drop, and rare code without optimization."""
_CHANGES = str((_WORD_LISTS, _LOAD_WHEN_USED, _FLAGS))
_CAUSES = (
    (r"no space left on device|quota exceeded", "free 4 GB of disk, then run the same command again"),
    (
        r"signal: killed|cannot allocate memory|out of memory",
        "free 2 GB of memory, then run the same command again: it goes on where it stopped",
    ),
    (
        r"dial tcp|lookup .* on |i/o timeout|proxyconnect|TLS handshake|x509:|reading https?://"
        r"|unrecognized import path|\b(?:403|404|410|50[0234]) [A-Z]",
        "check that Go's module proxy answers (go env GOPROXY), then run the same command again",
    ),
    (
        r"verifying module: checksum mismatch|SECURITY ERROR",
        "the module proxy has another content than the pinned one: set GOPROXY=https://proxy.golang.org",
    ),
)
"""(Go's output, the advice) for a build that fails for a reason outside the project."""
_PROBE = "import sys, urllib.request as u; u.urlopen(u.Request(sys.argv[1], method='HEAD'), timeout=3).close()"
_INSTALL = (
    "import sys; from pulumi.automation import PulumiCommand; from semver import VersionInfo; "
    "PulumiCommand.install(root=sys.argv[1], version=VersionInfo.parse(sys.argv[2]))"
)


class Kind(StrEnum):
    """The source of the engine; AUTO: choose."""

    AUTO = "auto"
    PATH = "path"
    DOWNLOAD = "download"
    BUILD = "build"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The engine in use, the reason, and the pins of that choice."""

    kind: Kind
    path: str
    version: str
    why: str
    pins: str


class Engine:
    """Chooses the engine once, by trying, and records the choice; `kind` allows only one source."""

    def __init__(self, machine: Machine, kind: Kind = Kind.AUTO) -> None:
        self._machine = machine
        self._kind = kind
        self._places = machine.places

    def recorded(self) -> Choice | None:
        """The earlier choice, if it has these pins and this kind, and its file still exists."""
        try:
            record = json.loads(self._places.engine_choice.read_text())
            choice = Choice(**{**record, "kind": Kind(record["kind"])})
        except (OSError, ValueError, KeyError, TypeError):
            return None
        fits = self._kind in (Kind.AUTO, choice.kind)
        return choice if fits and choice.pins == self._pins and Path(choice.path).is_file() else None

    def official(self) -> tuple[Choice | None, str]:
        """An official CLI, recorded, or None; and the reason. Raises StepFailed when no other source is allowed."""
        reasons: list[str] = []
        if self._kind in (Kind.AUTO, Kind.PATH):
            for path in self._machine.on_path("pulumi"):
                version, reason = self._inspect(path)
                if version is not None:
                    return self._record(Kind.PATH, path, version, "an official CLI on PATH"), f"{path}, {version}"
                reasons.append(reason)
            reasons = reasons or ["none on PATH"]
        if self._kind in (Kind.AUTO, Kind.DOWNLOAD):
            choice, reason = self._download("; ".join(reasons))
            if choice is not None:
                return choice, reason
            reasons.append(reason)
        if self._kind in (Kind.PATH, Kind.DOWNLOAD):
            raise StepFailed("; ".join(reasons), "let the setup decide: make setup ENGINE=auto")
        return None, "; ".join(reasons) or "a build was asked for"

    def is_built(self) -> bool:
        """True when the build of these pins is complete."""
        return self._built.is_file()

    def build(self, go: Go | None, why: str) -> str:
        """Use the build of these pins; build it first if it does not exist."""
        version = module_version(self._places.engine_module / "go.mod", _MODULE)
        if not self.is_built():
            if go is None:
                raise StepFailed("there is no Go to build it with", "make setup")
            self._compile(go, version)
        self._record(Kind.BUILD, self._built, version, why)
        return f"{version}, built here: {why}"

    @property
    def _pins(self) -> str:
        module = self._places.engine_module
        return fingerprint(module / "go.mod", module / "go.sum", _CHANGES, str(OFFICIAL_ENGINE), str(self._sdk))

    @property
    def _sdk(self) -> Version:
        return locked(self._places.lock, "pulumi")

    @property
    def _built(self) -> Path:
        module = self._places.engine_module
        key = fingerprint(module / "go.mod", module / "go.sum", _CHANGES, f"{platform.system()} {platform.machine()}")
        return self._places.cache / "engine" / key / "pulumi"

    def _inspect(self, path: Path) -> tuple[Version | None, str]:
        """The version of a usable CLI, or None and why it is not usable."""
        home = path.resolve().parent
        if (home / BUILT_HERE).exists():
            return None, f"{path} is another checkout's build"
        environment = {**self._machine.environment, "PULUMI_SKIP_UPDATE_CHECK": "true"}
        try:
            job = Job(argv=(str(path), "version"), environment=environment, log="pulumi-version", seconds=15)
            version = Version.find(self._machine.run(job))
        except CommandFailed as error:
            return None, f"{path} {error.reason}"
        if version is None or version not in OFFICIAL_ENGINE:
            return None, f"{path} is {version or 'of no known version'}, {OFFICIAL_ENGINE} is needed"
        # The engine looks for it next to its own binary, after following links.
        if not (home / LANGUAGE_HOST).is_file():
            return None, f"{path} has no {LANGUAGE_HOST} next to it"
        return version, ""

    def _download(self, before: str) -> tuple[Choice | None, str]:
        final = self._places.cache / "engine" / f"official-{self._sdk}"
        program = final / "bin" / "pulumi"
        if not program.is_file():
            try:
                self._start((base_python(), "-c", _PROBE, DOWNLOAD_SITE), log="download-site", seconds=5)
            except CommandFailed:
                return None, "the vendor's download site does not answer"
            draft = temporary(final)
            try:
                install = (str(self._places.python), "-c", _INSTALL, str(draft), str(self._sdk))
                self._start(install, log="official-engine", seconds=240)
                put_in_place(draft, final)
            except OSError as error:
                return None, f"its download failed ({error})"
            except CommandFailed as error:
                return None, f"its download {error.reason}"
        version, reason = self._inspect(program)
        if version is None:
            return None, reason
        return self._record(
            Kind.DOWNLOAD, program, version, before or "a download was asked for"
        ), f"{version}, downloaded"

    def _start(self, argv: tuple[str, ...], *, log: str, seconds: float) -> str:
        return self._machine.run(Job(argv=argv, environment=self._machine.environment, log=log, seconds=seconds))

    def _compile(self, go: Go, version: Version) -> None:
        final = self._built.parent
        draft = temporary(final)
        draft.mkdir()
        binary = draft / "pulumi"
        flags = f"-s -w -X {_VERSION_SYMBOL}=v{version}"
        self._machine.say(f"{version} from source with {go.described}; the first build takes two to four minutes")
        modules = draft / "modules"
        of_module = ("-modfile", str(self._changed(go, modules)), *_FLAGS)
        stale = ("list", "-deps", "-f", "{{if .Stale}}{{.ImportPath}}{{end}}")
        listed = self._go(go, *stale, *of_module, _COMMAND, log="engine-packages").splitlines()
        # Go says among them what it downloads.
        packages = sum(not line.startswith("go: ") for line in listed if line)
        argv = ("build", "-v", *of_module, "-ldflags", flags, "-o", str(binary), _COMMAND)
        self._go(go, *argv, log="engine", total=packages)
        self._check(binary, version)
        remove(modules)
        (draft / BUILT_HERE).touch()
        put_in_place(draft, final)
        for folder in go.leftovers:
            remove(folder)

    def _changed(self, go: Go, folder: Path) -> Path:
        """The pinned go.mod, with changed copies of the modules of `_WORD_LISTS`, in a new folder."""
        go_mod = folder / "go.mod"
        shutil.copytree(self._places.engine_module, folder)
        for name in _WORD_LISTS:
            downloaded = self._go(go, "mod", "download", "-json", name, log="engine-modules")
            source, copy = Path(json.loads(downloaded)["Dir"]), folder / name.replace("/", "-")
            for path in source.rglob("*.go"):
                target = copy / path.relative_to(source)
                target.parent.mkdir(parents=True, exist_ok=True)
                # Its content only: the module cache is read-only.
                shutil.copyfile(path, target)
            for file, text, replacement in _LOAD_WHEN_USED:
                content = (copy / file).read_text(encoding="utf-8")
                if text not in content:
                    raise StepFailed(f"{name} has no {text!r} in {file}", "correct tools/bootstrap/engine.py")
                (copy / file).write_text(content.replace(text, replacement), encoding="utf-8")
            (copy / "go.mod").write_text(f"module {name}\n", encoding="utf-8")
            with go_mod.open("a", encoding="utf-8") as lines:
                # As a Go string: a bare word ends at a space. JSON's quotes and escapes are Go's too.
                lines.write(f"\nreplace {name} => {json.dumps(str(copy), ensure_ascii=False)}\n")
        return go_mod

    def _go(self, go: Go, *arguments: str, log: str, total: int = 0) -> str:
        argv, module = (str(go.program), *arguments), self._places.engine_module
        # The compiler's own garbage collection takes a quarter of its time at Go's default of 100.
        environment = {**go.environment, "GOGC": "400"}
        job = Job(argv=argv, environment=environment, log=log, seconds=3600, cwd=module, total=total)
        try:
            return self._machine.run(job)
        except CommandFailed as error:
            said = "\n".join(error.tail)
            error.advice = next((advice for cause, advice in _CAUSES if re.search(cause, said)), "")
            raise

    def _check(self, binary: Path, version: Version) -> None:
        environment: Mapping[str, str] = {**self._machine.environment, "PULUMI_SKIP_UPDATE_CHECK": "true"}
        job = Job(argv=(str(binary), "version"), environment=environment, log="engine-version", seconds=30)
        output = self._machine.run(job).strip()
        if Version.find(output) != version:
            raise StepFailed(f"the built engine reports the version {output!r}, not {version}", "make clean setup")

    def _record(self, kind: Kind, path: Path, version: Version, why: str) -> Choice:
        choice = Choice(kind=kind, path=str(path), version=str(version), why=why, pins=self._pins)
        write_whole(self._places.engine_choice, json.dumps(asdict(choice), indent=2) + "\n")
        return choice


@dataclass(frozen=True, kw_only=True)
class SandboxPlugins:
    """The result of `python -m sandbox prepare`, with a stamp of its inputs."""

    machine: Machine

    def is_current(self) -> bool:
        """True when nothing it depends on has changed and its files still exist."""
        places = self.machine.places
        try:
            language_host = places.engine().resolve().with_name(LANGUAGE_HOST)
            exists = language_host.is_file() and (places.project / ".sandbox").is_dir()
            return exists and self._stamp.read_text() == self._key()
        except (OSError, NotSetUp):
            return False

    def build(self) -> str:
        """Let the sandbox install its plug-ins; it also does this at every start."""
        places = self.machine.places
        argv = (str(places.python), "-m", "sandbox", "prepare")
        # Another AWS plug-in is installed where one is asked for: the set-up downloads none.
        environment = {**self.machine.environment, "EONPRO_PROVIDER": "standin"}
        self.machine.run(
            Job(argv=argv, environment=environment, log="sandbox-plug-ins", seconds=300, cwd=places.project)
        )
        write_whole(self._stamp, self._key())
        return "in place"

    @property
    def _stamp(self) -> Path:
        return self.machine.places.cache / "sandbox-prepared"

    def _key(self) -> str:
        places = self.machine.places
        sources = sorted(path for path in (places.project / "packages" / "sandbox").rglob("*.py"))
        stamps = (places.engine_choice, places.venv / "setup.json")
        return fingerprint(str(places.project), *stamps, *map(str, sources), *sources)
