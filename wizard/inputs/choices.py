"""The detected values, recommended values and choices of a question.

Reads AWS through its client. A list that cannot be read is no error: the value can be typed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from wizard.core.clients import Answer, Source
from wizard.core.errors import PermissionDenied, Unsupported
from wizard.core.models.account import Identity, Principal, ProfileFact, ProfileKind
from wizard.core.models.inputs import CREATE, NONE, Choice, Input, InputType, Question
from wizard.core.models.trail import gaps
from wizard.core.next_command import Text, eonpro
from wizard.inputs.registry import by_key
from wizard.targets.port import all_targets

if TYPE_CHECKING:
    from wizard.aws.client import AwsClient

SEVERAL = Choice(value="several", title="Several Regions", note="a multi-Region key; cannot be changed later")
"""Among the Regions, where it is open whether the key is a multi-Region key."""

PRIMARY = "Which Region is the primary?"
"""Follows `SEVERAL`: of a multi-Region key one Region has the primary key, the others have replicas of it."""


def detected(value: Any, where: str) -> Answer:
    return Answer(value=value, source=Source.DETECTED, where=where)


def asked(value: Any, *, secret: bool = False) -> Answer:
    """The person's answers in this run."""
    return Answer(value=value, source=Source.ASKED, where="your answer", secret=secret)


def of_account(aws: AwsClient, identity: Identity) -> dict[str, Answer]:
    """Answers from the credentials: the account, the Region in use, the caller as administrator."""
    answers = {
        "account": detected(identity.account_id, identity.source),
        "administrators": detected((identity.principal_arn,), "you"),
    }
    if aws.region_source:
        answers["region"] = detected(aws.region, aws.region_source)
    return answers


def listed(call: Any) -> tuple[Any, ...]:
    """The list that the call returns; empty where the caller is not allowed to list it."""
    try:
        return tuple(call())
    except (PermissionDenied, Unsupported):
        return ()


Offer = tuple[tuple[Choice, ...], str | tuple[str, ...] | None]
"""Choices and the default among them."""


def choices_for(key: str, aws: AwsClient, values: Mapping[str, Any]) -> Offer:
    """The choices and the default of the question of that key; empty where nothing is known."""
    if key == "region":
        return _regions(aws), aws.region if aws.region_source else None
    if key == "trail":
        return trails(aws), CREATE
    if key == "alert_emails":
        return (), NONE
    if recommendation := by_key[key].recommended:
        return (), recommendation
    if key == "replica_regions":
        key_region = values.get("region")
        return tuple(choice for choice in _regions(aws) if choice.value != key_region and not choice.disabled), None
    for target in all_targets():
        if places := listed(partial(target.places, key, aws)):
            none = (Choice(value="", title="None yet"),) if by_key[key].optional else ()
            default = places[0] if none == () or len(places) == 1 else ""
            return (*(Choice(value=place, title=place) for place in places), *none), default
    return (), None


def accounts(aws: AwsClient, identity: Identity) -> tuple[Choice, ...]:
    """The account of the credentials first, then the other profiles."""
    note = f"{_title(identity.principal_arn)}, by {identity.source}"
    return (
        Choice(value=identity.account_id, title=account_title(identity), note=note),
        *(
            Choice(value=profile.name, title=f"The account of the profile {profile.name}", note=_kind(profile))
            for profile in aws.profiles()
            if profile.name != aws.profile
        ),
    )


def account_title(identity: Identity) -> str:
    """The account's ID, with its alias."""
    return f"{identity.account_id} ({identity.account_alias})" if identity.account_alias else identity.account_id


def profiles(aws: AwsClient) -> tuple[Choice, ...]:
    """The profiles of the AWS configuration, each with the kind of its credentials."""
    return tuple(Choice(value=profile.name, title=profile.name, note=_kind(profile)) for profile in aws.profiles())


def _kind(profile: ProfileFact) -> str:
    kind: str = profile.kind
    if profile.kind is ProfileKind.ROLE and profile.role_arn:
        kind = f"role {Principal(arn=profile.role_arn).name}"
    return f"{kind}, with a code" if profile.mfa_serial else kind


def principals(aws: AwsClient, caller: str) -> tuple[Choice, ...]:
    """The candidates for key administrator: the caller first, and selected."""
    return (
        Choice(value=caller, title=_title(caller), note="you", checked=True),
        *(
            Choice(value=principal.arn, title=_title(principal.arn))
            for principal in listed(aws.iam.list_principals)
            if principal.arn != caller
        ),
    )


def which_to_change(inputs: Sequence[Input], answers: Mapping[str, Answer]) -> Question:
    """The question which answer to change, each with its value."""
    width = max(len(entry.key) for entry in inputs)
    return Question(
        key="change",
        kind=InputType.SEARCH,
        prompt="Which answer?",
        why="After a change everything is checked and planned again; nothing has been created or changed yet.",
        choices=tuple(
            Choice(value=entry.key, title=f"{entry.key.replace('_', ' '):<{width}}  {text(answers.get(entry.key))}")
            for entry in inputs
        ),
        explanation=Text("Each of them can also be given as a flag: ", eonpro("--help"), " lists all."),
    )


def text(answer: Answer | None) -> str:
    """An answer as text; never a secret."""
    if answer is not None and answer.secret:
        return "(hidden)"
    return in_words(answer.value if answer is not None else None)


def in_words(value: Any) -> str:
    """A value as a person types it."""
    if value in (None, ()):
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def source(answer: Answer | None) -> str:
    """The source of an answer, as text."""
    if answer is None:
        return ""
    # Which file it is, the command that was typed says.
    short = {Source.ASKED: "asked", Source.SAVED: "saved", Source.FILE: "file"}
    return short.get(answer.source, answer.where)


def may_exist(aws: AwsClient, arn: str) -> bool:
    """False only where IAM says that the principal does not exist; the preflight reports failed reads."""
    try:
        return aws.iam.find_principal(arn) is not None
    except (PermissionDenied, Unsupported):
        return True


def _regions(aws: AwsClient) -> tuple[Choice, ...]:
    # Enabled Regions first: half of the list may be disabled.
    return tuple(
        Choice(
            value=fact.name,
            title=f"{fact.name} · {fact.place}" if fact.place else fact.name,
            disabled=None if fact.enabled else "off in this account",
        )
        for fact in sorted(listed(aws.list_regions), key=lambda fact: not fact.enabled)
    )


def trails(aws: AwsClient) -> tuple[Choice, ...]:
    """The account's trails of all Regions, each with its gaps."""
    return tuple(
        Choice(
            value=trail.arn,
            title=f"Use {trail.name}",
            note="; ".join(gap.text for gap in gaps(trail, None)) or f"writes to {trail.bucket}",
        )
        for trail in listed(aws.cloudtrail.list_trails)
        if trail.multi_region
    )


def _title(arn: str) -> str:
    principal = Principal(arn=arn)
    return f"{principal.kind} {principal.name}"
