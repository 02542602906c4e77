"""What the code of an application lacks to use its data key, each part with file and line (docs/application.md).

Judges by the text of the files. The patch is made from the same parts: what it names is what the patch adds.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.settings.variables import VariableNames
from wizard.core import safe_text
from wizard.inputs.application.handlers import Handler, Wrapper, find_handlers, find_wrappers
from wizard.inputs.application.sources import PACKAGE, Sources, imported, inert, line_of, read_sources, without_comments
from wizard.inputs.application_folder import framework_of, runs_check
from wizard.targets.port import deploy_targets

if TYPE_CHECKING:
    from components.settings import Settings

NAMES_VARIABLE = "PHI_VARIABLE_NAMES"
"""Has other names for the variables, for code that takes them from there."""
CHECK = f"npx {PACKAGE} check"
"""The command that fails a build, or a start, without its variables."""
FORMER_KEY = re.compile(r"process\.env(?:\.|\[\s*[\"'])ENCRYPTION_KEY\b")
PEERS: Mapping[str, str] = {PACKAGE: "0.2.0", "@aws-sdk/client-kms": "^3.700.0"}
"""The packages of an application that uses the library, with their versions (`phi/node/package.json`)."""
OIDC_PEER: Mapping[str, str] = {"@vercel/oidc-aws-credentials-provider": "^3.0.0"}
_OWN_KEY = r"\bGenerateDataKeyCommand\s*\("
_CLIENT = r"\bnew\s+KMSClient\s*\("
_BY_OIDC = ("awsCredentialsProvider", "fromWebToken", "AssumeRoleWithWebIdentity")
_DEFINES = re.compile(r"(?m)^(?:export\s+)?(?:async\s+)?(?:function|const|let)\s+(?:encrypt|decrypt)PHI\b")
_LISTENS = re.compile(r"[\w)]\.listen\(")
_STORAGE = re.compile(r"ServerSideEncryption\s*:\s*([\"'])AES256\1\s*,(?=[^;]{0,200}?\bSSEKMSKeyId\s*:\s*([\w.?]+))")
INSTRUMENTATION = re.compile(r"(?:src/)?instrumentation\.(?:ts|js|mjs)")


class Kind(StrEnum):
    """What has to be done about a part."""

    START = "start"
    MODULE = "module"
    HANDLER = "handler"
    PACKAGES = "packages"
    CHECK = "check"
    STORAGE = "storage"


@dataclass(frozen=True, kw_only=True)
class Part:
    """Something that the code lacks."""

    kind: Kind
    file: str
    what: str
    line: int | None = None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}" if self.line else f"{self.file}: {self.what}"


@dataclass(frozen=True, kw_only=True)
class KeyUse:
    """How an application gets its key, by the settings of its stack."""

    delivered_names: VariableNames = field(default_factory=VariableNames)
    region: str = "the stack's Region"
    trusts_vercel: bool = True
    """Whether it takes its role by Vercel's OIDC token."""
    builds_with_variables: bool = True
    """Whether the build has the variables of the key, so that it can check them."""

    @classmethod
    def of(cls, settings: "Settings") -> "KeyUse":
        """That of a stack."""
        return cls(
            delivered_names=settings.delivered_names,
            region=settings.region,
            trusts_vercel=settings.trusts_vercel,
            builds_with_variables=any(each.builds_with_variables for each in deploy_targets(settings.deploy_targets)),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Application:
    """The code of an application on Node, with what its key needs of it."""

    sources: Sources
    use: KeyUse

    @cached_property
    def package(self) -> dict[str, Any]:
        """Its package.json; empty if it has none that can be read."""
        try:
            content = safe_text.parse_json(self.sources.files.get("package.json", "").removeprefix("\ufeff"))
        except (ValueError, RecursionError):
            return {}
        return content if isinstance(content, dict) else {}

    @cached_property
    def framework(self) -> str | None:
        """`Next.js 15.1`; None for one that is unknown."""
        return framework_of(self.package)

    @property
    def is_next(self) -> bool:
        return (self.framework or "").startswith("Next.js")

    @cached_property
    def loaders(self) -> frozenset[str]:
        """The files that read the wrapped data key themselves."""
        data_key = re.compile(rf"(?<!\w){self.use.delivered_names.data_key}(?!\w)")
        return frozenset(
            name for name, text in self._uncommented.items() if data_key.search(text) or NAMES_VARIABLE in text
        )

    @cached_property
    def ciphers(self) -> frozenset[str]:
        """The files that encrypt records by themselves."""
        return frozenset(
            name
            for name, text in self._uncommented.items()
            if "createDecipheriv" in text
            if _DEFINES.search(text) or self.sources.imports_any(name, self.loaders)
        )

    @cached_property
    def users(self) -> frozenset[str]:
        """The files that use the library."""
        return frozenset(name for name in self.sources.code if self.sources.imports_any(name, (PACKAGE,)))

    @cached_property
    def library(self) -> str:
        """What its start and its handlers import: the library, or a file of its own that does all that is needed."""
        own = [name for name in sorted(self.loaders) if re.search(r"\bstartWithKey\b", self.sources.files[name])]
        return own[0] if own and not self.users and not any(self._modules()) else PACKAGE

    @cached_property
    def handlers(self) -> tuple[Handler | Wrapper, ...]:
        """Those that reach PHI without the key, on Vercel with a role: its token exists only in a request.

        A function of the application that is around handlers stands for them.
        """
        if not self.use.trusts_vercel or not self.is_next:
            return ()
        reach = self.sources.importers({*self.loaders, *self.ciphers, PACKAGE})
        found = dict[Handler | Wrapper, None]()
        for name in self.sources.code:
            for handler in find_handlers(name, self.sources.files[name]) if name in reach else ():
                if not handler.has_key:
                    wrapper = self._wrapper(handler)
                    if wrapper is None or not (wrapper.has_key or wrapper.edits):
                        found[handler] = None
                    elif not wrapper.has_key:
                        found[wrapper] = None
        return tuple(found)

    def _wrapper(self, handler: Handler) -> Wrapper | None:
        """The function of the application that is around a handler, or the one that makes the handlers of that."""
        specifier = imported(self.sources.files[handler.file]).get(handler.wrapper, "")
        file = self.sources.resolves(handler.file, specifier)
        if not specifier or file not in self.sources.code:
            return None
        wrappers = find_wrappers(file, self.sources.files[file])
        wrapper = wrappers.get(handler.wrapper)
        return wrappers.get(wrapper.through) if wrapper and wrapper.through and not wrapper.has_key else wrapper

    @cached_property
    def storage(self) -> tuple[tuple[str, re.Match[str]], ...]:
        """(file, the setting) of each upload that sends S3 a key id together with AES256."""
        return tuple((name, match) for name, text in self._uncommented.items() for match in _STORAGE.finditer(text))

    @cached_property
    def entry(self) -> str | None:
        """The file that starts the server; None where none listens, or several do."""
        listening = [name for name, text in self.sources.code.items() if _LISTENS.search(inert(text))]
        started = f"{self.package.get('main')} {self._scripts.get('start')}"
        words = re.split(r"[\s/.]", started)
        named = [name for name in listening if posixpath.basename(name).partition(".")[0] in words]
        return next((names[0] for names in (listening, named) if len(names) == 1), None)

    @property
    def _scripts(self) -> dict[str, Any]:
        scripts = self.package.get("scripts")
        return scripts if isinstance(scripts, dict) else {}

    @cached_property
    def script(self) -> str | None:
        """The script of package.json that is to check the key: the build if that has them, else the start."""
        names = ("vercel-build", "build") if self.use.builds_with_variables else ("start",)
        return next((name for name in names if isinstance(self._scripts.get(name), str)), None)

    @cached_property
    def checks_key(self) -> bool:
        """Whether its build or its start runs `phi check`."""
        return any(runs_check(name, text) for name, text in self.sources.files.items())

    @cached_property
    def dependencies(self) -> frozenset[str]:
        """The packages that it names."""
        groups = (self.package.get(group) for group in ("dependencies", "devDependencies", "optionalDependencies"))
        return frozenset(name for group in groups if isinstance(group, dict) for name in group)

    @cached_property
    def packages(self) -> dict[str, str]:
        """The packages that it lacks for the library, with their versions."""
        peers = {**PEERS, **(OIDC_PEER if self.use.trusts_vercel else {})}
        return {name: version for name, version in peers.items() if name not in self.dependencies}

    @cached_property
    def _uncommented(self) -> dict[str, str]:
        """The code that may concern the key, without comments."""
        named = (self.use.delivered_names.data_key, NAMES_VARIABLE, "createDecipheriv", "ServerSideEncryption")
        return {
            name: without_comments(text)
            for name, text in self.sources.code.items()
            if any(word in text for word in named)
        }

    # --- the parts

    def parts(self) -> tuple[Part, ...]:
        """All that it lacks; none of an application that is not on Node, or of a server without PHI."""
        if self.framework is None or "package.json" not in self.sources.files:
            return ()
        uses_key = bool(self.loaders or self.ciphers or self.users)
        if not uses_key and not self.is_next:
            return ()
        data_key = self.use.delivered_names.data_key
        unread = not self.loaders and not self.users
        nothing = Part(kind=Kind.MODULE, file=self.sources.folder.name, what=f"no file reads {data_key}")
        if not uses_key:
            return (nothing,)
        return (
            *((nothing,) if unread else ()),
            *(self._at_the_start() if self.is_next else self._at_the_server()),
            *self._modules(),
            *self._handlers(),
            *self._uploads(),
            *self._packages(),
        )

    def _at_the_start(self) -> Iterator[Part]:
        """Next.js runs the instrumentation file of the root, or of `src`, before the first request."""
        names = [name for name in self.sources.code if INSTRUMENTATION.fullmatch(name)]
        if not names:
            what = "does not exist; nothing loads the data key before the first request"
            yield Part(kind=Kind.START, file="instrumentation.ts", what=what)
        for name in names:
            if not self.sources.imports_any(name, {*self.loaders, *self.ciphers, PACKAGE}):
                what = "register() does not load the data key"
                yield from self._first(name, r"\bregister\b", what, Kind.START, default=1)

    def _at_the_server(self) -> Iterator[Part]:
        what = "the server listens before the data key is loaded"
        if self.entry is None:
            yield Part(kind=Kind.START, file=self.sources.folder.name, what=what)
        elif not self.sources.imports_any(self.entry, {*self.loaders, PACKAGE}):
            yield from self._first(self.entry, r"\.listen\(", what, Kind.START)

    def _modules(self) -> Iterator[Part]:
        variables = "|".join(self.use.delivered_names.every[:3])
        default = rf"process\.env\.(?:{variables})\s*(?:\|\||\?\?)"
        modules = [name for name in self.sources.code if name in self.loaders | self.ciphers]
        texts = [self._uncommented[name] for name in modules]
        for name, text in zip(modules, texts, strict=True):
            own, former = "can make a data key of its own, which decrypts no earlier record", FORMER_KEY.pattern
            yield from self._first(name, _OWN_KEY, own)
            yield from self._first(name, former, "uses ENCRYPTION_KEY: records may be written under either key")
            yield from self._first(name, default, "goes on without a variable that it needs")
            if self.use.trusts_vercel and not any(word in text for word in _BY_OIDC):
                yield from self._first(name, _CLIENT, "takes no role by Vercel's OIDC token")
        if not self.users and not any("ENCRYPTED_PHI_KEYS_FOR_READING" in text for text in texts):
            for name in modules:
                what = "reads with one key only: not the other one in a rotation"
                yield from self._first(name, r"createDecipheriv\(", what)

    def _handlers(self) -> Iterator[Part]:
        if self.handlers:
            first, rest = self.handlers[0], len(self.handlers) - 1
            more = f" (and {rest} more)" if rest else ""
            place = "in" if isinstance(first, Wrapper) else "around"
            what = f"no withKey() {place} {first.name}{more}: on Vercel it may run before the key is loaded"
            yield Part(kind=Kind.HANDLER, file=first.file, line=first.line, what=what)

    def _uploads(self) -> Iterator[Part]:
        for name, match in self.storage:
            line = line_of(self.sources.files[name], match.start())
            what = "sends a key id with AES256, which S3 refuses (InvalidArgument)"
            yield Part(kind=Kind.STORAGE, file=name, line=line, what=what)

    def _packages(self) -> Iterator[Part]:
        if self.library != PACKAGE or not (self.users or any(self._modules())):
            return
        if self.packages:
            yield Part(kind=Kind.PACKAGES, file="package.json", what=f"does not name {', '.join(self.packages)}")
        if self.script and not self.checks_key:
            when = "build" if self.use.builds_with_variables else "start"
            what = f"the {when} does not check the variables of the key ({CHECK})"
            yield Part(kind=Kind.CHECK, file="package.json", what=what)

    def _first(
        self, name: str, pattern: str, what: str, kind: Kind = Kind.MODULE, default: int | None = None
    ) -> Iterator[Part]:
        """The first line of a file that has the pattern outside a comment."""
        text = without_comments(self.sources.files[name])
        if match := re.search(pattern, text):
            yield Part(kind=kind, file=name, line=line_of(text, match.start()), what=what)
        elif default is not None:
            yield Part(kind=kind, file=name, line=default, what=what)


def read_application(folder: Path, use: KeyUse) -> Application:
    """The application in a folder."""
    return Application(sources=read_sources(folder), use=use)


def missing_parts(folder: Path, use: KeyUse) -> tuple[str, ...]:
    """What the code of the application in a folder lacks to use its data key, each as `FILE:LINE: text`."""
    return tuple(safe_text.clean(str(part)) for part in read_application(folder, use).parts())
