"""`documents encrypt`: count what is in a bucket, ask, move it to the key of the documents, and count again.

Changes how objects are encrypted, in place, one call for each. Before that it makes sure that the application can read
them afterwards. What it leaves, it names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from components.policies.document_buckets import MOVE_ACTIONS
from components.policies.evaluation import KeyPolicyDecision, decide_by_key_policy
from components.policies.s3_documents import DOCUMENT_USE_ACTIONS, through_s3_condition
from components.settings.arn import Arn
from wizard.account.facts import StackFacts
from wizard.commands import deployed_stack
from wizard.commands.documents import output
from wizard.commands.documents.output import Outcome
from wizard.commands.documents.survey import Calls, Documents, Left, Survey
from wizard.core.clients import Clients, Request
from wizard.core.cost import prices
from wizard.core.errors import Cancelled, PermissionDenied, ResourceError, SetupError, UsageError, known
from wizard.core.models.s3_documents import DocumentBucket
from wizard.core.next_command import Command, Text, eonpro, shell

if TYPE_CHECKING:
    from wizard.terminal.terminal import Terminal


def run(
    request: Request,
    clients: Clients,
    *,
    bucket_name: str | None,
    prefix: str,
    versions: str | None,
    from_key: Sequence[str],
    dry_run: bool,
    batch: str | None,
    again: Callable[..., Command],
) -> tuple[int, Mapping[str, Any]]:
    """Exit code 1 if an object is not under the key at the end. Raises UsageError, ResourceError, Cancelled."""
    if wrong := [each for each in from_key if (arn := Arn.find(each)) is None or arn.service != "kms"]:
        listed = shell("aws", "kms", "list-keys")
        raise UsageError(f"--from-key: {wrong[0]!r} is not the ARN of a KMS key, as S3 names it", listed)
    facts = deployed_stack.find(request, clients)
    deployed_stack.outputs_of(facts)
    bucket, key_arn = _bucket(facts, bucket_name), _key(facts)
    if batch is not None:
        return 0, output.show_batch(clients.ui, facts, bucket, key_arn, role=batch, prefix=prefix)
    _require_readable(facts, bucket, key_arn)
    if not (request.yes or dry_run or clients.ui.interactive):
        # Before thousands of calls, and not after them.
        raise Cancelled("nothing was changed: nobody can be asked", again("--yes"))
    documents = Documents(
        s3=facts.aws.s3_documents,
        bucket=bucket,
        key_arn=key_arn,
        every=_every_version(versions, request, clients.ui, bucket, again, dry_run=dry_run),
        prefix=prefix,
        leaving=frozenset((*from_key, *facts.key_arns)) - {key_arn},
    )
    clients.ui.section("Documents", f"{bucket.name}, under {key_arn}")
    # Who has consented already needs no plan of all of it first.
    before = _survey(documents, clients.ui, facts, moving=request.yes)
    outcome = Outcome(stack=request.stack, documents=documents, before=before, is_dry_run=dry_run)
    if not request.yes:
        output.show_plan(clients.ui, outcome, cost=cost_of(before, documents.calls))
    if dry_run or not before.to_move:
        output.show_left(clients.ui, outcome)
        return outcome.exit_code, outcome.document
    if not request.yes:
        _confirm(clients.ui, before, again)
        before.refused += _move(documents, before, clients.ui, facts)
    outcome = replace(outcome, after=_survey(documents, clients.ui, facts))
    output.show_result(clients.ui, outcome)
    return outcome.exit_code, outcome.document


# --- what has to be so before


def _bucket(facts: StackFacts, name: str | None) -> DocumentBucket:
    names = facts.settings.document_buckets
    name = name or (names[0] if len(names) == 1 else None)
    if name is None:
        listed = ", ".join(names) or "none"
        raise UsageError(
            f"documents encrypt needs --bucket NAME; the settings name {listed}",
            eonpro("documents", "encrypt", "--bucket", names[0] if names else "NAME", "--stack", facts.stack),
        )
    if name not in names:
        # The key's policy lets the application use it for the buckets of the settings alone.
        raise UsageError(
            f"the settings do not name the bucket {name}: the application could not read its objects afterwards",
            eonpro("setup", "--stack", facts.stack, "--document-buckets", ",".join((*names, name))),
        )
    bucket = known(facts.document_bucket(name))
    if bucket is None:
        raise ResourceError(f"the account has no bucket {name}", eonpro("doctor", "--stack", facts.stack))
    if bucket.region != facts.settings.region:
        raise UsageError(
            f"the bucket {name} is in {bucket.region}: S3 takes a key of the bucket's own Region only, and the key of "
            f"the documents is in {facts.settings.region}",
            "keep the documents of one Region under a key of that Region: a stack for each",
        )
    return bucket


def _key(facts: StackFacts) -> str:
    setup = eonpro("setup", "--stack", facts.stack, "--documents-key", "yes")
    outputs = facts.outputs
    if outputs is None or outputs.documents_key_arn is None:
        raise UsageError(f"the stack {facts.stack} has no key of the documents", setup)
    key = known(facts.documents_key)
    if key is None or key.state != "Enabled":
        state = "is gone" if key is None else f"is {key.state}"
        doctor = eonpro("doctor", "--stack", facts.stack)
        raise ResourceError(f"the key of the documents {state}; nothing was changed", doctor)
    return key.arn


def _require_readable(facts: StackFacts, bucket: DocumentBucket, key_arn: str) -> None:
    """Raises ResourceError unless the key's policy, as it is now, lets the application read what is moved."""
    settings = facts.settings
    policy = known(facts.policy_of(key_arn))
    condition = through_s3_condition(
        account_id=settings.account_id,
        region=settings.region,
        buckets=(bucket.name,),
        partition=settings.partition,
    )
    sent = {name.lower(): (str(value),) for name, value in condition["StringEquals"].items()}
    of_object = {"kms:encryptioncontext:aws:s3:arn": (settings.arn("s3", bucket.name),)}
    for arn in facts.principals:
        for action in DOCUMENT_USE_ACTIONS:
            decision = decide_by_key_policy(policy, arn, action, known={**sent, **of_object})
            if decision is not KeyPolicyDecision.NAMED:
                raise ResourceError(
                    f"the policy of the key of the documents does not let {arn} use it for {bucket.name}: the "
                    "application could not read its documents afterwards; nothing was changed",
                    eonpro("setup", "--stack", facts.stack),
                )


def _every_version(
    versions: str | None,
    request: Request,
    ui: Terminal,
    bucket: DocumentBucket,
    again: Callable[..., Command],
    *,
    dry_run: bool,
) -> bool:
    if not bucket.versioned:
        return False
    if versions is not None:
        return versions == "all"
    if dry_run:
        return True
    if request.yes:
        raise UsageError(
            f"the bucket {bucket.name} has versions: --versions all moves each, --versions current leaves the earlier "
            "ones under their key",
            again("--versions", "all"),
        )
    why = "An earlier version that stays under another key can be read with access to the bucket alone."
    return ui.confirm("Move the earlier versions, too?", why=why)


def _confirm(ui: Terminal, before: Survey, again: Callable[..., Command]) -> None:
    prompt = f"Move {len(before.to_move):,} objects to the key of the documents?"
    why = "Afterwards nobody reads them without the use of that key; S3 does not change them back in place."
    if not ui.confirm(prompt, default=False, why=why):
        raise Cancelled("nothing was changed", again("--yes"))


# --- what is done


def _survey(documents: Documents, ui: Terminal, facts: StackFacts, *, moving: bool = False) -> Survey:
    verb = "counted and moved" if moving else "counted"
    ui.working("counting the objects")
    with _going_on(facts):
        survey = documents.survey(lambda done: ui.working(f"{done:,} objects {verb}"), moving=moving)
    denied = [each for each in survey.left if each.place == "denied"]
    if denied and len(denied) == survey.total:
        raise _denied(PermissionDenied(denied[0].why, ""), facts)
    return survey


def _move(documents: Documents, before: Survey, ui: Terminal, facts: StackFacts) -> tuple[Left, ...]:
    total = len(before.to_move)
    with _going_on(facts):
        return documents.move(before.to_move, lambda done: ui.working(f"{done:,} of {total:,} objects moved"))


@contextmanager
def _going_on(facts: StackFacts) -> Iterator[None]:
    """An error in the middle says what it takes, and that the same command goes on with the rest."""
    try:
        yield
    except PermissionDenied as error:
        raise _denied(error, facts) from error
    except SetupError as error:
        error.hint = Text(error.hint, "; what was moved stays so: the same command goes on with the rest")
        raise


def _denied(error: PermissionDenied, facts: StackFacts) -> PermissionDenied:
    """The right to read and to move documents is in no policy of an operator: it is given for the time of the move."""
    actions = f"s3:ListBucket, s3:GetObject, s3:UpdateObjectEncryption and {', '.join(MOVE_ACTIONS)}"
    return PermissionDenied(
        f"the caller may not read or move the documents ({error.message}); it takes {actions} through S3",
        Text(
            eonpro("policy", "documents", "--stack", facts.stack),
            "   prints what to attach beside `policy auditor`, to no administrator of the keys; detach it afterwards",
        ),
    )


def cost_of(before: Survey, calls: Calls) -> Decimal:
    """US dollars of the move and of the count after it, by S3's price of a PUT for what is no HEAD; KMS's calls too.

    AWS lists no price of UpdateObjectEncryption of its own: as a PUT it is counted too high rather than too low.
    """
    moves = len(before.to_move)
    writes = Decimal(moves + 2 * calls.list)
    return prices.WRITE.of(writes) + prices.READ.of(Decimal(2 * before.total)) + prices.KMS_REQUEST.of(Decimal(moves))
