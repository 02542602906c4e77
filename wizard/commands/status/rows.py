"""The rows of a status: the judgements of each, and the words of their notices.

Pure, over the facts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from components.settings import Target
from wizard.account import codes
from wizard.account.facts import StackFacts
from wizard.account.judgements import (
    KEY_RIGHTS_CHECKS,
    RIGHTS_CHECKS,
    companion_variables,
    key,
    key_policy,
    permission_limits,
    policies,
    principal,
    runtime,
    stored_data_key,
    trail,
    variables,
)
from wizard.account.notices import Judgement, Notice, State
from wizard.account.views import judge
from wizard.core.errors import SetupError
from wizard.core.models.stack import HealthStatus, StatusCheck
from wizard.core.safe_text import first_of

ROWS: Mapping[str, tuple[Judgement, ...]] = {
    "key": (key.check_keys, key.check_alias),
    "rotation": (key.check_rotation, trail.check_logs_key_rotation),
    "access": (key_policy.check_key_policies, policies.check_application_grants, *KEY_RIGHTS_CHECKS),
    "trail": (trail.check_trail, trail.check_logs_key),
    "stored data key": (stored_data_key.check_stored_data_key,),
}
"""The judgements of each row; the deploy targets follow."""


def _state_is_read(facts: StackFacts) -> Iterator[Notice]:
    """Who the application is, and its policy, are in the state: without it the others have nothing to judge."""
    if isinstance(facts.state, SetupError):
        yield Notice.unread("the state of the stack", facts.state)


IN_FULL: Mapping[str, tuple[Judgement, ...]] = {
    **ROWS,
    "access": (*ROWS["access"], *(check for check in RIGHTS_CHECKS if check not in KEY_RIGHTS_CHECKS)),
    "application": (
        _state_is_read,
        *principal.ACCESS_CHECKS,
        *permission_limits.ACCESS_CHECKS,
        *policies.ACCESS_CHECKS,
    ),
    "deployment": (_state_is_read, *runtime.ACCESS_CHECKS, runtime.check_deployments),
}
"""The judgements for one stack. A list of stacks has `ROWS`: these need every principal of the account for each key."""

_IN_WORDS: Mapping[str, str] = {
    "key": "enabled, and its alias points to it",
    "rotation": "as often as the settings say",
    "access": "policies as in the settings",
    "trail": "it logs, in all Regions, signed",
    "stored data key": "it is the stack's own",
    "application": "it may use the key, and only its platform can become it",
    "deployment": "what runs has the variables",
}
"""The words of a row in which nothing is wrong; `doctor --all` has the sentence of each check."""


_TARGET_CHECKS: tuple[Judgement, ...] = (
    variables.check_vercel_access,
    variables.check_target_variables,
    variables.check_store_access,
    variables.check_data_key_on_vercel,
    companion_variables.check_parameters,
    companion_variables.check_companion_variables,
    key.check_delivered_key_id,
)
"""The judgements of a target's variables."""


def checks_of(facts: StackFacts, *, in_full: bool) -> tuple[StatusCheck, ...]:
    """The rows of one stack, those of its deploy targets last; the last backup is read meanwhile.

    `in_full`: with the rows of one stack alone.
    """
    rows = IN_FULL if in_full else ROWS
    targets = [(target, facts.for_target(target)) for target in facts.settings.deploy_targets]
    asked = [(what, check) for what, row in rows.items() for check in _every(row, facts)]
    asked += [(target, check) for target, of_target in targets for check in _every(_TARGET_CHECKS, of_target)]
    answers = judge(facts, [*(check for _, check in asked), _backup])
    notices: dict[str, list[Notice]] = {what: [] for what, _ in asked}
    for (what, _), answer in zip(asked, answers, strict=False):
        notices[what] += answer
    return (
        *(_check(what, notices[what]) for what in rows),
        *(_target_check(target, of_target, notices[target]) for target, of_target in targets),
    )


def _backup(facts: StackFacts) -> Iterator[Notice]:
    """Reads the last backup beside the judgements: it is shown, and not judged."""
    facts.read("last_backup")
    return iter(())


def _every(checks: Iterable[Judgement], facts: StackFacts) -> Iterator[Judgement]:
    """The judgements of a row, of these facts; of what is stored beside the data key too."""
    for check in checks:
        for each in (facts, *(facts.beside if check in _OF_EACH_KEY else ())):
            yield lambda _, check=check, each=each: check(each)  # type: ignore[misc]


_OF_EACH_KEY = (
    stored_data_key.check_stored_data_key,
    variables.check_data_key_on_vercel,
    companion_variables.check_parameters,
)


def _check(what: str, notices: Sequence[Notice]) -> StatusCheck:
    """The row of these notices: the worst of them, and in words all that are as bad, and what a person decided."""
    wrong = [notice for notice in notices if notice.state is State.WRONG and not codes.is_unread(notice.code)]
    unknown = [notice for notice in notices if notice.state is State.UNKNOWN or codes.is_unread(notice.code)]
    decided = [notice for notice in notices if notice.state is State.PERSON]
    if wrong:
        words, status = [each.what for each in wrong], HealthStatus.WRONG
    elif unknown or not notices:
        words, status = [*map(_unknown, unknown)] or ["it depends on a row above"], HealthStatus.UNKNOWN
    else:
        words, status = [notice.what for notice in notices if notice.state is State.GOOD], HealthStatus.GOOD
    return StatusCheck(
        what=what,
        status=status,
        detail=_words(words, [notice.what for notice in decided]),
        brief=_in_words(what, decided)
        if status is HealthStatus.GOOD and (words or what in _IN_WORDS)
        else first_of([*dict.fromkeys(words or [notice.what for notice in decided])], 1),
    )


def _in_words(what: str, decided: Sequence[Notice]) -> str:
    """A row in order in a few words, with how much of it a person decides, and of how much nothing is known."""
    decisions, unasked = ({each.what for each in decided if bool(each.code) is has_code} for has_code in (True, False))
    return _words(
        [_IN_WORDS.get(what, "")],
        [f"{len(decisions)} for a person to decide: see doctor"] if decisions else (),
        [f"{len(unasked)} not looked at"] if unasked else (),
    )


def _words(*parts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(word for part in parts for word in part))


def _unknown(notice: Notice) -> str:
    denied = "access denied: " if notice.is_denied else ""
    return denied + (f"{notice.what}: {notice.why}" if notice.state is State.UNKNOWN else notice.what)


_COUNTS = {3: "three", 4: "four"}


def _target_check(target: Target, facts: StackFacts, notices: Sequence[Notice]) -> StatusCheck:
    """The row of a deploy target; a rolling release under way is said, and is no fault."""
    check = _check(target, notices)
    if check.status is HealthStatus.GOOD:
        release = facts.release_under_way(target)
        if isinstance(release, SetupError):
            return replace(check, status=HealthStatus.UNKNOWN, detail=release.message, brief=release.message)
        count = len(facts.settings.variables)
        has = f"has the {_COUNTS.get(count, count)} variables"
        words = _words([has], [release] if release else [])
        check = replace(check, detail=words, brief=words)
    return check
