"""What can be wrong with the account: who asks, where, for whom, and whether they may.

Pure: asks the cloud through its Protocol, reads only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from components import policies
from components.contract import ContractError, Settings
from components.stack_policies import key_policy_of
from wizard.answers import camel, to_settings
from wizard.errors import Problem, SetupError, Unsupported
from wizard.escrow import find_escrow
from wizard.facts import Escrow, Existing, Identity, Principal
from wizard.identity_patterns import sso_pattern
from wizard.input import CALLER, CREATE
from wizard.protocols import Cloud
from wizard.questions import INPUTS
from wizard.trail_requirements import gaps, unread

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Account:
    """What the account said. `existing` is None where it could not be read, or made no sense to ask."""

    problems: tuple[Problem, ...]
    rights: tuple[Problem, ...] = ()
    """What the caller may not do; of weight only where the key is still to be made."""
    settings: Settings | None = None
    existing: Existing | None = None
    notes: tuple[str, ...] = ()
    """What is right to know before a plan, and no reason to stop."""
    escrow: Escrow | None = None
    escrow_known: bool = False
    """Whether the escrow could be looked for; then None means that there is none."""


def look(
    *,
    stack: str,
    values: Mapping[str, Any],
    saved: Settings | None,
    identity: Identity | SetupError,
    cloud: Cloud | None,
) -> Account:
    """Everything about the account, side by side: each look-up is a round trip."""
    if isinstance(identity, SetupError) or cloud is None:
        error = identity if isinstance(identity, SetupError) else None
        unknown = [problem(error, "without an identity nothing in the account can be checked or made")] if error else []
        return Account(problems=tuple(unknown))
    values = _with_trail_bucket(values, cloud)
    problems = _wrong_account(values, saved, identity, stack)
    settings = None
    try:
        kept = tuple(saved.deploy_targets) if saved else ()
        settings = to_settings(values, identity=identity, kept_targets=kept)
    except ContractError as error:
        problems += [_bad_value(field, fault) for field, fault in error.faults]
    if settings is None or problems:
        # In the wrong account, or for settings that make no sense, nothing else could be told that would help.
        return Account(problems=(*problems, *_region(values, cloud)), settings=settings)
    with ThreadPoolExecutor(max_workers=6) as pool:
        region = pool.submit(_region, values, cloud)
        principals = pool.submit(_principals, settings, identity, cloud)
        existing = pool.submit(attempt, cloud.find_existing, settings)
        escrow = pool.submit(attempt, find_escrow, cloud, settings)
        lockout = pool.submit(_lockout, settings, identity, cloud)
        trail = pool.submit(_trail, settings, cloud)
        rights = pool.submit(_rights, settings, cloud)
    if region.result():
        # What is asked in a Region that cannot be used would only say so again; IAM is the same in all of them.
        return Account(problems=(*region.result(), *principals.result(), *lockout.result()), settings=settings)
    unread = [error for _, error in (existing.result(), escrow.result()) if error]
    return Account(
        problems=(
            *region.result(),
            *principals.result(),
            *(problem(error, "what is there already has to be known first") for error in unread),
            *lockout.result(),
            *trail.result()[0],
        ),
        rights=tuple(rights.result()),
        settings=settings,
        notes=(*_notes(settings, saved), *trail.result()[1]),
        existing=existing.result()[0] if not unread else None,
        escrow=escrow.result()[0],
        escrow_known=escrow.result()[1] is None,
    )


def _notes(settings: Settings, saved: Settings | None) -> tuple[str, ...]:
    told = []
    if saved is not None and saved.makes_user and not settings.makes_user:
        told.append(
            f"the user {settings.names.app_user} and its access keys end with this update: what runs on Vercel now is "
            "refused until it is deployed anew with Vercel's own token; then take the key's two variables away: "
            "vercel env rm AWS_ACCESS_KEY_ID production && vercel env rm AWS_SECRET_ACCESS_KEY production"
        )
    if settings.encryption_context:
        told.append(
            f"the key policy will demand the encryption context {', '.join(settings.encryption_context)}: the "
            "application as it is sends none, and the data key is made without one, so it will be refused"
        )
    if settings.via_services:
        told.append(
            f"the key policy will demand that the key is used through {', '.join(settings.via_services)}: the "
            "application as it is calls KMS itself, and will be refused"
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


def _with_trail_bucket(values: Mapping[str, Any], cloud: Cloud) -> Mapping[str, Any]:
    """An existing trail knows its bucket; nobody needs to type it."""
    arn = values.get("trail")
    if arn in (None, CREATE) or values.get("trail_bucket"):
        return values
    trails, _ = attempt(cloud.list_trails)
    bucket = next((trail.bucket for trail in trails or () if trail.arn == arn), None)
    return {**values, "trail_bucket": bucket} if bucket else values


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


def _region(values: Mapping[str, Any], cloud: Cloud | None) -> list[Problem]:
    region = values.get("region")
    if cloud is None or not region:
        return []
    regions, error = attempt(cloud.list_regions)
    if error is not None or regions is None:
        return (
            []
            if isinstance(error, Unsupported)
            else [problem(error, "the Region could not be checked")]
            if error
            else []
        )
    known = {fact.name: fact.enabled for fact in regions}
    if known.get(region):
        return []
    if region in known:
        return [
            Problem(
                what=f"the Region {region} is off in this account",
                why="nothing can be made in a Region that is not enabled",
                next=f"aws account enable-region --region-name {region}   or choose another: --region",
            )
        ]
    return [
        Problem(
            what=f"there is no Region {region}",
            why="AWS does not list it for this account",
            next="choose one of: " + ", ".join(name for name, on in sorted(known.items()) if on),
            exit_code=2,
        )
    ]


def _principals(settings: Settings, identity: Identity, cloud: Cloud) -> list[Problem]:
    wanted = dict.fromkeys(settings.deletion_administrators, ("deletion administrator", "--deletion-administrators"))
    wanted |= dict.fromkeys(settings.administrators, ("administrator", "--administrators"))
    wanted.pop(identity.principal_arn, None)
    if settings.app_principal_arn:
        wanted[settings.app_principal_arn] = ("application principal", "--app-principal")
    if settings.ecs_execution_role_arn:
        wanted[settings.ecs_execution_role_arn] = ("execution role", "--ecs-execution-role")
    problems = []
    for arn, (role, flag) in wanted.items():
        principal, error = attempt(cloud.find_principal, arn)
        if error is not None:
            problems.append(problem(error, f"the {role} {arn} could not be looked up"))
        elif principal is None:
            kind = Principal(arn=arn).kind
            problems.append(
                Problem(
                    what=f"the {role} {arn} does not exist",
                    why="KMS refuses a key policy that names a principal that is not there"
                    if role != "execution role"
                    else "nothing can be attached to it",
                    next=f"aws iam get-{kind} --{kind}-name {Principal(arn=arn).name}   then the right ARN: {flag}",
                )
            )
    return problems


def _lockout(settings: Settings, identity: Identity, cloud: Cloud) -> list[Problem]:
    """Would the key's policy let the caller change the key's policy afterwards? KMS refuses it otherwise, too late.

    https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html#prevent-unmanageable-key
    """
    action = "kms:PutKeyPolicy"
    caller = identity.principal_arn
    grant = policies.grants(future_key_policy(settings), caller, action)
    if grant is policies.Grant.NAMED or (caller.endswith(":root") and not settings.strict_key_policy):
        return []
    if settings.strict_key_policy:
        return [
            Problem(
                what=f"the strict key policy would lock {caller} out of the key it makes",
                why="it has no delegation to IAM, so only who is named in it may ever change it: two at least, you one",
                next=f"add yourself: --administrators {','.join(dict.fromkeys((*settings.administrators, caller)))}"
                "   or leave the delegation in: --strict-key-policy no",
            )
        ]
    named = (*settings.administrators, *settings.administrator_patterns)
    why = f"the new key policy names {', '.join(named)}, not you"
    if grant is policies.Grant.THROUGH_ROOT:
        key = f"arn:{settings.partition}:kms:{settings.region}:{settings.account_id}:key/*"
        simulation, error = attempt(cloud.simulate, caller, (action,), key)
        if simulation is not None and simulation.allowed:
            return []
        detail = simulation.detail if simulation else error.message if error else ""
        if sso_pattern(caller):
            # A role by pattern is the administrator only where its permission set allows it too.
            return [
                Problem(
                    what=f"the key policy would lock {caller} out of the key it makes",
                    why="roles of IAM Identity Center manage the key through IAM, which is not seen to let you "
                    f"({detail})",
                    next=f"have the permission set allow {action} on {key}   "
                    "or name yourself and another, without IAM: --strict-key-policy yes",
                )
            ]
        why += f", and IAM is not seen to let you manage it either ({detail})"
    return [
        Problem(
            what=f"the key policy would lock {caller} out of the key it makes",
            why=why,
            next=f"add yourself: --administrators {','.join((*settings.administrators, caller))}",
        )
    ]


def _trail(settings: Settings, cloud: Cloud) -> tuple[list[Problem], list[str]]:
    """An existing trail has to be there, to record KMS, and to write to the bucket whose retention is checked."""
    arn = settings.existing_trail_arn
    trails, _ = attempt(cloud.list_trails) if arn else ((), None)
    if arn is None or trails is None:
        return [], []  # Where trails may not be listed, the evidence after the run says that it could not be read.
    trail = next((fact for fact in trails if fact.arn == arn), None)
    if trail is None:
        seen = ", ".join(fact.arn for fact in trails) or "none"
        missing = Problem(
            what=f"there is no trail {arn} that records every Region",
            why="without it nobody could say who used the key, and when",
            next=f"choose one of: {seen}   or have one made: --trail {CREATE}",
        )
        return [missing], []
    if trail.bucket != settings.trail_bucket:
        other = Problem(
            what=f"the trail {arn} writes to the bucket {trail.bucket}, not to {settings.trail_bucket}",
            why="the retention of the wrong bucket would be checked",
            next=f"--trail-bucket {trail.bucket}",
            exit_code=2,
        )
        return [other], []
    retention, _ = attempt(cloud.bucket_retention, trail.bucket)
    found = gaps(trail, retention)
    problems = [
        Problem(
            what=f"the trail {arn} does not record the use of the key: {gap.what}",
            why="without it nobody could say who used the key, and when",
            next=f"have its owner mend it, or have one made beside it: --trail {CREATE}",
        )
        for gap in found
        if gap.fatal
    ]
    told = [f"the trail {trail.name} is used as it is, and {gap.what}" for gap in found if not gap.fatal]
    told += [f"of the trail {trail.name} could not be read {what}" for what in unread(trail, retention)]
    return problems, told


def _rights(settings: Settings, cloud: Cloud) -> list[Problem]:
    lacking, error = attempt(cloud.check_permissions, settings)
    if error is not None or not lacking:
        return []  # A check that cannot be made is no finding: AWS itself will say what is not allowed.
    return [
        Problem(
            what=f"you are not allowed to do: {', '.join(lacking)}",
            why="the set-up would stop half-way",
            next="ask for these rights, or use other credentials: --profile NAME",
            exit_code=3,
        )
    ]


def future_key_policy(settings: Settings) -> policies.Policy:
    """The key policy that an update with these settings puts on the key."""
    return key_policy_of(settings)


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
    return "   or ".join(about) or "python -m wizard --help"


def attempt(call: Callable[..., T], *args: Any) -> tuple[T | None, SetupError | None]:
    """The call's answer or its error; only errors of the tree, a bug still crashes."""
    try:
        return call(*args), None
    except SetupError as error:
        return None, error


def problem(error: SetupError, why: str) -> Problem:
    """An error as a problem among others."""
    return Problem(what=error.message, why=why, next=error.hint, exit_code=error.exit_code)
