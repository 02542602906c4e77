"""Finds resources that a stack made and its state lacks, by the stack's names and marks.

Asks KMS, IAM, CloudTrail, S3, CloudWatch Logs and SNS, in parallel, only for what the state lacks; changes nothing.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from components import policies
from components.policies.named_resources import BUCKET, NamedResource, named_resources
from components.policies.stack import key_policy_of, other_keys_of
from components.policies.trail import trail_encryption_statements
from components.settings import Settings
from components.settings.arn import resource_name
from wizard.aws import kms
from wizard.aws.auth.session import Session
from wizard.aws.auth.session_client import SessionClient
from wizard.aws.existing_resources import is_untagged_by_a_crash, tags
from wizard.core.errors import PermissionDenied, ResourceError, Unsupported
from wizard.core.models.account import KeyFact, UnrecordedResource
from wizard.core.models.stack import StackState

KEY, REPLICA, ALIAS = "aws:kms/key:Key", "aws:kms/replicaKey:ReplicaKey", "aws:kms/alias:Alias"


_Candidate = tuple[UnrecordedResource, Callable[[], bool]]
"""A resource, and whether the account has it, with the stack's marks."""


class UnrecordedResources(SessionClient):
    """Finds resources that a stack made and its state lacks."""

    def find_unrecorded(self, settings: Settings, state: StackState) -> tuple[UnrecordedResource, ...]:
        """The resources that the stack made, by their marks, and that are not in its state.

        Only those that cannot be created a second time, and keys, of which there would be two. To create the others
        again changes nothing: settings of a bucket, attachments, inline policies, rules. What the settings import, and
        what the caller may not read, is left out. Nothing is asked for what the state has. Raises PermissionDenied
        where the keys cannot be listed: a second one could be made.
        """
        session = self._session
        imported = {entry.partition("=")[2] for entry in settings.adopted}
        keys = [key for key in _keys(session, settings, state) if key.id not in imported]
        owned = {*state.owned, *(key.arn for key in keys)}
        lacking = [
            (resource, is_own)
            for resource, is_own in (*_aliases(session, settings, owned), *_named(session, settings))
            if resource.id not in imported and not _is_recorded(resource, settings, state)
        ]
        answers = session.together(*(partial(_tolerant, is_own) for _, is_own in lacking))
        own = [resource for (resource, _), is_own in zip(lacking, answers, strict=True) if is_own]
        return (*keys, *own)


def _tolerant(is_own: Callable[[], bool]) -> bool:
    try:
        return is_own()
    except (PermissionDenied, Unsupported):
        # Without its marks it is nobody's: the conflict is reported.
        return False


def _is_recorded(resource: UnrecordedResource, settings: Settings, state: StackState) -> bool:
    return any(
        each.type == resource.type and each.id == resource.id and _region(each.name, settings) == resource.region
        for each in state.resources
    )


def _region(logical_name: str, settings: Settings) -> str:
    """The Region of a resource of the state: those of a replica have it at the end of their name."""
    regions = (region for region in settings.replica_regions if logical_name.endswith(f"-{region}"))
    return next(regions, settings.region)


# --- keys -------------------------------------------------------------------------------------------------------------


def _keys(session: Session, settings: Settings, state: StackState) -> tuple[UnrecordedResource, ...]:
    names = {each.name for each in state.resources if each.type in (KEY, REPLICA)}
    wanted = []
    if "phi-key" not in names:
        wanted.append(("", settings.names.alias))
    wanted += [(key.purpose, key.alias) for key in other_keys_of(settings) if key.logical_name not in names]
    own: list[UnrecordedResource] = []
    if wanted:
        try:
            tagged = kms.KmsKeys(session).find_keys(settings.tags)
        except Unsupported:
            tagged = ()
        free = [key for key in tagged if key.arn not in state.owned and key.state == "Enabled" and not key.replica_of]
        free = [key for key in free if _has_own_policy(session, settings, key)]
        for purpose, alias in wanted:
            own += _key(session, settings, [key for key in free if _purpose(key) == purpose], alias)
    return (*own, *_replicas(session, settings, names, (*state.owned, *(key.arn for key in own))))


def _purpose(key: KeyFact) -> str:
    """Every key of the stack but the PHI key has one more tag."""
    return (key.tags or {}).get("Purpose", "")


def _has_own_policy(session: Session, settings: Settings, key: KeyFact) -> bool:
    """Whether the key has this stack's policy and KMS's own key material, as every key of a stack has.

    Anybody can make a key with the same tags, an account that was set up by the guide has one: its policy would be
    overwritten by the stack's.
    """
    others = {other.purpose: other.policy for other in other_keys_of(settings)}
    expected = others.get(_purpose(key)) or key_policy_of(settings)
    try:
        actual = kms.KmsKeys(session).key_policy(key.arn)
    except (PermissionDenied, ResourceError):
        return False
    # Not all of it: the settings may have changed since, and names of roles were ids before the roles existed.
    return key.origin == "AWS_KMS" and _sids(expected) & _marks(settings) <= _sids(actual)


def _marks(settings: Settings) -> set[str]:
    """Statements that the policy of every key of such a stack has from its creation on, by their ids."""
    use = policies.application_use_statement(app_principal_arns=(), application=settings.names.label)
    of_one_key = (use, *trail_encryption_statements(trail_arn=""))
    return {policies.DENY_DELETION, *(str(statement["Sid"]) for statement in of_one_key)}


def _sids(document: Mapping[str, object]) -> set[str]:
    statements = document.get("Statement")
    listed = statements if isinstance(statements, list) else []
    return {str(entry.get("Sid")) for entry in listed if isinstance(entry, Mapping)}


def _key(session: Session, settings: Settings, keys: list[KeyFact], alias: str) -> Iterator[UnrecordedResource]:
    if len(keys) > 1:
        # One that has the stack's alias is the stack's. Of several without it nobody knows which is: none is used.
        target = kms.KmsKeys(session).alias_target(alias)
        keys = [key for key in keys if target is not None and key.arn == target.arn]
    for key in keys[:1]:
        purpose, id_ = _purpose(key), resource_name(key.arn)
        yield UnrecordedResource(type=KEY, name=purpose, region=settings.region, id=id_, arn=key.arn)


def _replicas(
    session: Session, settings: Settings, names: set[str], owned: tuple[str, ...]
) -> Iterator[UnrecordedResource]:
    ids = sorted({resource_name(each) for each in owned if ":key/mrk-" in each})
    for region in settings.replica_regions:
        if f"phi-key-{region}" in names:
            continue
        regional = kms.KmsKeys(session.with_region(region))
        for id_ in ids:
            key = regional.describe_key(id_)
            if key is not None:
                yield UnrecordedResource(type=REPLICA, name="", region=region, id=id_, arn=key.arn)
                break


def _aliases(session: Session, settings: Settings, owned: set[str]) -> Iterator[_Candidate]:
    """An alias is the stack's if it points to a key of the stack."""
    names = settings.names
    aliases = [(names.alias, region) for region in settings.regions]
    aliases += [(key.alias, settings.region) for key in other_keys_of(settings)]

    def points_to_own(name: str, region: str) -> bool:
        target = kms.KmsKeys(session.with_region(region)).alias_target(name)
        return target is not None and target.arn in owned

    for name, region in aliases:
        resource = UnrecordedResource(type=ALIAS, name=name, region=region, id=name, arn=name)
        yield resource, partial(points_to_own, name, region)


# --- what has a name and tags -----------------------------------------------------------------------------------------


def _named(session: Session, settings: Settings) -> Iterator[_Candidate]:
    """The stack's resources with a unique name, each with the question whether the account's has the stack's tags."""

    def is_own(row: NamedResource) -> bool:
        actual = tags(session, settings, row)
        if row.type == BUCKET and actual == {}:
            return is_untagged_by_a_crash(session, settings, row.name)
        return actual is not None and settings.tags.items() <= actual.items()

    for row in named_resources(settings):
        if row.is_made:
            resource = UnrecordedResource(type=row.type, name=row.name, region=settings.region, id=row.id, arn=row.arn)
            yield resource, partial(is_own, row)
