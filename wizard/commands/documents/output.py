"""What `documents encrypt` says: the plan, what is left and why, the count at the end; and the command of a batch job.

Pure, but for the terminal.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, NotRequired, TypedDict

from wizard.account.facts import StackFacts
from wizard.commands.documents.survey import EXCEPTIONS, WORDS, Calls, Documents, Left, Place, Survey
from wizard.core.json_documents import VERSION, Head, plain
from wizard.core.models.inputs import Mark
from wizard.core.models.s3_documents import DocumentBucket
from wizard.core.next_command import Command, eonpro, shell

if TYPE_CHECKING:
    from wizard.terminal.terminal import Terminal

NAMED = 3
"""Objects of each kind that are named in the terminal; all of them are in the document of `--json`."""


class LeftObject(TypedDict):
    """An object that is not under the key."""

    key: str
    versionId: str | None
    place: Place
    why: str


class DocumentsDocument(Head):
    """The move of documents in S3; of a job of S3 Batch Operations only its command."""

    stack: str
    bucket: str
    keyArn: str
    batch: str | None
    versions: NotRequired[Literal["all", "current"]]
    dryRun: NotRequired[bool]
    objects: NotRequired[int]
    moved: NotRequired[int]
    counts: NotRequired[dict[Place, int]]
    left: NotRequired[list[LeftObject]]
    calls: NotRequired[Calls]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    stack: str
    documents: Documents
    before: Survey
    is_dry_run: bool = False
    after: Survey | None = None
    """The count after the move; None: nothing was moved."""

    @property
    def last(self) -> Survey:
        return self.after or self.before

    @property
    def left(self) -> tuple[Left, ...]:
        """What is not under the key, each with why; what S3 refused, with its own words."""
        refused = {each.version: each for each in self.before.refused}
        moved_not = [
            refused.get(version, Left(version=version, place=Place.REFUSED, why="it came after the move began"))
            for version in (self.after.to_move if self.after else [])
        ]
        return (*self.last.left, *moved_not)

    @property
    def exit_code(self) -> int:
        """0: a plan, or all objects are under the key."""
        return 0 if self.is_dry_run or self.last.counts[Place.UNDER_KEY] == self.last.total else 1

    @property
    def document(self) -> DocumentsDocument:
        last, moved = self.last, self.after is not None
        documents = self.documents
        counts = {place: last.counts[place] for place in Place}
        if moved:
            counts |= {Place.TO_MOVE: 0, Place.REFUSED: last.counts[Place.TO_MOVE]}
        return {
            "version": VERSION,
            "command": "documents",
            "ok": self.exit_code == 0,
            "stack": self.stack,
            "bucket": documents.bucket.name,
            "keyArn": documents.key_arn,
            "versions": "all" if documents.every else "current",
            "dryRun": self.is_dry_run,
            "objects": last.total,
            "moved": last.counts[Place.UNDER_KEY] - self.before.counts[Place.UNDER_KEY] if moved else 0,
            "counts": counts,
            "left": [
                {"key": each.version.key, "versionId": each.version.version, "place": each.place, "why": each.why}
                for each in self.left
            ],
            "calls": plain(documents.calls),
            "batch": None,
        }


def show_plan(ui: Terminal, outcome: Outcome, *, cost: Decimal) -> None:
    before, documents = outcome.before, outcome.documents
    which = "versions" if documents.every else "current versions" if documents.bucket.versioned else "objects"
    rows = [(f"{before.counts[place]:,}", WORDS[place]) for place in Place if before.counts[place]]
    ui.table([*rows, (f"{before.total:,}", f"{which} in all")])
    if before.to_move:
        calls = documents.calls
        more = len(before.to_move) + before.total + calls.list
        ui.line(f"the move takes {more:,} more calls to S3, about ${cost:.2f}; no object is copied", mark=Mark.INFO)
    if documents.bucket.versioned and not documents.every:
        ui.line("earlier versions stay under the key that they have", mark=Mark.INFO)


def show_left(ui: Terminal, outcome: Outcome) -> None:
    """The objects that are left, some of each kind by name."""
    for place in EXCEPTIONS:
        left = [each for each in outcome.left if each.place is place]
        if left:
            ui.line(f"{len(left):,} {WORDS[place]}", mark=Mark.WARN)
            for each in left[:NAMED]:
                version = f" ({each.version.version})" if each.version.version else ""
                ui.line(f"  {each.version.key}{version}: {each.why}")
            if len(left) > NAMED:
                ui.line(f"  and {len(left) - NAMED:,} more: --json names all")


def show_result(ui: Terminal, outcome: Outcome) -> None:
    last, calls = outcome.last, outcome.documents.calls
    under = last.counts[Place.UNDER_KEY]
    is_whole = under == last.total
    ui.line(
        f"{under:,} of {last.total:,} objects are under {outcome.documents.key_arn}, counted again",
        mark=Mark.OK if is_whole else Mark.WARN,
    )
    show_left(ui, outcome)
    ui.line(f"calls to S3: {calls.list:,} lists, {calls.head:,} heads, {calls.update:,} moves", mark=Mark.INFO)


def show_batch(
    ui: Terminal, facts: StackFacts, bucket: DocumentBucket, key_arn: str, *, role: str, prefix: str
) -> DocumentsDocument:
    """Print the command of a job, and say what it does not do."""
    command = batch_command(facts, bucket, key_arn, role=role, prefix=prefix)
    ui.line("S3 moves the objects under its own keys (SSE-S3) itself. The job waits for a confirmation in the console:")
    ui.verbatim(command)
    ui.line(
        "the role trusts batchoperations.s3.amazonaws.com, and needs what `policy documents` prints and "
        "s3:PutInventoryConfiguration on the bucket"
    )
    ui.line("the sandbox has no S3 Batch Operations: the command was checked against AWS's model of the call alone")
    proof = eonpro("documents", "encrypt", "--stack", facts.stack, "--bucket", bucket.name)
    ui.line("afterwards this counts what is left, and moves it:")
    ui.verbatim(proof)
    return {
        "version": VERSION,
        "command": "documents",
        "ok": True,
        "stack": facts.stack,
        "bucket": bucket.name,
        "keyArn": key_arn,
        "batch": command,
    }


def batch_command(facts: StackFacts, bucket: DocumentBucket, key_arn: str, *, role: str, prefix: str) -> Command:
    """`aws s3control create-job` with a manifest that S3 generates.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-update-encryption.html
    """
    names = {"KeyNameConstraint": {"MatchAnyPrefix": [prefix]}} if prefix else {}
    generator = {
        "S3JobManifestGenerator": {
            "ExpectedBucketOwner": facts.settings.account_id,
            "SourceBucket": facts.settings.arn("s3", bucket.name),
            "EnableManifestOutput": False,
            "Filter": {"MatchAnyObjectEncryption": [{"SSES3": {}}], **names},
        }
    }
    update = {"ObjectEncryption": {"SSEKMS": {"KMSKeyArn": key_arn, "BucketKeyEnabled": True}}}
    return shell(
        *("aws", "s3control", "create-job", "--account-id", facts.settings.account_id, "--region", bucket.region),
        *("--operation", json.dumps({"S3UpdateObjectEncryption": update})),
        *("--manifest-generator", json.dumps(generator)),
        *(
            "--report",
            json.dumps({"Enabled": False}),
            "--priority",
            "10",
            "--role-arn",
            role,
            "--confirmation-required",
        ),
    )
