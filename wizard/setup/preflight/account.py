"""What can be wrong with a trail that is there already and is to record the use of the key.

Pure: asks the cloud through its Protocol, reads only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from components.settings import ContractError, Settings
from wizard.core.errors import CredentialsError, Problem, SetupError, Unsupported
from wizard.core.models.account import Existing, Identity
from wizard.core.models.audit import gaps, unread
from wizard.core.models.delivery import StoredDataKey
from wizard.core.models.inputs import CALLER, CREATE
from wizard.core.next_command import wizard
from wizard.core.ports.run import AwsClient
from wizard.data_key.delivery import find_stored_data_key
from wizard.inputs.answers import camel, to_settings
from wizard.inputs.registry import INPUTS
from wizard.setup.preflight.principals import lockout, named, principals
from wizard.setup.preflight.services import CheckResult, attempt, problem


def with_trail_bucket(values: Mapping[str, Any], aws: AwsClient) -> Mapping[str, Any]:
    """The values with the bucket of an existing trail, which knows it: nobody needs to type it."""
    arn = values.get("trail")
    if arn in (None, CREATE) or values.get("trail_bucket"):
        return values
    trails, _ = attempt(aws.cloudtrail.list_trails)
    bucket = next((trail.bucket for trail in trails or () if trail.arn == arn), None)
    return {**values, "trail_bucket": bucket} if bucket else values


def trail(settings: Settings, aws: AwsClient) -> CheckResult:
    """An existing trail has to be there, to record KMS, and to write to the bucket whose retention is checked."""
    arn = settings.existing_trail_arn
    trails, _ = attempt(aws.cloudtrail.list_trails) if arn else ((), None)
    if arn is None or trails is None:
        return (
            CheckResult()
        )  # Where trails may not be listed, the evidence after the run says that it could not be read.
    shared = [fact for fact in trails if fact.can_be_shared]
    found = next((fact for fact in shared if fact.arn == arn), None)
    if found is None:
        seen = ", ".join(fact.arn for fact in shared)
        missing = Problem(
            what=f"there is no trail {arn} that records every Region",
            why="without it nobody could say who used the key, and when",
            next=f"choose one of: {seen}   or have one made: --trail {CREATE}"
            if seen
            else f"have one made: --trail {CREATE}",
        )
        return CheckResult(problems=(missing,))
    if found.bucket != settings.trail_bucket:
        other = Problem(
            what=f"the trail {arn} writes to the bucket {found.bucket}, not to {settings.trail_bucket}",
            why="the retention of the wrong bucket would be checked",
            next=f"--trail-bucket {found.bucket}",
            exit_code=2,
        )
        return CheckResult(problems=(other,))
    retention, _ = attempt(aws.cloudtrail.bucket_retention, found.bucket)
    lacking = gaps(found, retention)
    problems = tuple(
        Problem(
            what=f"the trail {arn} does not record the use of the key: {gap.text}",
            why="without it nobody could say who used the key, and when",
            next=f"have its owner fix it, or create another one: --trail {CREATE}",
        )
        for gap in lacking
        if gap.fatal
    )
    told = [f"the trail {found.name} is used as it is, and {gap.text}" for gap in lacking if not gap.fatal]
    told += [f"of the trail {found.name} could not be read {what}" for what in unread(found, retention)]
    return CheckResult(problems=problems, notes=tuple(told))


SKEW_TO_TELL_SECONDS = 30.0
SKEW_TO_STOP_SECONDS = 240.0
"""AWS refuses a request that was signed more than five minutes off its own time; a run takes one of them.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html
"""

_SET_THE_CLOCK = "timedatectl set-ntp true   or on macOS: sudo sntp -sS time.apple.com"
_NAMED = 8
"""How many of the actions that could not be asked about are named; the policy has them all."""


@dataclass(frozen=True, kw_only=True)
class Rights(CheckResult):
    """The result for the caller's permissions."""

    denied: tuple[str, ...] = ()
    """The actions that are known to be denied."""


def rights(settings: Settings, aws: AwsClient, stack: str) -> Rights:
    """What the caller may not do of what the set-up does, all of it in one problem; what nobody knows is a note."""
    policy = wizard("policy", "operator") + ("" if stack == "production" else f" --stack {stack}")
    fact, error = attempt(aws.permissions.check_permissions, settings)
    if fact is None:
        # A check that cannot be made is no finding: AWS itself will say what is not allowed.
        why = error.message if error else ""
        return Rights(notes=(f"what you may do could not be asked ({why}); what is needed: {policy}",))
    problems = []
    if fact.denied:
        problems.append(
            Problem(
                what=f"you are not allowed to do: {', '.join(fact.denied)}",
                why="the set-up would stop half-way",
                next=f"{policy}   prints the rights to ask for; or use other credentials: --profile NAME",
                exit_code=CredentialsError.exit_code,
            )
        )
    notes = []
    if fact.unknown:
        why = f" ({fact.why_unknown})" if fact.why_unknown else ""
        more = len(fact.unknown) - _NAMED
        listed = ", ".join(fact.unknown[:_NAMED]) + (f" and {more} more" if more > 0 else "")
        notes.append(f"whether you may do it could not be asked{why}; needed are: {listed}; in full: {policy}")
    return Rights(problems=tuple(problems), notes=tuple(notes), denied=fact.denied)


def quotas(settings: Settings, aws: AwsClient) -> CheckResult:
    """The account's limits that the set-up would run into."""
    found, error = attempt(aws.service_quotas.check_quotas, settings)
    if found is None:
        return CheckResult(notes=(f"the account's quotas could not be asked ({error.message if error else ''})",))
    return CheckResult(
        problems=tuple(
            Problem(
                what=f"{quota.what}: {quota.used} of {quota.limit} are there, and {quota.needed} more would be made",
                why="AWS would refuse it half-way",
                next=quota.next,
            )
            for quota in found
            if quota.exceeded
        )
    )


def clock(aws: AwsClient) -> CheckResult:
    """How far this machine's clock is from AWS's, which is known by the answer that told who the caller is."""
    skew, _ = attempt(aws.clock_skew)
    if skew is None or abs(skew) < SKEW_TO_TELL_SECONDS:
        return CheckResult()
    off = f"this machine's clock is {abs(skew):.0f} seconds {'ahead of' if skew > 0 else 'behind'} AWS's"
    if abs(skew) <= SKEW_TO_STOP_SECONDS:
        return CheckResult(notes=(f"{off}; from 300 on AWS refuses every request: {_SET_THE_CLOCK}",))
    far = Problem(
        what=off, why="AWS refuses every request that was signed more than 300 seconds off", next=_SET_THE_CLOCK
    )
    return CheckResult(problems=(far,))


@dataclass(frozen=True, kw_only=True)
class Account:
    """What the account said. `existing` is None where it could not be read, or made no sense to ask."""

    problems: tuple[Problem, ...]
    rights: Rights = Rights()
    """What the caller may not do; of weight only where the key is still to be made. So are the quotas."""
    quotas: CheckResult = CheckResult()
    settings: Settings | None = None
    at_home: bool = False
    """Whether account and Region can be those of the stack; in others nothing was asked."""
    existing: Existing | None = None
    notes: tuple[str, ...] = ()
    """What is right to know before a plan, and no reason to stop."""
    stored_data_key: StoredDataKey | None = None
    stored_data_key_known: bool = False
    """Whether the escrow could be looked for; then None means that there is none."""


def look(
    *,
    stack: str,
    values: Mapping[str, Any],
    saved: Settings | None,
    identity: Identity | SetupError,
    aws: AwsClient | None,
    making: Callable[[], bool] = lambda: True,
) -> Account:
    """Everything about the account, side by side: each look-up is a round trip.

    `making` tells, when it is known, whether a key is to be made: only then rights and quotas are asked about.
    """
    if isinstance(identity, SetupError):
        unknown = problem(identity, "without an identity nothing in the account can be checked or made")
        return Account(problems=(unknown,))
    if aws is None:
        return Account(problems=())
    values = with_trail_bucket(values, aws)
    problems = _wrong_account(values, saved, identity, stack)
    settings, faults = None, ""
    try:
        kept = tuple(saved.deploy_targets) if saved else ()
        settings = to_settings(values, identity=identity, retained_targets=kept)
    except ContractError as error:
        problems += [_bad_value(field, fault) for field, fault in error.faults]
        faults = str(error)
    if settings is None or problems:
        return _astray(problems, values, settings, faults, identity, aws)
    with ThreadPoolExecutor(max_workers=10) as pool:
        region_job = pool.submit(_region, values, aws)
        principals_job = pool.submit(principals, settings, identity, aws)
        existing_job = pool.submit(attempt, aws.existing_resources.find_existing, settings)
        stored_data_key_job = pool.submit(attempt, find_stored_data_key, aws, settings)
        lockout_job = pool.submit(lockout, settings, identity, aws)
        trail_job = pool.submit(trail, settings, aws)
        clock_job = pool.submit(clock, aws)
        # These two may have to wait for the stack's state, so that nothing else may have to wait for them.
        rights_job = pool.submit(lambda: rights(settings, aws, stack) if making() else Rights())
        quotas_job = pool.submit(lambda: quotas(settings, aws) if making() else CheckResult())
    found_clock, found_trail, found_rights = clock_job.result(), trail_job.result(), rights_job.result()
    unusable, unlisted = region_job.result()
    if unusable:
        # What is asked in a Region that cannot be used would only say so again; IAM is the same in all of them.
        return Account(
            problems=(*found_clock.problems, *unusable, *principals_job.result(), *lockout_job.result()),
            rights=Rights(problems=found_rights.problems, denied=found_rights.denied),
            settings=settings,
            notes=found_clock.notes,
        )
    existing, unread = existing_job.result()
    stored_data_key, closed = stored_data_key_job.result()
    return Account(
        problems=(
            *found_clock.problems,
            *unlisted,
            *principals_job.result(),
            *(problem(error, "what is there already has to be known first") for error in (unread, closed) if error),
            *lockout_job.result(),
            *found_trail.problems,
        ),
        rights=found_rights,
        quotas=quotas_job.result(),
        settings=settings,
        at_home=True,
        notes=(*found_clock.notes, *_notes(settings, saved), *found_trail.notes),
        existing=existing,
        stored_data_key=stored_data_key,
        stored_data_key_known=closed is None,
    )


def _astray(
    problems: list[Problem],
    values: Mapping[str, Any],
    settings: Settings | None,
    faults: str,
    identity: Identity,
    aws: AwsClient,
) -> Account:
    """In the wrong account, or for settings that make no sense, little else could be told that would help."""
    found = clock(aws)
    absent = named(values, faults, identity, aws) if settings is None else []
    unusable, unlisted = _region(values, aws)
    return Account(
        problems=(*found.problems, *problems, *unusable, *unlisted, *absent), settings=settings, notes=found.notes
    )


def _notes(settings: Settings, saved: Settings | None) -> tuple[str, ...]:
    told = []
    if saved is not None and saved.makes_user and not settings.makes_user:
        told.append(
            f"the user {settings.names.app_user} and its access keys end with this update: what runs on Vercel now is "
            "refused until it is redeployed with Vercel's own token; then remove the key's two variables: "
            "vercel env rm AWS_ACCESS_KEY_ID production && vercel env rm AWS_SECRET_ACCESS_KEY production"
        )
    if settings.makes_user:
        told.append(
            "an access key never expires, and whoever has it is the application: Vercel's own token "
            "(--vercel-access oidc) leaves nothing to leak"
        )
    if settings.alerts and not settings.alert_emails:
        told.append(f"nobody gets the alerts of {settings.names.alert_topic} yet: --alert-emails ADDRESS")
    if settings.deletion_administrators:
        told.append(f"may schedule the key's deletion: {', '.join(settings.deletion_administrators)}")
    return tuple(told)


def _wrong_account(values: Mapping[str, Any], saved: Settings | None, identity: Identity, stack: str) -> list[Problem]:
    # A stack that was set up stays in its account, whatever `caller` would mean today.
    wanted = saved.account_id if saved else values.get("account")
    if wanted in (None, CALLER, identity.account_id):
        return []
    return [
        Problem(
            what=f"these credentials ({identity.source}) belong to the account {identity.account_id}, not to {wanted}",
            why=f"the stack {stack} is meant for the account {wanted}",
            next=f"use credentials of {wanted} (--profile NAME), or another stack for this account (--stack NAME)",
            exit_code=3,
        )
    ]


def _region(values: Mapping[str, Any], aws: AwsClient) -> tuple[list[Problem], list[Problem]]:
    """Why the Region cannot be used, and why that could not be asked."""
    region = values.get("region")
    if not region:
        return [], []
    regions, error = attempt(aws.list_regions)
    if regions is None:
        if error is None or isinstance(error, Unsupported):
            return [], []
        return [], [problem(error, "the Region could not be checked")]
    known = {fact.name: fact.enabled for fact in regions}
    if known.get(region):
        return [], []
    if region in known:
        off = Problem(
            what=f"the Region {region} is off in this account",
            why="nothing can be made in a Region that is not enabled",
            next=f"aws account enable-region --region-name {region}   or choose another: --region",
        )
        return [off], []
    missing = Problem(
        what=f"there is no Region {region}",
        why="AWS does not list it for this account",
        next="choose one of: " + ", ".join(name for name, on in sorted(known.items()) if on),
        exit_code=2,
    )
    return [missing], []


def _bad_value(field: str, fault: str) -> Problem:
    return Problem(
        what=fault if field == "settings" else f"{field}: {fault}",
        why="the settings cannot be used",
        next=_mend(field, fault),
        exit_code=2,
    )


def _mend(field: str, fault: str) -> str:
    """The flags of the fields that a fault is about, whichever of them is to give way."""
    flags = {camel(each.field): f"{each.flag} {each.metavar}" for each in INPUTS if each.field and each.flag}
    about = [flag for name, flag in flags.items() if name == field or re.search(rf"\b{name}\b", fault)]
    return "   or ".join(about) or wizard("--help")
