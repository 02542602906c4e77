"""Describes the effects on application code that reads a variable of the stack, or the application's former key.

Reads the application's folder through `variable_readers`. Judges by the text of the files.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wizard.core import clients
from wizard.core.clients import OtherReader
from wizard.core.next_command import NO_COMMAND, Command, shell
from wizard.core.safe_text import clean
from wizard.inputs.application_folder import checks_key, is_application, requires
from wizard.inputs.variable_readers import FoundReaders, How, Reader, find_readers

if TYPE_CHECKING:
    from components.settings import Settings

PACKAGE = "@eonpro/phi"
"""The library of the application on Node (`packages/phi-node`)."""
FORMER_KEYS = ("ENCRYPTION_KEY", "PHI_ENCRYPTION_KEY")
_KMS = re.compile(r"client-kms|KMSClient|\bKMS\b|boto3\.client\(\s*[\"']kms|PhiFields|DecryptCommand")
_USES = (
    (
        "S3",
        re.compile(r"client-s3|\bS3Client\b|clients/s3|\bnew S3\(|[\"']s3[\"']|SSEKMSKeyId|s3Config", re.IGNORECASE),
    ),
    ("SES", re.compile(r"client-sesv?2?\b|\bSESv?2?Client\b|clients/ses|[\"']sesv?2?[\"']|SESConfig", re.IGNORECASE)),
    ("another AWS client", re.compile(r"@aws-sdk/client-|aws-sdk|boto3|AWSClient")),
)
_PURPOSES = (
    ("two-factor secrets", re.compile(r"two.?factor|totp|2fa|authenticator|\bmfa\b|\botp", re.IGNORECASE)),
    ("cards", re.compile(r"card|payment|stripe|billing|\bcvv\b", re.IGNORECASE)),
    ("credentials of integrations", re.compile(r"integration|webhook|oauth|api.?key|provider.?secret", re.IGNORECASE)),
    ("PHI records", re.compile(r"\bphi\b|patient|PHI", re.IGNORECASE)),
)


@dataclass(frozen=True, kw_only=True)
class ApplicationCode:
    """The code of an application, as far as its files were read. Implements `wizard.core.clients.ApplicationCode`."""

    folder: Path
    found: FoundReaders
    uses_phi: bool = False
    """Whether it depends on the library `phi`, which reads the variables itself."""

    checks_key: bool = False
    """Whether its build or its start runs `phi check`."""

    @property
    def lacks_check(self) -> bool:
        """Whether it could check its key before it starts, and does not. Without the library it is not known."""
        return self.uses_phi and not self.checks_key

    @property
    def unread(self) -> tuple[str, ...]:
        """Why some files were not read, one sentence each; empty if all were."""
        return self.found.unread

    def reads(self, variable: str) -> bool:
        """Whether any of its code reads the variable, by name or through `phi`."""
        return self.uses_phi or any(reader.how in (How.READS, How.DECLARES) for reader in self.found.of(variable))

    def others(self, settings: Settings) -> tuple[OtherReader, ...]:
        """The other readers of the stack's variables, in the order of the files."""
        names = settings.delivered_names
        files = {reader.file for reader in self.found.of(names.data_key)}
        return tuple(
            _other(reader, what, is_harmed=is_harmed)
            for reader in self.found.readers
            if reader.variable in (names.region, names.key_id, names.data_key) and not _is_own(reader, files)
            for what, is_harmed in _changes(reader, settings)
        )

    def readers_of_former_key(self) -> tuple[OtherReader, ...]:
        """The code that reads the former key, each place with its behaviour without that variable."""
        return tuple(
            _other(reader, _without(reader)) for reader in self.found.readers if reader.variable in FORMER_KEYS
        )


def read_code(folder: Path, settings: Settings) -> ApplicationCode | None:
    """The readers in the application's folder of the stack's variables and of a former key; None without a folder."""
    if not is_application(folder):
        return None
    names = settings.delivered_names
    return ApplicationCode(
        folder=folder,
        found=find_readers(folder, (*names.every, *FORMER_KEYS)),
        uses_phi=requires(folder, "eonpro-phi") or requires(folder, PACKAGE),
        checks_key=checks_key(folder),
    )


def _other(reader: Reader, what: str, *, is_harmed: bool = True) -> OtherReader:
    return OtherReader(variable=reader.variable, place=clean(reader.place), what=what, is_harmed=is_harmed)


def _is_own(reader: Reader, files: set[str]) -> bool:
    """Whether it is the code of the wrapped key itself: it has the data key's variable, or a client of KMS."""
    return reader.file in files or _KMS.search(reader.text) is not None and _service(reader) is None


def _service(reader: Reader) -> str | None:
    """The AWS service that the file uses: `S3`, `SES`, `another AWS client`; None if unknown, or KMS."""
    stem = os.path.basename(reader.file)
    text = f"{stem}\n{reader.text}"
    use = next((use for use, pattern in _USES if pattern.search(text)), None)
    return None if use == _USES[-1][0] and _KMS.search(reader.text) else use


def _changes(reader: Reader, settings: Settings) -> list[tuple[str, bool]]:
    """(the effect on a reader, whether it is harmed); None for a reader that only lists the name."""
    names, use, name = settings.delivered_names, _service(reader), reader.variable
    if reader.how is How.DECLARES:
        return []
    if reader.how is How.PUBLISHES:
        return [(f"builds {name} into the code that browsers get: take it out of `env`", True)]
    if reader.how is How.SETS:
        return [(f"sets {name}: where the platform sets it too, the platform's value counts", False)]
    if reader.how is How.PASSES:
        return [(f"passes {name} on to a container, which gets this stack's value", True)]
    if name == names.data_key:
        return []
    if name == names.key_id:
        return [(_key_change(reader, use), True)]
    unless = f", unless {reader.preferred} is set" if reader.preferred else ""
    effects = {
        "S3": f"S3 asks in {settings.region}, and a bucket elsewhere answers PermanentRedirect",
        "SES": f"SES sends from {settings.region}, where its identities have to be verified",
    }
    effect = effects.get(use or "", f"it gets {settings.region}")
    return [(f"reads {name} too: {effect}{unless}", False)]


def _key_change(reader: Reader, use: str | None) -> str:
    name = reader.variable
    if use != "S3":
        return f"reads {name} too: it gets the ARN of the PHI key, which allows the application nothing but PHI"
    if "AES256" in reader.text:
        return f"reads {name} too: S3 gets the PHI key with AES256 and refuses every upload (InvalidArgument)"
    return (
        f"reads {name} too: S3 gets the PHI key; it refuses every upload with AES256 (InvalidArgument), and with "
        "aws:kms the objects are encrypted under that key"
    )


def _without(reader: Reader) -> str:
    """The behaviour of a reader of a former key without its variable."""
    name, purpose = reader.variable, _purpose(reader)
    match reader.how:
        case How.DECLARES:
            return f"requires {name}: without it the check of the environment fails, unless it is optional there"
        case How.PUBLISHES:
            return f"builds {name} into the code for browsers: every visitor of the application may have it"
        case How.SETS:
            return f"has {name} in the clear: removed from the platform, it is still here"
        case How.PASSES:
            return f"passes {name} on to a container, which has it no more"
        case _:
            then = {
                "throws": "it throws",
                "answers null": "it answers null",
                "goes on with another value": "it goes on with another key",
            }.get(reader.without, "it fails")
            return f"reads {name}, for {purpose}: without it {then}, and {purpose} stay encrypted"


def _purpose(reader: Reader) -> str:
    """What a reader of a former key encrypts with it: `two-factor secrets`; `what it encrypted` if that is unknown."""
    # The name of a file says more than a word somewhere in it.
    places = (purpose for text in (reader.file, reader.text) for purpose, pattern in _PURPOSES if pattern.search(text))
    return next(places, "what it encrypted")


MOST_NAMED = 12
"""The most readers that one piece of advice names."""


def before_removal(code: clients.ApplicationCode | None) -> tuple[str, Command]:
    """(the condition for removing a former key's variable, the command that checks it or ""), for a person."""
    if code is None:
        return (
            "First look for other code that reads it (two-factor secrets, cards, integrations): without it that code "
            "fails, and what it encrypted stays encrypted. In the application's folder:",
            search_command(),
        )
    readers = code.readers_of_former_key()
    unread = "".join(f" Not everything was read: {why}." for why in code.unread)
    if not readers:
        return f"Nothing in {clean(str(code.folder))} reads it by its name.{unread}", NO_COMMAND
    lines = [reader.line for reader in readers[:MOST_NAMED]]
    more = [f"and {len(readers) - MOST_NAMED} more"] if len(readers) > MOST_NAMED else []
    return f"Code that reads it needs another key first: {'; '.join([*lines, *more])}.{unread}", NO_COMMAND


def search_command(folder: Path | None = None) -> Command:
    """The command that finds the readers of a former key, where the wizard does not know the application's folder."""
    excluded = (f"--exclude-dir={name}" for name in ("node_modules", ".next", ".git", "dist"))
    return shell("grep", "-rnwE", "ENCRYPTION_KEY|PHI_ENCRYPTION_KEY", *excluded, folder or ".")
