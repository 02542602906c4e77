"""The library and its check in an application's package.json.

Pure: it returns edits of a text. The lock file is not changed: an install writes it.
"""

import json
import re
from collections.abc import Iterator

from wizard.core import safe_text
from wizard.inputs.application.edits import Edit, applied
from wizard.inputs.application.parts import CHECK, Application
from wizard.inputs.application.sources import PACKAGE

FILE = "package.json"


def changes(application: Application) -> Iterator[Edit]:
    """The edits that add the library with what it needs, and the check of the key; none that would change more."""
    text = application.sources.files[FILE]
    wanted = json.loads(json.dumps(application.package))
    edits = list[Edit]()
    for name, version in sorted(application.packages.items()):
        reason = "the library of the key" if name == PACKAGE else "the library needs it"
        edits += _added(text, "dependencies", name, version, reason)
        wanted.setdefault("dependencies", {})[name] = version
    scripts = application.package.get("scripts")
    if application.script and isinstance(scripts, dict) and not application.checks_key:
        for name, command in _checked(application, scripts).items():
            reason = "a deployment without its key fails here, not with the first patient"
            edits += _changed(text, scripts, name, command, reason)
            wanted["scripts"][name] = command
    after = applied(text, edits)
    try:
        if after is not None and safe_text.parse_json(after.removeprefix("\ufeff")) == wanted:
            yield from edits
    except ValueError:
        return


def _checked(application: Application, scripts: dict[str, str]) -> dict[str, str]:
    """The scripts that change: the one that npm runs before, or that one itself, where Yarn runs nothing before it."""
    name = application.script or ""
    before = f"pre{name}"
    if (application.sources.folder / ".yarnrc.yml").exists():
        return {name: f"{CHECK} && {scripts[name]}"}
    return {before: f"{CHECK} && {scripts[before]}" if isinstance(scripts.get(before), str) else CHECK}


def _object(text: str, key: str) -> re.Match[str] | None:
    """The first entry of an object of the document's top level, or its closing brace."""
    depth = 0
    for match in re.finditer(r'"(?:\\.|[^"\\])*"(?P<value>\s*:\s*\{)?|[{}\[\]]', text):
        if depth == 1 and match[0].startswith(f'"{key}"') and match["value"]:
            return re.compile(r"(?P<blank>\s*)(?P<next>\"|\})").match(text, match.end())
        depth += match[0].count("{") if match["value"] else {"{": 1, "[": 1, "}": -1, "]": -1}.get(match[0], 0)
    return None


def _added(text: str, group: str, name: str, value: str, reason: str) -> Iterator[Edit]:
    """A new entry of an object: before the first one that sorts behind it, as npm has them."""
    first = _object(text, group)
    if first is None:
        return
    entry = f"{json.dumps(name)}: {json.dumps(value)}"
    if first["next"] == "}":
        yield Edit(file=FILE, start=first.start("blank"), end=first.start("next"), new=f" {entry} ", reason=reason)
        return
    place, blank = first.start("next"), first["blank"]
    if group == "dependencies":
        end = text.index("}", place)
        for match in re.finditer(r'(\s*)("(?:\\.|[^"\\])*")\s*:\s*"', text[first.start("blank") : end]):
            if json.loads(match[2]) > name:
                place = first.start("blank") + match.start(2)
                break
        else:
            place = end - len(text[:end]) + len(text[:end].rstrip())
            yield Edit(file=FILE, start=place, end=place, new=f",{blank or ' '}{entry}", reason=reason)
            return
    yield Edit(file=FILE, start=place, end=place, new=f"{entry},{blank or ' '}", reason=reason)


def _changed(text: str, scripts: dict[str, str], name: str, command: str, reason: str) -> Iterator[Edit]:
    """A script that is new, above the one that it precedes, or that begins with the check."""
    first = _object(text, "scripts")
    if first is None:
        return
    target = name if name in scripts else name.removeprefix("pre")
    entry = re.compile(rf"{json.dumps(target)}(\s*:\s*)\"").search(text, first.start("next"))
    if entry is None:
        return
    if name in scripts:
        yield Edit(file=FILE, start=entry.end(), end=entry.end(), new=f"{CHECK} && ", reason=reason)
    else:
        new = f"{json.dumps(name)}: {json.dumps(command)},{first['blank'] or ' '}"
        yield Edit(file=FILE, start=entry.start(), end=entry.start(), new=new, reason=reason)
