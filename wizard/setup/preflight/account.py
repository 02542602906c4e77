"""The checks of the AWS account: identity, Region, clock, permissions, quotas, existing resources.

Reads AWS through its port.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from components.settings import ContractError, Settings
from wizard.core.errors import CredentialsError, Problem, SetupError, Unsupported
from wizard.core.json_documents import camel
from wizard.core.models.account import Existing, Identity
from wizard.core.models.delivery import StoredDataKey
from wizard.core.models.inputs import CALLER
from wizard.core.models.vercel import Scope
from wizard.core.next_command import Command, Text, eonpro, shell
from wizard.core.retry import Threads
from wizard.data_key.storage import find_data_key
from wizard.inputs.answers import to_settings
from wizard.inputs.registry import INPUTS
from wizard.setup.preflight.principals import lockout, named, principals
from wizard.setup.preflight.services import CheckResult, attempt, problem
from wizard.setup.preflight.trail import trail, with_trail_bucket

if TYPE_CHECKING:
    from wizard.aws.client import AwsClient

SKEW_TO_REPORT_SECONDS = 30.0
SKEW_TO_STOP_SECONDS = 240.0
"""AWS refuses a request signed more than five minutes off its own time; a run takes about one minute.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html
"""

_SET_THE_CLOCK = shell("timedatectl", "set-ntp", "true", advice="on macOS: sudo sntp -sS time.apple.com")
_NAMED = 8
"""How many of the unknown actions are named; the policy has all of them."""


@dataclass(frozen=True, kw_only=True)
class Rights(CheckResult):
    """The result for the caller's permissions."""

    denied: tuple[str, ...] = ()
    """The actions that the caller is denied."""


def _new_rights(settings: Settings, saved: Settings | None) -> tuple[str, ...] | None:
    """The actions that an update needs and that the policy of its first run may lack; None for none.

    That policy names the e-mail addresses of then.
    """
    known = saved.alert_emails if saved else ()
    return ("sns:Subscribe",) if set(settings.alert_emails) - set(known) else None


def rights(settings: Settings, aws: AwsClient, stack: str, only: tuple[str, ...] | None = ()) -> Rights:
    """The permissions that the caller lacks, as one problem; unknown ones as a note.

    `only`: of these actions; empty: of all that a first run needs; None: of no action.
    """
    if only is None:
        return Rights()
    of_stack = () if stack == "production" else ("--stack", stack)
    # An answers file may say `account: caller`, and `policy` calls no AWS API.
    policy = eonpro("policy", "operator", *of_stack, "--account", settings.account_id)
    fact, error = attempt(partial(aws.permissions.check_permissions, only=only), settings)
    if fact is None:
        # Not a problem: AWS itself will refuse what is not allowed.
        why = error.message if error else ""
        return Rights(notes=(Text(f"your permissions could not be checked ({why}); what is needed: ", policy),))
    problems = []
    if fact.denied:
        # The printed policy makes only what has a boundary.
        is_unbounded = settings.permissions_boundary_arn is None and {"iam:CreateRole", "iam:CreateUser"} & {
            *fact.denied
        }
        name = ", or name the boundary that your policy requires: --permissions-boundary ARN" if is_unbounded else ""
        problems.append(
            Problem(
                what=f"you are not allowed to do: {', '.join(fact.denied)}",
                why="the set-up would stop half-way",
                next=Command(
                    policy, advice=f"prints the permissions to ask for; or use other credentials: --profile NAME{name}"
                ),
                exit_code=CredentialsError.exit_code,
            )
        )
    notes = []
    if fact.unknown:
        why = f" ({fact.why_unknown})" if fact.why_unknown else ""
        more = len(fact.unknown) - _NAMED
        listed = ", ".join(fact.unknown[:_NAMED]) + (f" and {more} more" if more > 0 else "")
        notes.append(Text(f"some permissions could not be checked{why}; needed are: {listed}; in full: ", policy))
    return Rights(problems=tuple(problems), notes=tuple(notes), denied=fact.denied)


def quotas(settings: Settings, aws: AwsClient) -> CheckResult:
    """The account's quotas that the set-up would exceed."""
    facts, error = attempt(aws.service_quotas.check_quotas, settings)
    if facts is None:
        return CheckResult(notes=(f"the account's quotas could not be read ({error.message if error else ''})",))
    return CheckResult(
        problems=tuple(
            Problem(
                what=f"{quota.what}: {quota.used} of {quota.limit} exist, and {quota.needed} more would be created",
                why="AWS would refuse it half-way",
                next=quota.next,
            )
            for quota in facts
            if quota.exceeded
        )
    )


def clock(aws: AwsClient) -> CheckResult:
    """The difference between this machine's clock and AWS's, by the answer to the identity call."""
    skew, _ = attempt(aws.clock_skew)
    if skew is None or abs(skew) < SKEW_TO_REPORT_SECONDS:
        return CheckResult()
    off = f"this machine's clock is {abs(skew):.0f} seconds {'ahead of' if skew > 0 else 'behind'} AWS's"
    if abs(skew) <= SKEW_TO_STOP_SECONDS:
        return CheckResult(
            notes=(
                Text(
                    f"{off}; from 300 seconds AWS refuses every request: ",
                    *(_SET_THE_CLOCK, ", or ", _SET_THE_CLOCK.advice),
                ),
            )
        )
    far = Problem(
        what=off, why="AWS refuses every request that was signed more than 300 seconds off", next=_SET_THE_CLOCK
    )
    return CheckResult(problems=(far,))


@dataclass(frozen=True, kw_only=True)
class Account:
    """The result for the account. `existing` is None if it was not read."""

    problems: tuple[Problem, ...]
    rights: Rights = Rights()
    """The caller's missing permissions; like the quotas, they count only while the key does not exist."""
    quotas: CheckResult = CheckResult()
    settings: Settings | None = None
    account_matches: bool = False
    """Whether account and Region fit the stack; otherwise little else was read."""
    existing: Existing | None = None
    notes: tuple[str, ...] = ()
    """Facts to know before the plan, which do not stop the run."""
    stored_data_key: StoredDataKey | None = None
    stored_data_key_known: bool = False
    """Whether the stored data key could be read; then None means that it does not exist."""


def inspect(
    *,
    stack: str,
    values: Mapping[str, Any],
    saved: Settings | None,
    identity: Identity | SetupError,
    aws: AwsClient | None,
    making: Callable[[], bool] = lambda: True,
) -> Account:
    """All checks of the account, in parallel.

    `making` returns, once it is known, whether a key will be created: only then permissions and quotas are checked.
    """
    problems = caller_problems(values, saved, identity, stack)
    if isinstance(identity, SetupError) or aws is None:
        return Account(problems=tuple(problems))
    values = with_trail_bucket(values, aws)
    settings = _settings(values, saved, identity)
    if isinstance(settings, ContractError) or problems:
        return _limited(problems, values, saved, settings, identity, aws)
    return _inspect_settings(settings, stack, values, saved, identity, aws, making)


def _inspect_settings(
    settings: Settings,
    stack: str,
    values: Mapping[str, Any],
    saved: Settings | None,
    identity: Identity,
    aws: AwsClient,
    making: Callable[[], bool],
) -> Account:
    with Threads(max_workers=10) as pool:
        region_job = pool.submit(_region, values, aws)
        principals_job = pool.submit(principals, settings, identity, aws)
        existing_job = pool.submit(attempt, aws.existing_resources.find_existing, settings)
        stored_data_key_job = pool.submit(attempt, find_data_key, aws, settings)
        lockout_job = pool.submit(lockout, settings, identity, aws)
        trail_job = pool.submit(trail, settings, aws, first=saved is None)
        clock_job = pool.submit(clock, aws)
        # Last, because these two may wait for the stack's state.
        rights_job = pool.submit(lambda: rights(settings, aws, stack, () if making() else _new_rights(settings, saved)))
        quotas_job = pool.submit(lambda: quotas(settings, aws) if making() else CheckResult())
    clock_result, trail_result, rights_result = clock_job.result(), trail_job.result(), rights_job.result()
    unusable, unlisted = region_job.result()
    if unusable:
        # Other checks in that Region would only repeat it; IAM is the same in all Regions.
        return Account(
            problems=(*clock_result.problems, *unusable, *principals_job.result(), *lockout_job.result()),
            rights=Rights(problems=rights_result.problems, denied=rights_result.denied),
            settings=settings,
            notes=clock_result.notes,
        )
    existing, unread = existing_job.result()
    stored_data_key, closed = stored_data_key_job.result()
    return Account(
        problems=(
            *clock_result.problems,
            *unlisted,
            *principals_job.result(),
            *(problem(error, "the existing resources must be known first") for error in (unread, closed) if error),
            *lockout_job.result(),
            *trail_result.problems,
        ),
        rights=rights_result,
        quotas=quotas_job.result(),
        settings=settings,
        account_matches=True,
        notes=(*filter(None, (identity.warning,)), *clock_result.notes, *_notes(settings, saved), *trail_result.notes),
        existing=existing,
        stored_data_key=stored_data_key,
        stored_data_key_known=closed is None,
    )


def _limited(
    problems: list[Problem],
    values: Mapping[str, Any],
    saved: Settings | None,
    settings: Settings | ContractError,
    identity: Identity,
    aws: AwsClient,
) -> Account:
    """The few checks that help in the wrong account or with invalid settings."""
    clock_result, absent = clock(aws), list[Problem]()
    if isinstance(settings, ContractError):
        found = settings.faults
        if problems:
            # An ARN of the caller's account is no fault beside a wrong account, which is reported.
            own = _settings({**values, "account": identity.account_id}, saved, identity)
            found = min(found, own.faults if isinstance(own, ContractError) else (), key=len)
        problems = [*problems, *(_bad_value(field, fault) for field, fault in found)]
        absent = named(values, str(settings), identity, aws)
    unusable, unlisted = _region(values, aws)
    return Account(
        problems=(*clock_result.problems, *problems, *unusable, *unlisted, *absent),
        settings=None if isinstance(settings, ContractError) else settings,
        notes=clock_result.notes,
    )


def _notes(settings: Settings, saved: Settings | None) -> tuple[str, ...]:
    notes: list[str] = []
    if saved is not None and saved.makes_user and not settings.makes_user:
        notes.append(
            Text(
                f"this update deletes the user {settings.names.app_user} and its access keys: the application on "
                "Vercel has no access until it is redeployed with Vercel's own token; then remove the key's two "
                "variables: ",
                Scope.of(settings).removal(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")),
            )
        )
    if settings.makes_user:
        notes.append(
            "an access key never expires, and whoever has it can decrypt like the application: Vercel's own token "
            "(--vercel-access oidc) needs no key"
        )
    if settings.deletion_administrators:
        notes.append(f"can schedule the key's deletion: {', '.join(settings.deletion_administrators)}")
    return tuple(notes)


def _settings(values: Mapping[str, Any], saved: Settings | None, identity: Identity) -> Settings | ContractError:
    try:
        return to_settings(values, identity=identity, retained_targets=tuple(saved.deploy_targets) if saved else ())
    except ContractError as error:
        return error


def caller_problems(
    values: Mapping[str, Any], saved: Settings | None, identity: Identity | SetupError, stack: str
) -> list[Problem]:
    """Why these credentials cannot be used for the stack: nobody knows whose they are, or the account is another."""
    if isinstance(identity, SetupError):
        return [problem(identity, "without an identity nothing in the account can be checked or created")]
    # A deployed stack stays in its account, whatever `caller` means today.
    named = values.get("account")
    expected = saved.account_id if saved else named
    if saved and named not in (None, CALLER, saved.account_id) and saved.account_id == identity.account_id:
        return [
            Problem(
                what=f"--account {named} is another account than that of the credentials ({identity.source}) and "
                f"of the stack {stack}, {identity.account_id}",
                why="a stack stays in the account in which it was deployed",
                next=f"leave out --account, or use another stack for {named}: --stack NAME, with its credentials",
                exit_code=3,
            )
        ]
    if expected in (None, CALLER, identity.account_id):
        return []
    return [
        Problem(
            what=f"these credentials ({identity.source}) belong to the account {identity.account_id}, "
            f"not to {expected}",
            why=f"the stack {stack} belongs to the account {expected}",
            next=f"use credentials of {expected} (--profile NAME), or another stack for this account (--stack NAME)",
            exit_code=3,
        )
    ]


def _region(values: Mapping[str, Any], aws: AwsClient) -> tuple[list[Problem], list[Problem]]:
    """(Why the Region cannot be used, why that could not be checked)."""
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
        disabled = Problem(
            what=f"the Region {region} is not enabled in this account",
            why="nothing can be created in it",
            next=shell(
                *("aws", "account", "enable-region", "--region-name", region), advice="or choose another: --region NAME"
            ),
        )
        return [disabled], []
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
        next=_flags(field, fault),
        exit_code=2,
    )


def _flags(field: str, fault: str) -> str:
    """The flags of all fields that a fault names."""
    flags = {camel(entry.field): f"{entry.flag} {entry.metavar}" for entry in INPUTS if entry.field and entry.flag}
    about = [flag for name, flag in flags.items() if name == field or re.search(rf"\b{name}\b", fault)]
    return "   or ".join(about) or eonpro("--help")
