"""How the stacks stand: what the settings, the state's backend and the account say, several stacks side by side.

Pure: reads through the edges' Protocols, changes nothing and asks nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from components.contract import Settings, Target
from wizard.errors import DataKeyConflict, PermissionDenied, SetupError, StackNotFound
from wizard.escrow import find_escrow
from wizard.facts import Batch, Escrow, Identity, KeyFact
from wizard.protocols import Cloud, Hosting
from wizard.status_facts import ListedStack, Look, StackStatus, Standing
from wizard.status_table import document, show
from wizard.steps import Doors

__all__ = ["ListStacks", "ListedStack", "Look", "StackStatus", "Standing", "document", "read", "show"]

ListStacks = Callable[[Mapping[str, str]], tuple[ListedStack, ...]]
"""The environment of the credentials to the backend's stacks (`wizard.engine_stacks`). Raises SetupError."""

AT_ONCE = 8
"""Stacks that are looked at side by side."""


@dataclass(frozen=True, kw_only=True)
class _Caller:
    """Who asks, and by what; or why nobody can."""

    cloud: Cloud | None = None
    identity: Identity | None = None
    hosting: Hosting | None = None
    why: str = ""


def read(
    doors: Doors,
    settings_by_stack: Mapping[str, Settings],
    *,
    all_stacks: bool,
    stack: str,
    list_stacks: ListStacks,
    unreadable: Mapping[str, str] | None = None,
    profile: str | None = None,
    region: str | None = None,
    vercel_token: str | None = None,
) -> tuple[StackStatus, ...]:
    """One row a stack, by name: the one that is named, or all that have settings here or a state in the backend.

    `unreadable`: why the settings of a stack cannot be used. What cannot be asked is unknown, and no error.
    Raises StackNotFound when the named stack is neither here nor in the backend.
    """
    name = stack.rsplit("/", 1)[-1]
    unreadable = unreadable or {}
    here = sorted({*settings_by_stack, *unreadable}) if all_stacks else [name]
    wanted = [settings_by_stack[each] for each in here if each in settings_by_stack]
    caller = _caller(doors, profile, region or next((each.region for each in wanted), None), vercel_token)
    listed, why_unlisted = _listed(list_stacks, caller)
    by_name = {each.name: each for each in listed or ()}
    names = sorted({*here, *by_name}) if all_stacks else here
    if not all_stacks and listed is not None and name not in {*by_name, *settings_by_stack, *unreadable}:
        raise StackNotFound(
            f"there is no stack {name}: neither Pulumi.{name}.yaml nor a state in the backend",
            "python -m wizard status --all",
        )

    def look(each: str) -> StackStatus:
        found = by_name.get(each)
        bare = StackStatus(
            stack=each,
            in_backend=None if listed is None else found is not None,
            last_update=found.last_update if found else None,
            resources=found.resources if found else None,
            updating=bool(found and found.updating),
            caller=caller.identity.account_id if caller.identity else None,
        )
        if each not in settings_by_stack:
            why = unreadable.get(each, f"its settings, Pulumi.{each}.yaml, are not here")
            return replace(bare, why=why)
        status = _look(bare, settings_by_stack[each], caller)
        return replace(status, why=status.why or why_unlisted)

    with ThreadPoolExecutor(max_workers=min(AT_ONCE, max(len(names), 1))) as pool:
        return tuple(pool.map(look, names))


def _caller(doors: Doors, profile: str | None, region: str | None, token: str | None) -> _Caller:
    try:
        cloud = doors.connect(profile, region)
        return _Caller(cloud=cloud, identity=cloud.identify(), hosting=doors.hosting(token) if token else None)
    except SetupError as error:
        return _Caller(why=f"AWS cannot be asked: {error.message}")


def _listed(list_stacks: ListStacks, caller: _Caller) -> tuple[tuple[ListedStack, ...] | None, str]:
    """The backend's stacks, or None and why they are not known."""
    try:
        return list_stacks(caller.cloud.environment() if caller.cloud else {}), ""
    except SetupError as error:
        return None, error.message


def _look(bare: StackStatus, settings: Settings, caller: _Caller) -> StackStatus:
    status = replace(
        bare,
        account=settings.account_id,
        region=settings.region,
        environment=settings.environment,
        targets=tuple(settings.deploy_targets),
    )
    if bare.in_backend is False or bare.resources == 0:
        return replace(status, standing=Standing.NOT_BUILT)
    if caller.cloud is None or caller.identity is None:
        return replace(status, why=caller.why)
    if caller.identity.account_id != settings.account_id:
        why = f"your credentials are of the account {caller.identity.account_id}"
        return replace(status, standing=Standing.ELSEWHERE, why=why)
    fingerprint, looks = _looks(caller.cloud.with_region(settings.region), caller.hosting, settings)
    worst = [kind for kind in (Standing.WRONG, Standing.UNKNOWN) if any(look.standing is kind for look in looks)]
    return replace(status, fingerprint=fingerprint, looks=looks, standing=worst[0] if worst else Standing.GOOD)


def _looks(cloud: Cloud, hosting: Hosting | None, settings: Settings) -> tuple[str | None, tuple[Look, ...]]:
    """Every look at one stack, those that need no other's answer side by side; and the data key's fingerprint."""
    with ThreadPoolExecutor(max_workers=3) as pool:
        asked = pool.submit(_key, cloud, settings), pool.submit(_escrow, cloud, settings)
        trail = pool.submit(_trail, cloud, settings)
        (key, of_the_key), (escrow, of_the_escrow) = asked[0].result(), asked[1].result()
        if escrow and key and escrow.key_arn not in (None, key.arn):
            detail = f"{escrow.parameter} is wrapped by {escrow.key_arn}, not by the key under {settings.names.alias}"
            of_the_escrow = Look(what="escrow", standing=Standing.WRONG, detail=detail)
        delivered = list(
            pool.map(lambda each: _target(each, cloud, hosting, settings, key, escrow), settings.deploy_targets)
        )
    return escrow.wrapped.fingerprint if escrow else None, (*of_the_key, trail.result(), of_the_escrow, *delivered)


def _key(cloud: Cloud, settings: Settings) -> tuple[KeyFact | None, tuple[Look, ...]]:
    alias = settings.names.alias
    try:
        key = cloud.describe_key(alias)
    except SetupError as error:
        return None, (_unasked("key", error), _unasked("rotation", error))
    if key is None:
        missing = f"{alias} points to no key"
        return None, tuple(Look(what=what, standing=Standing.WRONG, detail=missing) for what in ("key", "rotation"))
    state = Standing.GOOD if key.state == "Enabled" else Standing.WRONG
    days = f"every {key.rotation_period_days} days" if key.rotation_period_days else "on"
    rotation = {
        True: (Standing.GOOD, days),
        False: (Standing.WRONG, "off"),
        None: (Standing.UNKNOWN, "not told by KMS"),
    }[key.rotation_enabled]
    return key, (
        Look(what="key", standing=state, detail=f"{key.state}, {key.arn}"),
        Look(what="rotation", standing=rotation[0], detail=rotation[1]),
    )


def _trail(cloud: Cloud, settings: Settings) -> Look:
    name = settings.existing_trail_arn or settings.names.trail
    try:
        trail = next((each for each in cloud.list_trails() if name in (each.arn, each.name)), None)
    except SetupError as error:
        return _unasked("trail", error)
    if trail is None:
        return Look(what="trail", standing=Standing.WRONG, detail=f"there is no trail {name} in {settings.region}")
    standing, detail = {
        True: (Standing.GOOD, f"{trail.name} is logging"),
        False: (Standing.WRONG, f"{trail.name} is not logging"),
        None: (Standing.UNKNOWN, f"whether {trail.name} is logging may not be asked"),
    }[trail.logging]
    return Look(what="trail", standing=standing, detail=detail)


def _escrow(cloud: Cloud, settings: Settings) -> tuple[Escrow | None, Look]:
    try:
        escrow = find_escrow(cloud, settings)
    except SetupError as error:
        return None, _unasked("escrow", error)
    if escrow is None:
        detail = f"there is no data key in {settings.names.escrow}"
        return None, Look(what="escrow", standing=Standing.WRONG, detail=detail)
    return escrow, Look(
        what="escrow", standing=Standing.GOOD, detail=f"{escrow.wrapped.fingerprint} in {escrow.parameter}"
    )


def _target(
    target: Target,
    cloud: Cloud,
    hosting: Hosting | None,
    settings: Settings,
    key: KeyFact | None,
    escrow: Escrow | None,
) -> Look:
    """Whether the target has the three variables of the stack."""
    if key is None or escrow is None:
        detail = "key and data key are not known, so there is nothing to compare with"
        return Look(what=target, standing=Standing.UNKNOWN, detail=detail)
    if target is Target.VERCEL and hosting is None:
        return Look(what=target, standing=Standing.UNKNOWN, detail="there is no Vercel token to ask with")
    batches = [
        Batch(region=region, key_arn=key.arn.replace(f":{settings.region}:", f":{region}:"), wrapped=escrow.wrapped)
        for region in settings.regions
    ]
    try:
        if target is Target.VERCEL and hosting is not None:
            project = hosting.find_project(settings.vercel_team or "", settings.vercel_project or "")
            lacks = hosting.check(project, batches[0]) or ""
        else:
            prefix, store = settings.names.parameter_prefix, settings.secret_store
            lacking = [
                batch.region
                for batch in batches
                if not cloud.with_region(batch.region).check_parameters(prefix, batch, store=store)
            ]
            lacks = f"what is under {prefix} in {', '.join(lacking)} is not the stack's" if lacking else ""
    except DataKeyConflict as error:
        lacks = error.message
    except SetupError as error:
        return _unasked(target, error)
    standing = Standing.WRONG if lacks else Standing.GOOD
    return Look(what=target, standing=standing, detail=lacks or "has the three variables")


def _unasked(what: str, error: SetupError) -> Look:
    denied = "you may not look: " if isinstance(error, PermissionDenied) else ""
    return Look(what=what, standing=Standing.UNKNOWN, detail=denied + error.message)
