"""Gives the other code of an application variables of its own: S3, SES, the readers of the former key.

Pure: it returns edits of a text. The former key stays the second source, so that nothing changes before the new
variable is set.
"""

import re
from collections.abc import Iterator
from dataclasses import replace

from wizard.inputs.application.edits import Edit
from wizard.inputs.application.parts import Application
from wizard.inputs.application_readers import FORMER_KEYS, ApplicationCode, purpose_in, service_of
from wizard.inputs.variable_readers import How, Reader

OWN_KEYS = {
    "two-factor secrets": "TWO_FACTOR_ENCRYPTION_KEY",
    "cards": "CARD_ENCRYPTION_KEY",
    "credentials of integrations": "INTEGRATION_ENCRYPTION_KEY",
}
"""The variable that each reader of a former key gets, by what it encrypts."""


def changes(application: Application, code: ApplicationCode) -> Iterator[Edit]:
    """The edits of the code that reads a variable of the stack, or a former key, for something else."""
    names, sources = application.use.delivered_names, application.sources
    for reader in code.foreign(names):
        if reader.file not in sources.code:
            continue
        text, service = sources.files[reader.file], service_of(reader)
        if reader.how is How.PUBLISHES:
            yield from _unpublished(reader, text)
        elif reader.how is How.READS and service == "S3" and reader.variable == names.key_id:
            yield from _renamed(reader, text, "AWS_S3_KMS_KEY_ID", "S3 has a key of its own, not the PHI key")
        elif reader.how is How.READS and service in ("S3", "SES") and reader.variable == names.region:
            own = f"AWS_{service}_REGION"
            why = f"{names.region} becomes {application.use.region}: set {own} before the deployment"
            yield from _chained(reader, text, own, why)
    for reader in _former(code):
        own = OWN_KEYS.get(purpose_in(reader.file) or "", "")
        if own and reader.file in sources.code and _shares_key(application, reader):
            yield from _preferred(reader, sources.files[reader.file], own)


def by_hand(application: Application, code: ApplicationCode) -> Iterator[str]:
    """What is left to a person: other readers that the stack's values harm, and those of a former key alone."""
    yield from (other.line for other in code.others(application.use) if other.is_harmed)
    for reader, other in zip(_former(code), code.readers_of_former_key(), strict=True):
        if _shares_key(application, reader):
            yield other.line


def _former(code: ApplicationCode) -> tuple[Reader, ...]:
    return tuple(reader for reader in code.found.readers if reader.variable in FORMER_KEYS)


def _shares_key(application: Application, reader: Reader) -> bool:
    """Whether a reader of a former key has no other source of one, and is not the code of the records itself."""
    own = application.ciphers | application.loaders
    return reader.how is How.READS and not reader.preferred and reader.file not in own


def _places(reader: Reader, text: str) -> list[re.Match[str]]:
    """Where the file reads the variable from the environment, outside of comments; `reader.text` has none."""
    access = rf"process\.env(?:\.{reader.variable}\b|\[\s*([\"']){reader.variable}\1\s*\])"
    if len(reader.text) != len(text):
        return []
    written = r"(?!\s*=[^=>])"
    return [*re.finditer(rf"(?<!delete ){access}{written}", reader.text)]


def _renamed(reader: Reader, text: str, name: str, reason: str) -> Iterator[Edit]:
    for match in _places(reader, text):
        new = match[0].replace(reader.variable, name)
        yield Edit(file=reader.file, start=match.start(), end=match.end(), new=new, reason=reason)


def _chained(reader: Reader, text: str, name: str, reason: str) -> Iterator[Edit]:
    """The variable under another name; where that is read before it, it leaves the chain: `A || B || c` is `A || c`."""
    for edit in _renamed(reader, text, name, reason):
        before = re.search(rf"\b{name}\b[\"'\]]*(\s*(?:\|\||\?\?)\s*)\Z", reader.text[: edit.start])
        if before is None:
            yield edit
        elif after := re.compile(r"\s*(?:\|\||\?\?)\s*").match(reader.text, edit.end):
            yield replace(edit, end=after.end(), new="")
        else:
            yield replace(edit, start=before.start(1), new="")


def _preferred(reader: Reader, text: str, name: str) -> Iterator[Edit]:
    places = _places(reader, text)
    if any(text[: match.start()].rstrip().endswith("!") for match in places):
        return  # TypeScript knows afterwards that this one variable is there, not that one of two is.
    reason = f"a way off {reader.variable}: set {name} to the same value, then {reader.variable} can go"
    for match in places:
        both = f"{match[0].replace(reader.variable, name)} || {match[0]}"
        is_alone = re.search(r"(?:[(=,]|\|\||\breturn)\s*\Z", text[: match.start()])
        new = both if is_alone and re.match(r"\s*(?:\|\||[;,)])", text[match.end() :]) else f"({both})"
        yield Edit(file=reader.file, start=match.start(), end=match.end(), new=new, reason=reason)


def _unpublished(reader: Reader, text: str) -> Iterator[Edit]:
    """The line of `env` in next.config that builds the value into the browser's code."""
    match = re.search(rf"(?m)^[ \t]*{reader.variable}\s*:\s*process\.env\.{reader.variable},?[ \t]*\r?\n", reader.text)
    if match and len(reader.text) == len(text):
        reason = "`env` builds the value into the code that browsers get"
        yield Edit(file=reader.file, start=match.start(), end=match.end(), new="", reason=reason)
