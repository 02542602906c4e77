"""What prevents the import of existing resources, each problem with its next step.

Pure.
"""

from collections.abc import Iterator, Sequence

from components.settings import ContractError, ImportGroup, Settings
from components.settings.arn import Arn
from wizard.account.comparison.trail import bucket_of
from wizard.core.errors import CredentialsError, Problem
from wizard.core.models.account import DiscoveredSetup, KeyFact
from wizard.core.models.stack import StackState
from wizard.core.next_command import NO_COMMAND, Text, chain, shell
from wizard.core.safe_text import quoted

OTHER_ENVIRONMENT = "set up another environment: --environment NAME --stack NAME"


def obstacles(discovered: DiscoveredSetup, settings: Settings, state: StackState) -> tuple[Problem, ...]:
    """Why the discovered resources cannot be imported; empty if they can. The stack's own resources are skipped."""
    owned = set(state.owned)
    problems: list[Problem] = []
    if discovered.key is not None and discovered.key.arn not in owned:
        problems += _key(discovered.key, settings, state)
    if discovered.role_arn is not None and discovered.role_arn not in owned:
        problems += _role(discovered.role_arn)
    if discovered.policy_arn is not None and discovered.policy_arn not in owned:
        problems += _policy(discovered.policy_arn, settings)
    if discovered.trail is not None and discovered.trail.arn not in owned:
        problems += _trail(discovered, settings)
    if (bucket := bucket_of(discovered)) is not None and bucket not in owned:
        problems += _bucket(bucket, discovered, settings)
    for key, alias, why in (
        (discovered.logs_key, settings.names.trail_key_alias, _LOGS_NEED_IT),
        (discovered.documents_key, settings.names.documents_key_alias, _DOCUMENTS_NEED_IT),
    ):
        if key is not None and key.arn not in owned:
            problems += _other_key(key, alias, why, settings)
    return tuple(problems)


def repair_conflicts(
    discovered: DiscoveredSetup, settings: Settings, unchanged: Sequence[ImportGroup]
) -> tuple[Problem, ...]:
    """Why a part cannot be repaired, or cannot stay unchanged while another one is repaired."""
    problems: list[Problem] = []
    boundary = discovered.role_boundary
    if boundary and boundary != settings.permissions_boundary_arn and ImportGroup.APPLICATION_ROLE not in unchanged:
        problems.append(
            Problem(
                what=f"the role {discovered.role_arn} has the permissions boundary {boundary}, "
                "which the settings do not name",
                why="a repair of the role would remove the boundary, and so the limit of the role's permissions",
                next=f"keep it: --permissions-boundary {boundary}   or import the role unchanged (--repair without it)",
                exit_code=2,
            )
        )
    trail = discovered.trail
    if trail is not None and trail.prefix and ImportGroup.TRAIL in unchanged and ImportGroup.BUCKET not in unchanged:
        problems.append(
            Problem(
                what=f"the trail {trail.arn} writes its logs under {trail.prefix}/, and the bucket's repair would "
                "let it write under AWSLogs/ only",
                why="the trail could no longer write its logs",
                next="repair both or neither: --repair with trail and bucket, or without both",
                exit_code=2,
            )
        )
    return tuple(problems)


def _key(key: KeyFact, settings: Settings, state: StackState) -> Iterator[Problem]:
    alias, region = settings.names.alias, settings.region
    named = f"the key {key.arn} of {alias}"
    about = ("--key-id", key.arn, "--region", region)
    if state.has_key:
        yield Problem(
            what=f"{alias} points to the key {key.arn}, and the stack has another key already",
            why="a stack has one PHI key, and its alias would be moved away from the key that has it now",
            next=shell(
                "aws", "kms", "describe-key", *about, advice="to find its owner; or use another stack: --stack NAME"
            ),
        )
        return
    if Arn.parse(key.arn).account != settings.account_id:
        yield Problem(
            what=f"{named} belongs to another account than {settings.account_id}",
            why="a stack manages keys of its own account",
            next="use the account of the key: --account ID with its credentials",
        )
        return
    yield from _wrong_kind(key, named, settings)
    yield from _wrong_state(key, named, about, settings)
    yield from _wrong_owner(key, named, about, settings)


def _wrong_kind(key: KeyFact, named: str, settings: Settings) -> Iterator[Problem]:
    if key.origin != "AWS_KMS":
        yield Problem(
            what=f"{named} has key material from outside KMS ({key.origin})",
            why="KMS does not rotate it, and its owner can delete it; the stack creates no such key",
            next=OTHER_ENVIRONMENT,
        )
    if key.replica_of is not None:
        primary = Arn.find(key.replica_of)
        region = primary.region if primary else "REGION"
        yield Problem(
            what=f"{named} is a replica; its primary is {key.replica_of}",
            why="a stack manages the primary, and creates the replicas itself",
            next=f"run in the primary's Region: --region {region}   or {OTHER_ENVIRONMENT}",
            exit_code=2,
        )
    if key.spec != "SYMMETRIC_DEFAULT" or key.usage != "ENCRYPT_DECRYPT":
        yield Problem(
            what=f"{named} is of the spec {key.spec} for {key.usage}",
            why="a data key needs a symmetric key for ENCRYPT_DECRYPT, and the spec of a key never changes",
            next=Text(
                "point the alias to the right key: ",
                shell("aws", "kms", "update-alias", "--alias-name", settings.names.alias, "--target-key-id", "KEY"),
                f" --region {settings.region}   or {OTHER_ENVIRONMENT}",
            ),
        )
    multi_region = Arn.parse(key.arn).name.startswith("mrk-")
    if multi_region != settings.multi_region:
        actual, desired = (
            ("is a multi-Region key", "one of a single Region")
            if multi_region
            else ("is a key of a single Region", "a multi-Region key")
        )
        yield Problem(
            what=f"{named} {actual}, and the settings want {desired}",
            why="that is decided when a key is created, and never changes",
            next=f"import it as it is: --multi-region {'yes' if multi_region else 'no'}   or {OTHER_ENVIRONMENT}",
            exit_code=2,
        )


def _wrong_state(key: KeyFact, named: str, about: tuple[str, ...], settings: Settings) -> Iterator[Problem]:
    if key.state == "Enabled":
        return
    enable = shell("aws", "kms", "enable-key", *about)
    if key.state in ("PendingDeletion", "PendingReplicaDeletion"):
        yield Problem(
            what=f"{named} is going to be deleted ({key.state})",
            why="without it everything encrypted under its data keys is lost; it cannot be imported",
            next=chain(shell("aws", "kms", "cancel-key-deletion", *about), enable, advice="cancels the deletion"),
        )
    elif key.state == "Disabled":
        yield Problem(
            what=f"{named} is disabled",
            why="somebody may have disabled it on purpose; a disabled key decrypts no data key",
            next=Text("if it should be used: ", enable),
        )
    else:
        yield Problem(
            what=f"{named} is not enabled: {key.state}",
            why="only an enabled key decrypts a data key",
            next=shell("aws", "kms", "describe-key", *about, advice=f"shows it; or {OTHER_ENVIRONMENT}"),
        )


def _wrong_owner(key: KeyFact, named: str, about: tuple[str, ...], settings: Settings) -> Iterator[Problem]:
    if key.tags is None:
        yield Problem(
            what=f"the tags of {named} cannot be read",
            why="they show whose key it is; two environments under one key can read each other's records",
            next=shell("aws", "kms", "list-resource-tags", *about, advice="shows why; it needs kms:ListResourceTags"),
            exit_code=CredentialsError.exit_code,
        )
        return
    for tag, desired in settings.tags.items():
        actual = key.tags.get(tag)
        # A difference in case only is repaired; it does not show another owner.
        if actual is not None and actual.casefold() != desired.casefold():
            yield Problem(
                what=f"{named} has the tag of another owner: {tag}={quoted(actual)}, "
                f"and this stack's is {tag}={desired}",
                why="two environments or applications under one key can read each other's records",
                next=Text(
                    "if the tag is wrong: ",
                    shell("aws", "kms", "tag-resource", *about, "--tags", f"TagKey={tag},TagValue={desired}"),
                    f"   else {OTHER_ENVIRONMENT}",
                ),
            )


def _role(arn: str) -> Iterator[Problem]:
    if "/" in Arn.parse(arn).path:
        yield Problem(
            what=f"the role {arn} has a path",
            why="a path never changes, and the stack's role has none",
            next=f"use the role as it is: --app-principal {arn}",
        )


def _policy(arn: str, settings: Settings) -> Iterator[Problem]:
    if "/" in Arn.parse(arn).path:
        yield Problem(
            what=f"the policy {arn} has a path",
            why=f"a path never changes, and a second policy {settings.names.app_policy} cannot exist",
            next=shell(
                *("aws", "iam", "list-entities-for-policy", "--policy-arn", arn),
                advice=Text(
                    "shows who uses it; then detach and delete it (",
                    *(shell("aws", "iam", "delete-policy", "--policy-arn", arn), f"), or {OTHER_ENVIRONMENT}"),
                ),
            ),
        )


def _trail(discovered: DiscoveredSetup, settings: Settings) -> Iterator[Problem]:
    trail = discovered.trail
    assert trail is not None, "the caller checks it"
    as_it_is = f"use the trail as it is: --trail {trail.arn} --trail-bucket {trail.bucket or 'NAME'}"
    arn = Arn.parse(trail.arn)
    if trail.organization or arn.account != settings.account_id:
        yield Problem(
            what=f"the trail {trail.arn} belongs to an organization",
            why="it is managed for all accounts of the organization, not by one stack",
            next=as_it_is,
        )
    elif arn.region != settings.region:
        yield Problem(
            what=f"the trail {trail.arn} has its home in {arn.region}, and this stack is in {settings.region}",
            why="a trail is changed in its home Region only, and its name is used in all others",
            next=as_it_is,
        )
    elif bucket_of(discovered) is None:
        yield Problem(
            what=f"the trail {trail.arn} writes to the bucket {trail.bucket}, "
            "which is not in this account, or does not exist",
            why="the stack protects the logs, and cannot protect the bucket of another account",
            next=Text(
                "give it a bucket of this account: ",
                shell(
                    *("aws", "cloudtrail", "update-trail", "--name", trail.arn, "--s3-bucket-name", "NAME"),
                    *("--region", settings.region),
                ),
                f"   or {as_it_is}",
            ),
        )


_LOGS_NEED_IT = "the audit log is encrypted under it: without it the log can be neither read nor written"
_DOCUMENTS_NEED_IT = "documents are encrypted under it: without it they can be neither read nor written"


def _other_key(key: KeyFact, alias: str, why: str, settings: Settings) -> Iterator[Problem]:
    if key.state != "Enabled":
        about = ("--key-id", key.arn, "--region", settings.region)
        cancel = shell("aws", "kms", "cancel-key-deletion", *about)
        yield Problem(
            what=f"the key {key.arn} of {alias} is not enabled: {key.state}",
            why=why,
            next=Text(
                "if it should be used: ",
                chain(
                    cancel if key.state.startswith("Pending") else NO_COMMAND, shell("aws", "kms", "enable-key", *about)
                ),
            ),
        )


def _bucket(bucket: str, discovered: DiscoveredSetup, settings: Settings) -> Iterator[Problem]:
    trail = discovered.trail.arn if discovered.trail else "ARN"
    if discovered.bucket_region is not None:
        yield Problem(
            what=f"the bucket {bucket} is in {discovered.bucket_region}, and this stack in {settings.region}",
            why="a bucket never moves, and the stack manages what is in its own Region",
            next=Text(
                f"use the trail as it is: --trail {trail} --trail-bucket {bucket}   or give it another bucket: ",
                shell("aws", "cloudtrail", "update-trail", "--name", trail, "--s3-bucket-name", "NAME"),
            ),
        )
    try:
        Settings.read({**settings.model_dump(), "trail_bucket": bucket})
    except ContractError as error:
        yield Problem(
            what=f"the bucket {bucket} cannot be imported: {dict(error.faults).get('trailBucket', error)}",
            why="a bucket's name never changes",
            next=Text(
                "let the trail write to another: ",
                shell("aws", "cloudtrail", "update-trail", "--name", trail, "--s3-bucket-name", "NAME"),
            ),
        )
