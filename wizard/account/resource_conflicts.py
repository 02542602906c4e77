"""What of others is in a stack's way: another stack's claim of the environment, and resources under the stack's names.

Reads claims and keys through the AWS port; everything else is pure.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import TYPE_CHECKING

from components.policies.named_resources import BUCKET, OIDC_PROVIDER, named_resources
from components.policies.stack import OtherKey, other_keys_of
from components.settings import SecretStore, Settings
from components.settings.arn import Arn, resource_name
from wizard.core.errors import Problem, ResourceError, SetupError, attempted
from wizard.core.models.account import Existing, KeyFact
from wizard.core.models.stack import StackState, Step
from wizard.core.next_command import Text, chain, eonpro, plain_name, shell
from wizard.core.safe_text import quoted
from wizard.core.state_backend import CLOUD_URL

if TYPE_CHECKING:
    from wizard.aws.client import AwsClient


def claim_of(stack: str, backend: str) -> str:
    """The text of an environment's claim: its stack, and where the state is. `backend`: of `Engine.check_backend`."""
    place = backend.partition(" as ")[0]
    # The path of a local backend names a folder of this machine only.
    place = f"{platform.node()}:{place}" if place.startswith(("/", "~")) else place
    return f"stack {plain_name(stack)}, state in {place}"


def _parts(claim: str) -> tuple[str, str]:
    """The stack and the place of its state that the text of a claim names."""
    stack, _, place = claim.removeprefix("stack ").partition(", state in ")
    return stack, place


def foreign_claim(settings: Settings, owner: str, own: str) -> Problem | None:
    """The problem where the environment's claim is another stack's or another backend's; None where it is `own`."""
    if owner == own:
        return None
    stack, place = _parts(owner)
    machine, is_local, path = place.partition(":/")
    url = CLOUD_URL if place == "Pulumi Cloud" else place
    if is_local and "://" not in place:
        url = f"file:///{path.removesuffix('/.pulumi')}" if machine == platform.node() else ""
    gone = shell("aws", "ssm", "delete-parameter", "--name", settings.names.claim, "--region", settings.region)
    advice = Text("only if that state is gone for good: ", gone, "; then: ", eonpro("doctor", "--stack", stack))
    next_step: Text = chain(shell("pulumi", "login", url), shell("export", f"PULUMI_BACKEND_URL={url}"), advice=advice)
    if "://" not in url:
        next_step = Text("run the wizard on the machine that has the state; ", advice)
    if place and own.endswith(f", state in {place}"):
        # The backend in use has both stacks: no other login shows the first one.
        second, _ = _parts(own)
        alone = eonpro("setup", "--stack", second, "--environment", "NAME")
        next_step = eonpro("setup", "--stack", stack, advice=Text("or, for an environment of its own: ", alone))
    return Problem(
        what=f"the environment {settings.environment} of the account {settings.account_id} belongs to another stack: "
        f"{quoted(owner)}. This is {own}",
        why="two states of one environment would create, change and delete the same resources",
        next=next_step,
        exit_code=ResourceError.exit_code,
    )


def claimed_elsewhere(
    aws: AwsClient, settings: Settings, own: str, *, where_own: Problem | None = None
) -> Problem | None:
    """The problem that the account's claim names another stack; None without a claim, or where it cannot be read.

    `where_own` is the problem where the claim is the stack's own.
    """
    name = settings.names.claim
    claims = attempted(aws.access_diagnostics.read_values, [name], SecretStore.PARAMETER_STORE)
    owner = None if isinstance(claims, SetupError) else claims.get(name)
    if owner is None:
        return None
    return where_own if owner == own else foreign_claim(settings, owner, own)


def without_state(own: str, *, is_removed: bool) -> Problem:
    """The problem of a stack that is in the account: its state is empty after its removal, or not where it was."""
    stack, place = _parts(own)
    gone = eonpro("setup", "--stack", stack, "--adopt", "--repair", "all")
    if is_removed:
        return Problem(
            what=f"the stack {stack} was removed: its state is empty, and the account has its key and its data key",
            why="what it retained is imported, not created once more; the data key stays the same",
            next=gone,
            exit_code=ResourceError.exit_code,
        )
    return Problem(
        what=f"the state of the stack {stack} is not where it was, in {place}; what the stack made is in the account",
        why="without its state all of that would be created once more",
        next=Text(
            "look for the state first: in a backup of that place, or where it was moved to. Only if it is gone for "
            "good: ",
            gone,
        ),
        exit_code=ResourceError.exit_code,
    )


_ALTERNATIVES = "or import it into this stack: --adopt   or use another environment: --environment NAME --stack NAME"


def resource_conflicts(
    settings: Settings, existing: Existing, state: StackState, orphaned_creations: Mapping[str, str]
) -> list[Problem]:
    """A problem for each of the stack's names that another resource has."""
    problems = []
    names = settings.names
    adopted = {entry.partition("=")[2] for entry in settings.adopted}
    ours = {*state.owned, *orphaned_creations.values(), *adopted}
    if existing.alias_target is not None and names.alias not in ours:
        problems.append(_alias(existing.alias_target, settings))
    found = [
        ("key", key.arn, Arn.parse(key.arn).name, _next_of_key(other, key, settings))
        for other in other_keys_of(settings)
        if (key := existing.other_keys.get(other.alias)) is not None
    ]
    for row in named_resources(settings):
        if row.is_made and row.type not in (BUCKET, OIDC_PROVIDER) and row.field in existing.found:
            arn = existing.found[row.field]
            found.append((row.noun, arn, row.id, _next(row.noun, arn)))
    for what, arn, id_, next_step in found:
        # The state has the name or id of a role, a user, a log group and a key, and the ARN of all others.
        if arn not in ours and id_ not in {*orphaned_creations.values(), *adopted}:
            problems.append(
                Problem(
                    what=f"the {what} {arn} exists already and is not in this stack",
                    why="the stack would create one of that name; it was not changed",
                    next=next_step,
                )
            )
    return problems + [
        _bucket(bucket, owner, settings) for bucket, owner in _buckets(settings, existing) if bucket not in ours
    ]


def has_own_tags(settings: Settings, key: KeyFact | None) -> bool | None:
    """Whether a key has the tags of the stack's own; None: unknown, or there is no key."""
    return None if key is None or key.tags is None else settings.tags.items() <= key.tags.items()


def certain_conflicts(settings: Settings, existing: Existing, *, is_importing: bool) -> list[Problem]:
    """The conflicts that are certain without the stack's state."""
    problems = []
    target = existing.alias_target
    # The stack's own key has its tags, unless it is imported; without the tags nothing is certain.
    if target is not None and has_own_tags(settings, target) is False and not (is_importing or settings.adopted):
        problems.append(_alias(target, settings))
    foreign = [(bucket, owner) for bucket, owner in _buckets(settings, existing) if owner == "foreign"]
    return problems + [_bucket(bucket, owner, settings) for bucket, owner in foreign]


def _alias(target: KeyFact, settings: Settings) -> Problem:
    alias = settings.names.alias
    tags = (f"{k}={v}" for k, v in sorted((target.tags or {}).items()))
    about = ", ".join(filter(None, (target.state, target.description, *tags)))
    return Problem(
        what=f"{alias} already points to the key {target.arn} ({about})",
        why="that key is not in this stack; key and alias were not changed",
        next=shell(
            *("aws", "kms", "describe-key", "--key-id", alias, "--region", settings.region),
            advice=f"to find its owner; {_ALTERNATIVES}",
        ),
    )


def _buckets(settings: Settings, existing: Existing) -> list[tuple[str, str]]:
    """The existing buckets under the stack's names: (name, owner)."""
    rows = [row for row in named_resources(settings) if row.type == BUCKET and row.is_made]
    return [(row.name, existing.found[row.field]) for row in rows if row.field in existing.found]


def _bucket(bucket: str, owner: str, settings: Settings) -> Problem:
    next_step = "name another: --trail-bucket NAME"
    if bucket == settings.names.access_log_bucket:
        adopt = "" if owner == "foreign" else "import it, if it has the tags of an earlier stack: --adopt   or "
        next_step = f"{adopt}do without: --access-logging no"
    return Problem(
        what=f"the bucket {bucket} exists already "
        f"({'another account' if owner == 'foreign' else 'this account, outside this stack'})",
        why="bucket names are global, and the audit trail needs its own bucket",
        next=next_step,
    )


def _next_of_key(other: OtherKey, key: KeyFact, settings: Settings) -> str:
    tags = " ".join(f"{name}={value}" for name, value in {**settings.tags, "Purpose": other.purpose}.items())
    return shell(
        *("aws", "kms", "list-resource-tags", "--key-id", key.arn, "--region", settings.region),
        advice=f"to find its owner; if it has the tags {tags}, of an earlier stack: --adopt   "
        f"or do without: {other.flag}",
    )


def _next(what: str, arn: str) -> str:
    trail = f"   or use that trail: --trail {arn} --trail-bucket NAME" if what == "trail" else ""
    return f"remove or rename it if nobody needs it, {_ALTERNATIVES}{trail}"


def with_existing_provider(
    settings: Settings, existing: Existing, state: StackState, orphaned_creations: Mapping[str, str]
) -> Settings:
    """The settings with an existing OIDC provider of another stack: an account can have only one for a URL."""
    arn = existing.found.get("oidc_provider")
    if arn and arn not in (*state.owned, *orphaned_creations.values()) and settings.makes_vercel_provider:
        return settings.model_copy(update={"vercel_oidc_provider_arn": arn})
    return settings


def crashed_creations(settings: Settings, existing: Existing, state: StackState, aws: AwsClient) -> dict[str, str]:
    """URN → id of the resources that a crashed run created and that its state does not have.

    Only resources with a unique name, and keys, by the stack's tags. Creating the others again changes nothing:
    settings of a bucket, attachments, inline policies, rules.
    """
    creations = {}
    for step in state.pending:
        id_ = _created_id(step, settings, existing, state, aws) if step.op == "creating" else None
        if id_:
            creations[step.urn] = id_
    return creations


def _created_id(step: Step, settings: Settings, existing: Existing, state: StackState, aws: AwsClient) -> str | None:
    names, kind, name = settings.names, step.type.rsplit(":", 1)[-1], step.physical_name
    if kind == "Key":
        return _own_key(step, settings, state, aws)
    if kind == "ReplicaKey":
        return _replica(step, settings, state, aws)
    if kind == "Alias":
        region = _region_of(step, settings)
        if region != settings.region:
            return name if aws.with_region(region).kms.describe_key(name) else None
        target = existing.alias_target if name == names.alias else existing.other_keys.get(name or "")
        return name if target else None
    for row in named_resources(settings):
        # The inputs of a provider have its URL, not a name. A stack makes one.
        is_it = row.type == step.type and (row.name == name or row.type == OIDC_PROVIDER)
        if is_it and row.field in existing.found and existing.found[row.field] != "foreign":
            return row.id
    return None


def _own_key(step: Step, settings: Settings, state: StackState, aws: AwsClient) -> str | None:
    """The id of the key with the stack's tags: the PHI key, or another one, which has one more tag."""
    purposes = {other.logical_name: other.purpose for other in other_keys_of(settings)}
    purpose = purposes.get(step.urn.rsplit("::", 1)[-1])
    keys = [
        key
        for key in aws.kms.find_keys(settings.tags)
        if key.arn not in state.owned and key.state == "Enabled" and (key.tags or {}).get("Purpose") == purpose
    ]
    # With two such keys it is not known which is the stack's: none is used.
    return Arn.parse(keys[0].arn).name if len(keys) == 1 else None


def _replica(step: Step, settings: Settings, state: StackState, aws: AwsClient) -> str | None:
    """The id of the replica: that of its primary, which is in the state already."""
    regional = aws.with_region(_region_of(step, settings))
    ids = {resource_name(owned) for owned in state.owned if "mrk-" in owned}
    return next((id_ for id_ in sorted(ids) if regional.kms.describe_key(id_)), None)


def _region_of(step: Step, settings: Settings) -> str:
    return next((region for region in settings.replica_regions if step.urn.endswith(f"-{region}")), settings.region)
