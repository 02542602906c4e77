"""Loads the key at the start of an application: Next.js's `register`, or before its server listens.

Pure: it returns edits of a text.
"""

import posixpath
import re
from collections.abc import Iterator

from wizard.inputs.application.edits import Edit, Whole, has_import, import_edit, statement_at
from wizard.inputs.application.parts import INSTRUMENTATION, Application
from wizard.inputs.application.sources import PACKAGE, indentation, inert, is_module, line_break, quote

_REGISTER = re.compile(
    r"(?m)^export\s+(?:(?P<async>async\s+)?function\s+register\s*\([^()]*\)[^{;=]*"
    r"|const\s+register\s*=\s*(?P<arrow>async\s*)?\([^()]*\)[^{;=]*=>\s*)\{[ \t]*(?P<break>\r?\n)?"
)
_LISTENS = re.compile(r"(?m)^(?P<blank>[ \t]*)(?P<before>await\s+|(?:const|let)\s+\w+\s*=\s*)?[\w.]+\.listen\(")
_CONDITION = "process.env.NEXT_RUNTIME === {0}nodejs{0} && process.env.NEXT_PHASE !== {0}phase-production-build{0}"
_REASON = "the key is loaded before the first request, and without it the start fails"


def changes(application: Application) -> Iterator[Edit | Whole]:
    """The edits that load the key at the start, or the file that does; none where the shape is another one."""
    if not application.is_next:
        yield from _before_listening(application)
        return
    names = [name for name in application.sources.code if INSTRUMENTATION.fullmatch(name)]
    phi = {*application.loaders, *application.ciphers, PACKAGE}
    for name in names:
        if not application.sources.imports_any(name, phi):
            yield from _in_register(application, name)
    if not names:
        yield _instrumentation(application)


def relative(file: str, module: str) -> str:
    """The specifier by which a file imports another one of the application."""
    path = posixpath.relpath(re.sub(r"\.[mc]?[jt]sx?$", "", module), posixpath.dirname(file) or ".")
    return path if path.startswith(".") else f"./{path}"


def _library(application: Application, file: str) -> str:
    return PACKAGE if application.library == PACKAGE else relative(file, application.library)


def _loading(application: Application, file: str, mark: str, step: str, end: str, depth: int) -> str:
    """The lines of `register` that load the key; the library is loaded only where it can run."""
    lines = (
        "// Not in the Edge runtime, which has no KMS, and not in the build, which needs no key.",
        f"if ({_CONDITION.format(mark)}) {{",
        f"{step}const {{ startWithKey }} = await import({mark}{_library(application, file)}{mark});",
        f"{step}await startWithKey();",
        "}",
    )
    return "".join(f"{step * depth}{line}{end}" for line in lines)


def _instrumentation(application: Application) -> Whole:
    names = application.sources.files
    ending = "ts" if "tsconfig.json" in names else "js"
    below = "src/" if any(re.match(r"src/(?:app|pages)/", name) for name in names) else ""
    file = f"{below}instrumentation.{ending}"
    others = [text for name, text in sorted(application.sources.code.items()) if INSTRUMENTATION.fullmatch(name)]
    sample = next(iter(others or application.sources.code.values()), "")
    mark, step, end = quote(sample), indentation(sample), line_break(sample)
    signature = "export async function register()" + (": Promise<void>" if ending == "ts" else "")
    body = _loading(application, file, mark, step, end, 1)
    comment = "// Next.js runs register() once in each process, before the first request."
    return Whole(file=file, old=None, text=f"{comment}{end}{signature} {{{end}{body}}}{end}", reason=_REASON)


def _in_register(application: Application, file: str) -> Iterator[Edit]:
    text = application.sources.files[file]
    match = _REGISTER.search(inert(text))
    if match is None or match["break"] is None:
        return
    step, end = indentation(text), line_break(text)
    if not match["async"] and not match["arrow"]:
        if "function" not in match[0]:
            return
        at = match.start() + match[0].index("function")
        yield Edit(file=file, start=at, end=at, new="async ", reason="loading the key takes a call of KMS")
    new = _loading(application, file, quote(text), step, end, 1)
    yield Edit(file=file, start=match.end(), end=match.end(), new=new, reason=_REASON)


def _before_listening(application: Application) -> Iterator[Edit]:
    file = application.entry
    if file is None:
        return
    text = application.sources.files[file]
    code = inert(text)
    match = _LISTENS.search(code)
    if match is None:
        return
    name, end = "startWithKey", line_break(text)
    at, is_top = match.start("blank"), not match["blank"]
    awaits = (match["before"] or "").startswith("await") or (is_top and is_module(file, text))
    if awaits:
        yield Edit(file=file, start=at, end=at, new=f"{match['blank']}await {name}();{end}", reason=_REASON)
    elif is_top and not match["before"]:
        last = statement_at(text, at)
        last -= code[last - 1] == ";"
        yield Edit(file=file, start=at, end=at, new=f"{name}().then(() => ", reason=_REASON)
        yield Edit(file=file, start=last, end=last, new=")", reason=_REASON)
    else:
        return
    if not has_import(text, name):
        yield import_edit(file, text, f"{{ {name} }}", _library(application, file), "the library loads the key")
