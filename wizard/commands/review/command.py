"""`review`: read, evaluate, compare, store, show, and sign if `--sign` is set.

Reads AWS and changes nothing there; writes new files to the folder of the reviews.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from wizard import PROJECT_FOLDER
from wizard.account.access import review as access_review
from wizard.account.access import stored_reviews
from wizard.account.access.stored_reviews import REVIEWS, StoredReview
from wizard.account.facts import StackFacts
from wizard.account.judgements import RIGHTS_CHECKS, others, s3_documents
from wizard.account.notices import Notice
from wizard.account.views import diagnose
from wizard.commands import deployed_stack
from wizard.commands.review import output
from wizard.commands.review.differences import differences_between
from wizard.commands.review.output import ReviewResult, document
from wizard.core.clients import Clients, Request
from wizard.core.errors import Cancelled, UsageError
from wizard.core.models.access import SignOff
from wizard.core.models.inputs import InputType, Question
from wizard.core.next_command import Command, eonpro

DAYS = range(1, 91)
"""Days that the event history covers. https://docs.aws.amazon.com/awscloudtrail/latest/userguide/view-cloudtrail-events.html"""


def run(
    request: Request, clients: Clients, *, signer: str | None, days: int | None, out: Path | None
) -> tuple[int, Mapping[str, Any]]:
    """The review of a stack. Exit code 1 if a right of a principal is unknown, or neither given nor accepted."""
    window_days = days if days is not None else DAYS.stop - 1
    if window_days not in DAYS:
        raise UsageError(
            f"--days {days}: CloudTrail's event history goes back {DAYS.stop - 1} days",
            eonpro("review", "--days", str(DAYS.stop - 1)),
        )
    if signer is not None and not signer.strip():
        raise UsageError("--sign needs the name of the person who signs", eonpro("review", "--sign", "Ada Lovelace"))
    again = partial(_again, signer or "", days, out)
    if signer and not clients.ui.interactive:
        _require_confirmation(request, again)
    deployed = deployed_stack.find(request, clients)
    deployed_stack.outputs_of(deployed)
    clients.ui.working("reading who can use the key, and who used it")
    folder = out or clients.reviews or PROJECT_FOLDER / REVIEWS
    facts = deployed.otherwise(sources=replace(clients, reviews=folder))
    review = access_review.review(facts, window_days=window_days)
    earlier = facts.reviews
    before, accepted = earlier.newest, earlier.accepted(facts.at)
    stored = stored_reviews.write(folder, review, earlier.last)
    result = ReviewResult(
        review=review,
        file=str(stored.file),
        digest=stored.digest,
        differences=differences_between(before.review, review, since=before.file.name)
        if before is not None and before.review is not None
        else None,
        accepted=accepted,
        faults=earlier.faults,
        notices=tuple(_notices(facts)),
    )
    output.show(clients.ui, result, signs=signer is not None, everything=request.everything)
    if signer:
        sign_off = _signed(signer, request, clients, stored, again, arn=deployed.identity.arn)
        result = replace(result, sign_off=sign_off)
        clients.ui.line(f"signed by {sign_off.signer} as {sign_off.signer_arn}: {sign_off.file}")
    content = document(result)
    return int(not content["ok"]), content


def _notices(facts: StackFacts) -> Iterator[Notice]:
    """Who else has a right on the key, all else that lets somebody in, and the documents in S3, as `doctor` says it.

    A signature accepts who has a right on the key; it makes no grant, no replica and no trust one of the settings.
    """
    yield from others.check_others(facts)
    checks = dict.fromkeys((*RIGHTS_CHECKS, *s3_documents.OTHER_CHECKS))
    yield from diagnose(facts, [check for check in checks if check is not others.check_others]).findings


def _again(signer: str, days: int | None, out: Path | None, *more: str) -> Command:
    words = [*(("--days", str(days)) if days is not None else ()), *(("--out", out) if out is not None else ())]
    return eonpro("review", "--sign", signer.strip(), *words, *more)


def _require_confirmation(request: Request, again: Callable[..., Command]) -> None:
    if request.confirmed != request.stack:
        raise Cancelled("nothing was signed: confirm with the stack's name", again("--confirm", request.stack))


def _signed(
    signer: str, request: Request, clients: Clients, stored: StoredReview, again: Callable[..., Command], *, arn: str
) -> SignOff:
    """The sign-off of the review that was just shown. Raises Cancelled if the stack's name was not typed."""
    if clients.ui.interactive and request.confirmed is None:
        question = Question(
            key="confirmation",
            kind=InputType.TEXT,
            prompt=f"Type the stack's name, {request.stack}, to sign this review",
            why="You confirm that you reviewed who has access, and that it is correct.",
        )
        if clients.ui.ask(question) != request.stack:
            raise Cancelled(f"not signed; the review is stored, unsigned, in {stored.file}", again())
    else:
        _require_confirmation(request, again)
    return stored_reviews.sign(stored, signer=signer.strip(), signer_arn=arn, at=clients.now())
