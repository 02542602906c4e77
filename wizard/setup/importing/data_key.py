"""The data key of an account that was created manually: which one the application has, and whether the stack can hold it.

Pure: facts in, a problem or the wrapped key out.
"""

from __future__ import annotations

from dataclasses import dataclass

from components.settings import DATA_KEY_VARIABLE, Outputs, ResourceKind, Settings, Target
from wizard.core.data_key import WrappedDataKey
from wizard.core.errors import DataKeyConflict, Problem
from wizard.core.models.account import DiscoveredSetup, FoundDataKey
from wizard.core.models.delivery import AppVariables, StoredDataKey
from wizard.core.next_command import Command
from wizard.core.ports.run import AwsClient, DecryptVerifier
from wizard.targets.port import deploy_target

GIVEN_VARIABLE = "EONPRO_ENCRYPTED_PHI_KEY"
"""The environment variable that gives the wrapped data key where Vercel keeps it to itself."""

NONE_YET = "none"
"""Given instead of a data key, it says that the application never had one under this key."""

_BESIDE = "set up another environment: --environment NAME --stack NAME"


def data_key_obstacle(
    found: FoundDataKey,
    discovered: DiscoveredSetup,
    stored_data_key: StoredDataKey | None,
    *,
    given: WrappedDataKey | None = None,
) -> Problem | None:
    """Why the data key that Vercel has cannot become the stack's; None where it can, or where there is none.

    `given` is the value that a person typed, or the environment variable EONPRO_ENCRYPTED_PHI_KEY.
    """
    held = found.wrapped or given
    stored = discovered.data_key.wrapped if discovered.data_key is not None else None
    if stored is not None and held not in (None, stored):
        return Problem(
            what=f"the application has the data key {held.fingerprint if held else ''}, and Parameter Store holds "
            f"{stored.fingerprint} beside the same key",
            why="records may be encrypted under either, and one of them could not be read any more",
            next="find out which of the two opens the records, and remove the other, or "
            "set up another environment for it: --environment NAME --stack NAME",
        )
    if found.wrapped is not None and given is not None and found.wrapped != given:
        return Problem(
            what=f"the data key given ({given.fingerprint}) is not the one on Vercel ({found.wrapped.fingerprint})",
            why="the records are encrypted under one of them, and nothing tells which",
            next=Command(f"unset {GIVEN_VARIABLE}", advice="Vercel tells its value, which the application uses now"),
            exit_code=2,
        )
    if stored_data_key is not None:
        return _other_than_escrowed(held, discovered, stored_data_key)
    if not found.there and given is None:
        return None
    if discovered.key is None:
        return _without_key(found)
    if found.key_arn is not None and not _names(found.key_arn, discovered):
        return Problem(
            what=f"AWS_KMS_KEY_ID on Vercel names {found.key_arn}, and the alias points to {discovered.key.arn}",
            why=f"{DATA_KEY_VARIABLE} there is wrapped by the first, which the second cannot open",
            next=f"point the alias to the key in use: aws kms update-alias --alias-name {_alias(discovered)} "
            f"--target-key-id {found.key_arn}   or {_BESIDE}",
        )
    if held is not None and found.claimed not in (None, held.fingerprint):
        return Problem(
            what=f"the data key given ({held.fingerprint}) is not the one on Vercel ({found.claimed}, by its comment)",
            why="the records are encrypted under one of them, and Vercel does not tell its value",
            next=f"export {GIVEN_VARIABLE}=…   # the one whose fingerprint is {found.claimed}",
            exit_code=2,
        )
    if held is None:
        return Problem(
            what=f"{DATA_KEY_VARIABLE} is there, and its value is not available",
            why="the stack keeps a copy of the wrapped data key, and must not make another one: it could not open "
            "the records",
            next=f"export {GIVEN_VARIABLE}=…   # as the key's generation printed it, or from your backup",
            exit_code=2,
        )
    return None


def in_use(vercel: FoundDataKey | None, discovered: DiscoveredSetup) -> FoundDataKey:
    """What the application has: on Vercel; where it has none there, in Parameter Store beside the key."""
    if vercel is not None and vercel.there:
        return vercel
    return discovered.data_key or FoundDataKey(wrapped=None, there=False, key_arn=vercel.key_arn if vercel else None)


def untold(discovered: DiscoveredSetup) -> Problem:
    """A key that was created manually, and no word of the data key under it: another one is never made in silence."""
    key = discovered.key
    assert key is not None, "its caller looked"
    return Problem(
        what=f"nothing tells which data key the application has under the key {key.arn}",
        why="the stack keeps a copy of the wrapped data key, and another one could not open the records",
        next=f"copy {DATA_KEY_VARIABLE} from where the application gets it: export {GIVEN_VARIABLE}=…   "
        f"or, if there never was one: export {GIVEN_VARIABLE}={NONE_YET}",
        exit_code=2,
    )


def imported_data_key(found: FoundDataKey | None, given: WrappedDataKey | None) -> WrappedDataKey | None:
    """The data key to store; None where there is none, and where `data_key_obstacle` tells why it cannot be known."""
    held = found.wrapped if found is not None else None
    return None if held is not None and given not in (None, held) else held or given


def _other_than_escrowed(
    held: WrappedDataKey | None, discovered: DiscoveredSetup, stored_data_key: StoredDataKey
) -> Problem | None:
    if held is not None and held != stored_data_key.wrapped:
        return Problem(
            what=f"{stored_data_key.parameter} holds the data key {stored_data_key.wrapped.fingerprint}, and the application has "
            f"{held.fingerprint}",
            why="records may be encrypted under either; neither was touched",
            next="find out which one opens the records, and use the stack of that one (--stack NAME), or "
            "another environment: --environment NAME --stack NAME",
        )
    if discovered.key is not None and stored_data_key.key_arn not in (None, discovered.key.arn):
        return Problem(
            what=f"{stored_data_key.parameter} holds a data key wrapped by {stored_data_key.key_arn}, and the alias points to "
            f"{discovered.key.arn}",
            why="the imported key could not open it",
            next=f"point the alias to the key in use: aws kms update-alias --alias-name {_alias(discovered)} "
            f"--target-key-id {stored_data_key.key_arn}   or {_BESIDE}",
        )
    return None


def _without_key(found: FoundDataKey) -> Problem:
    key = found.key_arn or "KEY"
    return Problem(
        what=f"there is an {DATA_KEY_VARIABLE} already, and no alias of this stack's points to the key that wrapped it",
        why="a key made now could not open it, and the records under it would be lost",
        next=f"name the key it was made with: aws kms create-alias --alias-name ALIAS --target-key-id {key}   "
        "and run this again",
    )


def _names(text: str, discovered: DiscoveredSetup) -> bool:
    """Whether an AWS_KMS_KEY_ID means the key that was found: its ARN, its id, its alias, the alias's ARN."""
    key, alias = discovered.key, _alias(discovered)
    assert key is not None, "its caller looked"
    where = key.arn.partition(":key/")[0]
    return text.strip() in (key.arn, key.arn.rpartition("/")[2], alias, f"{where}:{alias}")


def _alias(discovered: DiscoveredSetup) -> str:
    return next((found.id for found in discovered.things if found.thing is ResourceKind.ALIAS), "ALIAS")


@dataclass(frozen=True, kw_only=True)
class Beforehand:
    """What was learnt of a data key before it was stored."""

    proved: bool
    """False where nobody here can be the application; then it is taken as it was found or given."""
    words: str


def prove_beforehand(
    *,
    aws: AwsClient,
    prover: DecryptVerifier,
    settings: Settings,
    outputs: Outputs,
    targets: tuple[Target, ...],
    wrapped: WrappedDataKey,
) -> Beforehand:
    """As the application, open the data key; the first target whose credentials can be had is enough.

    Raises DataKeyConflict when the application cannot open it, for whatever cause: nothing is written then.
    """
    batch = AppVariables(region=settings.region, key_arn=outputs.key_arn, wrapped=wrapped)
    for target in map(deploy_target, targets):
        principal = outputs.principal_of(target.name)
        found = aws.application_credentials.app_credentials(
            principal, container_first=target.container_credentials_first
        ).found
        if found is None:
            continue
        verdict = prover.prove(found, batch)
        if not verdict.proved or verdict.fingerprint != wrapped.fingerprint:
            cause = f"{verdict.cause}: {verdict.message}" if not verdict.proved else f"it opened {verdict.fingerprint}"
            raise DataKeyConflict(
                f"the application cannot open the data key {wrapped.fingerprint} with the key {outputs.key_arn} "
                f"({cause}); it was not stored, and nothing was delivered",
                f"if it is another key's: unset {GIVEN_VARIABLE}, or copy ENCRYPTED_PHI_KEY whole from where the "
                "application gets it; if the application may not use the key: repair its parts (--repair all); then "
                "run the same command again",
            )
        return Beforehand(proved=True, words=f"{wrapped.fingerprint} is opened by the key, as {principal}")
    return Beforehand(
        proved=False,
        words=f"{wrapped.fingerprint} is stored without a proof: the application's credentials are not available here",
    )
