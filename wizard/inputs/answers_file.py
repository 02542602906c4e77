"""Answers on disk: the answers file of a person, and the draft of a run that was left.

Reads or creates the one file that it is given; reads and writes `.wizard/STACK.json` in the project's folder. No error
holds a value of the answers file: it may be a secret put there by mistake. A draft never holds a secret.
"""

import contextlib
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from components import installation
from wizard.core import files, safe_text
from wizard.core.clients import Answer, Clients, Draft, Request, Source
from wizard.core.errors import UsageError
from wizard.core.next_command import eonpro
from wizard.inputs.registry import INPUTS, by_key

EXAMPLES = f"{installation.SOURCE}/examples/" if installation.IS_INSTALLED else "examples/"
"""The folder of the complete answers files."""

_SECRET_NAMES = r"(?i)token|secret|passw|passphrase|credential|access_?key|private_?key|api_?key"


class _Entry(NamedTuple):
    key: str
    value: Any
    """Text, a list of texts, None for `null`, or `_WRONG`."""
    line: int | None


_WRONG = object()

_LONGEST = 600
"""Characters of a fault; a longer one is shortened."""


def read_answers(path: Path | None) -> dict[str, Any]:
    """The answers in a file; none for None. Raises UsageError for a file that cannot be read or used."""
    if path is None:
        return {}
    try:
        return read_file(files.read_text(path, streams=True), str(path))
    except (OSError, UnicodeDecodeError) as error:
        message = f"the answers file {path} cannot be read: {error}"
        raise UsageError(message, f"name another: --answers FILE; {EXAMPLES} has some") from error


def read_file(text: str, name: str) -> dict[str, Any]:
    """The answers in a YAML or JSON file, as text or lists of text, without null values.

    Raises UsageError with every unknown key, secret, duplicate and wrong type. It never holds a value.
    """
    entries = _read_json(text, name) if _is_json(text, name) else _read_yaml(text, name)
    answers: dict[str, Any] = {}
    keys: set[str] = set()
    faults = []
    for entry in entries:
        place = f"line {entry.line}: " if entry.line else ""
        fault = f"`{entry.key}` occurs twice" if entry.key in keys else _entry_fault(entry)
        keys.add(entry.key)
        if fault:
            faults.append(place + fault)
        elif entry.value is not None:
            answers[entry.key] = entry.value
    if faults:
        raise UsageError(
            listed(f"the answers file {name} cannot be used", faults), f"fix {name}, then run the same command again"
        )
    return answers


def write(path: Path, answers: Mapping[str, Any]) -> None:
    """Write answers by the key of their input to a new file, secrets left out: reading it gives the same answers.

    Raises UsageError for a file that exists or cannot be written.
    """
    import yaml

    values = {
        key: list(value) if isinstance(value, tuple) else _text(value)
        for key, value in answers.items()
        if not by_key[key].secret
    }
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
    try:
        if not files.create(path, text.encode()):
            raise FileExistsError(f"{path} exists, and is not overwritten")
    except OSError as error:
        another = eonpro("preview", "--save-answers", f"{path}.new")
        raise UsageError(f"the answers cannot be written: {error}", another) from error


def _text(value: Any) -> str:
    """The value as an answers file has it; an empty text is the answer `none`."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


_BY_FILE_KEY = {entry.file_key: entry for entry in INPUTS}


def _entry_fault(entry: _Entry) -> str | None:
    known = _BY_FILE_KEY.get(entry.key)
    if known is not None:
        if entry.value is _WRONG or (isinstance(entry.value, list) and not known.many):
            return f"`{entry.key}` must be {'text or a list of texts' if known.many else 'one value'}"
        return None
    secret = by_key.get(entry.key)
    if secret is not None or re.search(_SECRET_NAMES, entry.key):
        instead = secret or (by_key["vercel_token"] if "token" in entry.key.lower() else None)
        advice = f"name a file with `{instead.file_key}`, or set {instead.variable}; " if instead else ""
        return (
            f"`{entry.key}` is a secret, which must not be in an answers file: remove it; {advice}revoke it if shared"
        )
    from difflib import get_close_matches

    near = get_close_matches(entry.key.lower().replace("-", "_"), list(_BY_FILE_KEY), n=1, cutoff=0.8)
    return f"`{entry.key}` is not a known answer" + (f": did you mean `{near[0]}`?" if near else "")


def _is_json(text: str, name: str) -> bool:
    if name.endswith(".json"):
        return True
    if not text.lstrip().startswith("{"):
        return False
    try:
        safe_text.parse_json(text)
    except ValueError:
        return False  # `{a: b}` is YAML
    return True


def _read_json(text: str, name: str) -> list[_Entry]:
    import json

    try:
        # Numbers stay text; pairs, not a dict, so that duplicate keys are found.
        load = partial(
            json.loads, parse_int=str, parse_float=str, object_pairs_hook=lambda pairs: tuple(map(tuple, pairs))
        )
        pairs = safe_text.parse(load, text)
    except ValueError as error:
        where = f"line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else str(error)
        raise UsageError(f"{name} is not JSON: {where}", f"fix {name}, then run the same command again") from None
    if not isinstance(pairs, tuple):
        raise _no_mapping(name)
    return [_Entry(key, _plain(value), None) for key, value in pairs]


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, list) and all(isinstance(member, str) for member in value) else _WRONG


def _read_yaml(text: str, name: str) -> list[_Entry]:
    import yaml

    try:
        root = safe_text.parse(partial(yaml.compose, Loader=yaml.SafeLoader), text)
    except ValueError as error:
        raise UsageError(f"{name} is not YAML: {error}", f"fix {name}, then run the same command again") from None
    except yaml.YAMLError as error:
        # Without the error's excerpt and cause: the line may hold a secret.
        mark = getattr(error, "problem_mark", None)
        where = (
            f"line {mark.line + 1}, column {mark.column + 1}"
            if mark
            else "it holds characters that YAML does not allow"
        )
        raise UsageError(f"{name} is not YAML: {where}", f"fix {name}, then run the same command again") from None
    if root is None:
        return []
    if not isinstance(root, yaml.MappingNode):
        raise _no_mapping(name)

    def scalar(node: Any) -> Any:
        # The original text: in YAML the account 012345670123 is an octal number.
        if not isinstance(node, yaml.ScalarNode) or not node.tag.startswith("tag:yaml.org,2002:"):
            return _WRONG
        return None if node.tag == "tag:yaml.org,2002:null" else str(node.value)

    entries = []
    for key_node, node in root.value:
        key = scalar(key_node)
        value = (
            _plain([scalar(member) for member in node.value]) if isinstance(node, yaml.SequenceNode) else scalar(node)
        )
        entries.append(_Entry(key if isinstance(key, str) else "?", value, key_node.start_mark.line + 1))
    return entries


def _no_mapping(name: str) -> UsageError:
    return UsageError(f"{name} contains no answers: it must have lines of `key: value`", f"see {EXAMPLES}vercel.yaml")


def listed(heading: str, lines: Sequence[str]) -> str:
    """A heading and its lines, as one message; a very long line is shortened."""
    half = _LONGEST // 2
    shortened = (line if len(line) <= _LONGEST else f"{line[:half]} … {line[-half:]}" for line in lines)
    return "\n".join([f"{heading}:", *(f"  {line}" for line in shortened)])


ANSWERING = "answering"
"""The questions were being answered."""
REVIEWED = "reviewed"
"""Everything is answered, and the plan is shown, but not confirmed."""
PLANNED = "planned"
"""The plan was made: the settings are in the stack's configuration."""

_SAVED_SOURCES = (Source.FLAG, Source.ENVIRONMENT, Source.FILE, Source.DRAFT, Source.COPIED, Source.ASKED)
"""Detected and default answers are found again by the next run; saved ones are saved already."""


def progress_from_answers(answers: Mapping[str, Answer], *, stage: str, at: datetime, asked: tuple[str, ...]) -> Draft:
    """The saved answers; after the plan only those that the stack's configuration does not have."""
    return Draft(
        stage=stage,
        at=at,
        answers={
            key: answer.value
            for key, answer in answers.items()
            if answer.source in _SAVED_SOURCES
            and not by_key[key].secret
            and not (stage == PLANNED and by_key[key].field is not None)
        },
        asked=tuple(key for key in asked if not by_key[key].secret),
    )


def save_draft(
    request: Request, clients: Clients, stage: str, answers: Mapping[str, Answer], *, asked: tuple[str, ...] = ()
) -> None:
    """Save the answers as the draft of the run's stack, where the run keeps drafts."""
    if clients.drafts is not None:
        draft = progress_from_answers(answers, stage=stage, at=clients.now(), asked=asked)
        clients.drafts.save(request.stack, draft)


def draft_text(draft: Draft) -> str:
    answers = {key: list(value) if isinstance(value, tuple) else value for key, value in draft.answers.items()}
    document = {"stage": draft.stage, "at": draft.at.isoformat(), "asked": list(draft.asked), "answers": answers}
    import json

    return json.dumps(document, indent=2) + "\n"


def read_draft(content: str) -> Draft | None:
    """The draft in a text; None for anything else, since a bad draft must not stop a run."""
    try:
        document = safe_text.parse_json(content)
        return Draft(
            stage=str(document["stage"]),
            at=datetime.fromisoformat(document["at"]),
            asked=tuple(key for key in document["asked"] if key in by_key),
            # The values are checked with all other answers.
            answers={
                key: tuple(value) if isinstance(value, list) else value
                for key, value in document["answers"].items()
                if key in by_key and not by_key[key].secret
            },
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


class Drafts:
    """The drafts of one project, as files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / ".wizard"

    def load(self, stack: str) -> Draft | None:
        try:
            return read_draft(files.read_text(self._file(stack), links=False))
        except (OSError, UnicodeDecodeError):
            return None

    def save(self, stack: str, draft: Draft) -> None:
        """Replace the stack's draft atomically."""
        with contextlib.suppress(OSError):
            files.make_folder(self._folder, own=True)
            files.replace(self._file(stack), draft_text(draft).encode())

    def remove(self, stack: str) -> None:
        with contextlib.suppress(OSError):
            self._file(stack).unlink()

    def _file(self, stack: str) -> Path:
        # A stack may be called `organization/project/name`.
        return self._folder / f"{quote(stack, safe='')}.json"
