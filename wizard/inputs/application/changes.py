"""What the application's own files need, as edits of their text, each with its reason; and what is left to a person.

Pure, but for the application's tests, which it reads where a module is removed. The edits follow the parts that
`parts.py` names; what it still names after them is left to a person.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from wizard.inputs.application import packages, shared, start
from wizard.inputs.application.cipher import move
from wizard.inputs.application.edits import Edit, Whole, applied, has_import, import_edit
from wizard.inputs.application.parts import INSTRUMENTATION, Application, Kind, Part
from wizard.inputs.application.sources import PACKAGE, imported, read_sources
from wizard.inputs.application_readers import FORMER_KEYS, ApplicationCode

Change = Edit | Whole
_KMS = re.compile(r"client-kms|\bKMSClient\b")


@dataclass(frozen=True, kw_only=True)
class Changes:
    """The changes of an application."""

    changes: tuple[Change, ...]
    after: Application
    """The application as it is with them."""
    by_hand: tuple[str, ...]
    """What they leave to a person, each as `FILE:LINE: text`."""


def changes_of(application: Application) -> Changes:
    """The changes that the application needs; none where its code is right."""
    parts = application.parts()
    found = [*_changes(application, parts), *shared.changes(application, code_of(application))]
    kept, after = _fitting(application, found)
    left = [str(part) for part in after.parts()]
    return Changes(changes=kept, after=after, by_hand=(*left, *shared.by_hand(after, code_of(after)), *_older(after)))


def code_of(application: Application) -> ApplicationCode:
    """The same code, as the readers of its variables see it."""
    names = (*application.use.delivered_names.every, *FORMER_KEYS)
    return ApplicationCode(folder=application.sources.folder, found=application.sources.readers(names))


def _changes(application: Application, parts: tuple[Part, ...]) -> Iterator[Change]:
    kinds = {part.kind for part in parts}
    if not kinds:
        return
    if Kind.MODULE in kinds:
        yield from _moved(application)
    if kinds & {Kind.START, Kind.MODULE}:
        yield from start.changes(application)
    yield from _around_handlers(application)
    if application.library == PACKAGE:
        yield from packages.changes(application)
    for name, match in application.storage:
        text = application.sources.files[name]
        at = match.start() + re.search(r"[\"']AES256", text[match.start() :]).start()  # type: ignore[union-attr]
        new, mark = f"{match[2]} ? {match[1]}aws:kms{match[1]} : {match[1]}AES256{match[1]}", "S3 refuses"
        yield Edit(file=name, start=at, end=at + 8, new=new, reason=f"{mark} a key id with AES256 (InvalidArgument)")


def _fitting(application: Application, found: list[Change]) -> tuple[tuple[Change, ...], Application]:
    """The changes without those of a file where they overlap, and the application with them."""
    files = dict[str, str | None]()
    kept = list[Change]()
    for name in dict.fromkeys(change.file for change in found):
        of_file = [change for change in found if change.file == name]
        whole = next((change for change in of_file if isinstance(change, Whole)), None)
        edits = [change for change in of_file if isinstance(change, Edit)]
        text = whole.text if whole else applied(application.sources.files[name], edits)
        if whole or text is not None:
            files[name] = text
            kept += [whole] if whole else edits
    return tuple(kept), replace(application, sources=application.sources.changed(files))


def _moved(application: Application) -> Iterator[Change]:
    """The modules that encrypt take the library; a file that only loads the key for them, and its tests, go."""
    edits, sources = list[Edit](), application.sources
    for name in sorted(application.ciphers):
        text = sources.files[name]
        others, names = application.loaders - {name}, imported(text).items()
        edits += move(name, text, frozenset(each for each, by in names if sources.resolves(name, by) in others))
    yield from edits
    kept, after = _fitting(application, [*edits])
    moved = {change.file for change in kept}
    for loader in sorted(application.loaders - moved):
        before = {name for name in sources.imports if sources.imports_any(name, (loader,))}
        is_used = any(after.sources.imports_any(name, (loader,)) for name in after.sources.imports)
        if not before & moved or is_used or not _KMS.search(sources.files[loader]):
            continue
        yield Whole(
            file=loader,
            old=sources.files[loader],
            text=None,
            reason="the library loads the key; nothing imports this file any more",
        )
        yield from _tests_of(application, loader)


def _tests_of(application: Application, loader: str) -> Iterator[Whole]:
    """The tests that import this file, and no other file of the application."""
    sources = read_sources(application.sources.folder, tests=True)
    for name, modules in sources.imports.items():
        local = {each for each in modules if each in sources.files}
        if name not in application.sources.files and local == {loader}:
            yield Whole(file=name, old=sources.files[name], text=None, reason=f"it tests {loader} alone")


def _around_handlers(application: Application) -> Iterator[Edit]:
    library = application.library
    for name in dict.fromkeys(handler.file for handler in application.handlers):
        text = application.sources.files[name]
        # A file that encrypts itself gets its import from there.
        changes = () if name in application.ciphers else application.handlers
        handlers = [handler for handler in changes if handler.file == name and handler.edits]
        for handler in handlers:
            reason = f"{handler.name}: on Vercel the key can be loaded only in a request"
            yield from (
                Edit(file=name, start=first, end=last, new=new, reason=reason) for first, last, new in handler.edits
            )
        if handlers and not has_import(text, "withKey"):
            module = library if library == PACKAGE else start.relative(name, library)
            yield import_edit(name, text, "{ withKey }", module, "loads the key before a handler runs")


def _older(application: Application) -> Iterator[str]:
    """The setting without which Next.js 13 and 14 do not run `register`."""
    version = re.match(r"Next\.js (\d+)", application.framework or "")
    if version is None or int(version[1]) >= 15 or not any(map(INSTRUMENTATION.fullmatch, application.sources.code)):
        return
    files = application.sources.files.items()
    if not any(name.startswith("next.config.") and "instrumentationHook" in text for name, text in files):
        yield "next.config: before Next.js 15 register() runs only with `experimental: { instrumentationHook: true }`"
